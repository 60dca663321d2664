"""``vif-perception demo``: the whole way without a robot, a bag or ROS."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from vif_perception.cli import console
from vif_perception.cli.replay import run
from vif_perception.cli.sim import TimeOfDay, make_rig

RATE_HZ = 10.0
#: What goes wrong during the drive, as parts of its length: (start, length, fault).
FAULTS = ((0.35, 0.08, 'freeze:thermal'), (0.7, 0.1, 'blank:rgb'))


def demo(
    out: Annotated[
        Path, typer.Option(
            '--out', '-o', metavar='DIR', help='Where it goes.', parser=console.named_path
        ),
    ] = Path('demo'),
    seconds: Annotated[
        float, typer.Option(min=0.1, max=86_400, help='Length of the drive.')
    ] = 6.0,
    seed: Annotated[int, typer.Option(help='Decides the street.')] = 0,
    time_of_day: Annotated[
        TimeOfDay, typer.Option(help='cycle fades from day to night and back.')
    ] = TimeOfDay.CYCLE,
    show: Annotated[
        bool, typer.Option('--open/--no-open', help='Open the report in the browser.')
    ] = False,
) -> None:
    """Simulate a short drive with failing cameras, replay it, and say where the report is."""
    from vif_perception.config import load_config
    from vif_perception.replay.options import ReplayOptions
    from vif_perception.replay.simulated import record_drive

    faults = [
        f'{fault}@{start * seconds:.3f}+{length * seconds:.3f}' for start, length, fault in FAULTS
    ]
    frames = max(1, round(seconds * RATE_HZ))
    bag = out / 'drive.mcap'
    rig = make_rig(seed=seed, rate=RATE_HZ, time_of_day=time_of_day, faults=faults)
    console.say(f'Simulating {frames} frames of a drive into {bag}; faults: {", ".join(faults)}')
    with console.progress() as progress:
        config = record_drive(rig, frames, bag, progress=progress)
    console.say(f'Replaying it:\n  vif-perception replay {bag} --config {config} --out {out}')
    run(ReplayOptions(bags=[bag], out=out, config=load_config(config)))
    if show:
        webbrowser.open((out / 'report.html').resolve().as_uri())
