"""``vif-perception bench``: how fast it is on this machine."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from vif_perception.cli import console
from vif_perception.cli.replay import ConfigFile, Sets


def bench(
    runs: Annotated[int, typer.Option(min=1, help='Timed runs of the network.')] = 100,
    bag: Annotated[
        Path | None,
        typer.Option('--replay', metavar='BAG', help='Time a whole replay of this recording.'),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help='Results of the replay.', show_default='all')
    ] = None,
    sets: Sets = None,
    config: ConfigFile = None,
    as_json: console.AsJson = False,
) -> None:
    """Time the deployed network, raw 640x480 images in and uint8 results out, or a whole replay.

    A replay is timed end to end, with the result bag, the report and all scores; the peak
    memory is that of this process.
    """
    from vif_perception.config import load_config

    settings = load_config(config, sets or ())
    figures = _time_network(settings, runs) if bag is None else _time_replay(settings, bag, limit)
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
        return
    table = console.table('what', 'measured')
    for name, value in figures.items():
        table.add_row(name, f'{value:.1f}' if isinstance(value, float) else str(value))
    console.show(table)


def _time_network(config: Any, runs: int) -> dict[str, Any]:
    import numpy as np

    from vif_perception.inference import create_engine
    from vif_perception.sim import Rig
    from vif_perception.types import Calibration

    sample = next(Rig(0).samples(1))
    assert sample.rgb is not None
    assert sample.thermal is not None
    calibration = Calibration(config.reference, sample.rgb.size, sample.thermal.size, None)
    engine = create_engine(config)
    took_ms = []
    for _ in range(runs + min(10, runs)):
        started = time.perf_counter()
        engine.run(
            sample.rgb.data, sample.thermal.data, bgr=False, window=(27_800.0, 31_800.0),
            calibration=calibration,
        )
        took_ms.append((time.perf_counter() - started) * 1e3)
    p50, p95 = np.percentile(took_ms[-runs:], (50, 95))
    return {
        'network': engine.weights.name, 'engine': engine.description, 'runs': runs,
        'latency p50, ms': float(p50), 'latency p95, ms': float(p95),
        'peak memory, MB': _peak_mb(),
    }


def _time_replay(config: Any, bag: Path, limit: int | None) -> dict[str, Any]:
    from vif_perception.errors import InputError
    from vif_perception.inference import create_engine
    from vif_perception.replay.options import ReplayOptions
    from vif_perception.replay.runner import replay

    engine = create_engine(config)
    with tempfile.TemporaryDirectory() as folder, console.progress() as progress:
        options = ReplayOptions(bags=[bag], out=Path(folder), config=config, limit=limit)
        started = time.perf_counter()
        report = replay(options, engine, progress).report
        elapsed_s = time.perf_counter() - started
    if report['error']:
        raise InputError(report['error'], where=str(bag))
    results = sum(report['modes'].values())
    return {
        'network': engine.weights.name, 'engine': engine.description, 'results': results,
        'results/s, playing': report['speed']['outputs_per_s'],
        'results/s, with report and scores': results / elapsed_s,
        'latency p50, ms': report['latency_ms']['total']['p50'],
        'latency p95, ms': report['latency_ms']['total']['p95'],
        'peak memory, MB': _peak_mb(),
    }


def _peak_mb() -> float:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == 'darwin' else peak * 1024 / 1e6
