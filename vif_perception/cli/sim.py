"""``vif-perception sim``: a bag of a simulated drive."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vif_perception.cli import console
from vif_perception.errors import InputError

if TYPE_CHECKING:
    from vif_perception.sim import Rig

MAX_PIXELS = 16777216  # the default of limits.max_pixels
_ACCEPTED = f'WxH such as 640x480, of 1 to {MAX_PIXELS} pixels'


class TimeOfDay(str, Enum):
    """Light of the simulated drive."""

    DAY = 'day'
    NIGHT = 'night'
    CYCLE = 'cycle'


def sim(
    out: Annotated[
        Path, typer.Option(
            '--out', '-o', metavar='FILE', parser=console.named_path,
            help='Bag to write, .mcap; its configuration goes beside it.',
        ),
    ] = Path('drive.mcap'),
    force: Annotated[
        bool, typer.Option('--force', '-f', help='Replace files that are there already.')
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(
            min=0.01, max=86_400, help='Length of the drive.', show_default='10'
        ),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(min=1, max=10_000_000, help='Length in RGB frames, in place of --seconds.'),
    ] = None,
    rate: Annotated[float, typer.Option(help='Frames per second of both cameras.')] = 15.0,
    seed: Annotated[int, typer.Option(help='Decides the street; same seed, same bytes.')] = 0,
    time_of_day: Annotated[
        TimeOfDay, typer.Option(help='cycle fades from day to night and back.')
    ] = TimeOfDay.CYCLE,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar='NAME:CAMERA[:VALUE][@START[+DURATION]]',
            help='Let a camera fail, e.g. freeze:thermal@3+1; repeatable. NAME: drop, freeze, '
            'blank, late, reorder, clock_jump, wrong_encoding, gain_step; CAMERA: thermal, '
            'rgb, both.',
        ),
    ] = None,
    size: Annotated[str, typer.Option(metavar='WxH', help='Size of the RGB images.')] = '640x480',
    thermal_size: Annotated[
        str, typer.Option(metavar='WxH', help='Size of the thermal images.')
    ] = '640x480',
    compressed: Annotated[
        bool, typer.Option('--compressed', help='JPEG and 16-bit PNG in place of raw images.')
    ] = False,
) -> None:
    """Simulate a drive with both cameras and record it as a bag, with ground truth."""
    from vif_perception.replay.simulated import check_free, record_drive

    if seconds is not None and frames is not None:
        raise InputError('--seconds and --frames are both given', accepted='one of them')
    check_free(out, force=force)
    rig = make_rig(
        seed=seed, size=size, thermal_size=thermal_size, rate=rate, time_of_day=time_of_day,
        faults=fault or (),
    )
    count = frames or max(1, round((10.0 if seconds is None else seconds) * rate))
    with console.progress() as progress:
        config = record_drive(rig, count, out, compressed=compressed, progress=progress)
    console.say(f'{count} frames in {out}. Replay it:')
    console.say(f'  vif-perception replay {out} --config {config}')


def make_rig(
    *, seed: int, size: str = '640x480', thermal_size: str = '640x480', rate: float,
    time_of_day: TimeOfDay, faults: list[str] | tuple[str, ...] = (),
) -> Rig:
    """Return the rig that the words of the command line ask for.

    Raises:
        InputError: from reading a size or a fault, or from the rig.
    """
    from vif_perception.sim import Rig, parse_fault

    return Rig(
        seed, size=_width_height(size, '--size'),  # the rig has narrower limits of its own
        thermal_size=_width_height(thermal_size, '--thermal-size'), rate_hz=rate,
        time_of_day=time_of_day.value, faults=[parse_fault(text) for text in faults],
    )


def parse_size(text: str, option: str) -> tuple[int, int]:
    """Read ``WxH`` as (width, height).

    Raises:
        InputError: it is no size, empty or larger than MAX_PIXELS; ``option`` is where it was
            given.
    """
    width, height = _width_height(text, option)
    if not 1 <= width * height <= MAX_PIXELS:
        raise InputError(f'{text!r} is no size', where=option, accepted=_ACCEPTED)
    return width, height


def _width_height(text: str, option: str) -> tuple[int, int]:
    width, _, height = text.partition('x')
    if not (re.fullmatch('[0-9]{1,8}', width) and re.fullmatch('[0-9]{1,8}', height)):
        raise InputError(f'{text!r} is no size', where=option, accepted=_ACCEPTED)
    return int(width), int(height)
