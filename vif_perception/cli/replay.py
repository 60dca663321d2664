"""``vif-perception replay``: a bag in; result bag, report and pictures out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vif_perception.cli import console
from vif_perception.errors import InputError

if TYPE_CHECKING:
    from vif_perception.replay.options import ReplayOptions

Sets = Annotated[
    list[str] | None,
    typer.Option(
        '--set', '-s', metavar='KEY=VALUE',
        help='Set a parameter (see `vif-perception params`); beats --config; repeatable.',
    ),
]
ConfigFile = Annotated[
    Path | None, typer.Option('--config', '-c', metavar='FILE', help='YAML file of parameters.')
]


def replay(
    bags: Annotated[
        list[Path],
        typer.Argument(
            metavar='BAG', show_default=False,
            help='ROS 1 bag, rosbag2 folder, .mcap or .db3 file, or a folder of images; several '
            'are played one after the other.',
        ),
    ],
    out: Annotated[
        Path, typer.Option(
            '--out', '-o', metavar='DIR', help='Folder for the results.',
            parser=console.named_path,
        ),
    ] = Path('replay'),
    thermal: Annotated[
        str | None,
        typer.Option(metavar='TOPIC', help="Thermal images; 'none': without. Found by default."),
    ] = None,
    rgb: Annotated[
        str | None,
        typer.Option(metavar='TOPIC', help="RGB images; 'none': without. Found by default."),
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option(
            metavar='TOPIC|DIR',
            help="Ground-truth masks: a topic or a folder of PNG; 'none': without. The only mask "
            'topic by default.',
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar='N', show_default='all',
            help='Stop after this many results; the rest, damaged or not, is not read.',
        ),
    ] = None,
    start: Annotated[
        float, typer.Option(metavar='SECONDS', help='Leave out the first seconds.')
    ] = 0.0,
    rate: Annotated[
        float, typer.Option(
            metavar='X', help='0: as fast as possible, 1: as recorded, 2: twice as fast.'
        ),
    ] = 0.0,
    inject: Annotated[
        list[str] | None,
        typer.Option(
            metavar='FAULT',
            help='Let a camera fail, e.g. drop:thermal:0.1; repeatable; see `sim --help`.',
        ),
    ] = None,
    sets: Sets = None,
    config: ConfigFile = None,
    gate: Annotated[
        Path | None,
        typer.Option(
            metavar='FILE',
            help='YAML of thresholds (docs/gates.md); exit code 1 when one is missed.',
        ),
    ] = None,
    fusion_frames: Annotated[
        int, typer.Option(
            metavar='N', help='Results that the fusion metrics are computed on; 0: none.'
        ),
    ] = 8,
) -> None:
    """Run a recording through the pipeline: result bag, frames.jsonl, report.json and .html.

    The same recording, weights and options give the same bytes, timings aside.
    """
    from vif_perception.config import load_config
    from vif_perception.replay.options import ReplayOptions

    run(ReplayOptions(
        bags=bags, out=out, thermal=thermal, rgb=rgb, truth=truth, limit=limit, start=start,
        rate=rate, inject=inject or (), config=load_config(config, sets or ()), gate=gate,
        fusion_frames=fusion_frames,
    ))


def run(options: ReplayOptions) -> None:
    """Replay with a progress bar and print what came out; leaves with the exit code.

    Raises:
        InputError: nothing could be processed.
        typer.Exit: with the exit code, when it is not 0.
    """
    from vif_perception.replay.runner import replay

    try:
        with console.progress() as progress:
            result = replay(options, progress=progress)
    except KeyboardInterrupt:
        console.complain(f'interrupted; what was processed is in {options.out}')
        raise typer.Exit(130) from None
    except InputError:
        raise
    except Exception:
        console.complain(f'what was processed is in {options.out}')
        raise
    _show(result.report)
    if result.report['error']:
        console.complain(f'error: {result.report["error"]}')
        console.complain(f'what was processed is in {result.out}')
    else:
        console.say(f'Report: {result.out / "report.html"}')
        console.say(f'Result bag, for Foxglove: {result.out / "result.mcap"}')
    if result.exit_code:
        raise typer.Exit(result.exit_code)


def _show(report: dict[str, Any]) -> None:
    table = console.table('result', '')
    for name, value in _summary(report):
        table.add_row(name, value)
    console.show(table)
    if report['gates']:
        gates = console.table('gate', 'limit', 'value', '')
        for gate in report['gates']:
            gates.add_row(
                gate['name'], f'{gate["op"]} {gate["limit"]:g}', _number(gate['value']),
                'passed' if gate['passed'] else 'FAILED',
            )
        console.show(gates)
    for note in report['notes']:
        console.say(f'note: {note}')


def _summary(report: dict[str, Any]) -> list[tuple[str, str]]:
    frames = report['frames']
    rows = [
        ('frames', f'{frames["rgb"]} rgb, {frames["thermal"]} thermal'),
        ('results', f'{frames["pairs"]} from pairs, {frames["partials"]} from one camera'),
        ('modes', _modes(report)),
        ('left out', _counts(report['drops'])),
    ]
    if report['registration']:
        extrinsic = report['topics'].get('extrinsic')
        found = f', extrinsic from {extrinsic}' if extrinsic else ''
        rows.append(('registration', report['registration'] + found))
    if report['skew_ms']:
        rows.append(('skew', _spread(report['skew_ms'], 'ms')))
    if 'total' in report['latency_ms']:
        rows.append(('time for one result', _spread(report['latency_ms']['total'], 'ms')))
    if report['speed']:
        rows.append(('speed', f'{report["speed"]["outputs_per_s"]:.1f} results/s'))
    scores = report['segmentation']
    if scores:
        rows.append((
            'mIoU against ground truth',
            f'{_number(scores["miou_present"])} over classes present, '
            f'{_number(scores["miou_foreground"])} without background, {scores["frames"]} frames',
        ))
    return rows


def _modes(report: dict[str, Any]) -> str:
    """Return a line for each mode: 'RGB_ONLY 3: thermal missing 1, frozen 2'."""
    from vif_perception.report.summary import reasons

    lines = []
    for mode, count in report['modes'].items():
        why = reasons(report['reasons'].get(mode, {}))
        lines.append(f'{mode} {count}: {why}' if why else f'{mode} {count}')
    return '\n'.join(lines) or 'none'


def _counts(counts: dict[str, int]) -> str:
    return ', '.join(f'{name} {count}' for name, count in counts.items()) or 'none'


def _spread(values: dict[str, float], unit: str) -> str:
    return ', '.join(f'{name} {value:.1f} {unit}' for name, value in values.items())


def _number(value: float | None) -> str:
    return 'not measured' if value is None else f'{value:.4g}'
