"""``vif-perception evaluate``: weights and data in; tables, pictures and numbers out."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from vif_perception.cli import console

#: Columns that a terminal has room for, by kind of table; flicker has room for all.
SHOWN = {
    'segmentation': ('system', 'seeds', 'mIoU present', 'mIoU foreground', 'ECE'),
    'fusion': ('method', 'EN', 'SD', 'SCD', 'VIF', 'Qabf', 'SSIM', 'Nabf (lower)'),
}


def evaluate(
    systems: Annotated[
        list[str] | None,
        typer.Argument(
            metavar='SYSTEM...', show_default=False,
            help='Weights file, run folder, or name of packaged weights; NAME=FILE,FILE,... for '
            'networks that differ by their seed.',
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            '--data', metavar='DATA',
            help="Labelled data: a folder, or as in a recipe '{name: msrs, root: DIR, split: "
            "test}'; repeatable.",
        ),
    ] = None,
    fusion_data: Annotated[
        list[str] | None,
        typer.Option('--fusion-data', metavar='DATA', help='Pairs without labels; repeatable.'),
    ] = None,
    cascade: Annotated[
        list[str] | None,
        typer.Option(
            '--cascade', metavar='NAME=FUSE+SEGMENT',
            help='Fuse with one weights file, segment the fused image with another; repeatable.',
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(
            '--out', '-o', metavar='DIR', parser=console.named_path,
            help='Folder for results.json, results.md and results.html.',
        ),
    ] = Path('evaluation'),
    split: Annotated[str, typer.Option(help='Split where DATA names none.')] = 'test',
    limit: Annotated[
        int, typer.Option(
            metavar='N', min=0, show_default='all',
            help='Frames of each data set, evenly spread over it.',
        ),
    ] = 0,
    flicker_frames: Annotated[
        int, typer.Option(
            metavar='N', min=0, help='Exposures of a rendered still scene; 0: no flicker.'
        ),
    ] = 8,
    modes_only: Annotated[
        bool, typer.Option(
            '--modes-only', help='No shifted, black or frozen cameras: a quarter of the time.'
        ),
    ] = False,
) -> None:
    """Score networks on labelled data and on pairs, as the robot would run them."""
    from vif_perception.report.evaluation import EvaluationFolder
    from vif_perception.training.evaluation import (
        Request,
        dataset_config,
        markdown,
        prepare,
        tables_of,
    )

    ready = prepare(Request(
        systems or (), cascade or (),
        [dataset_config(text, '--data', split) for text in data or ()],
        [dataset_config(text, '--fusion-data', split) for text in fusion_data or ()],
        limit, flicker_frames, modes_only,
    ))
    with EvaluationFolder(out) as folder:
        folder.report['command'] = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
        with console.progress() as progress:
            found = ready.measure(progress)
        sections = tables_of(found.results)
        folder.finish(found.results, markdown(sections), sections, found.scenes, found.labels)
    for section in sections:
        _show(*section[:3])
    console.say(f'All tables: {out / "results.md"}')
    console.say(f'With pictures: {out / "results.html"}')


def _show(kind: str, data: str, table: Any) -> None:
    """Print the columns most looked at."""
    shown = SHOWN.get(kind, table.header)
    keep = [place for place, title in enumerate(table.header) if title in shown]
    console.say(f'{kind}, {data}')
    made = console.table(*(table.header[place].removeprefix('mIoU ') for place in keep))
    for row in table.rows:
        made.add_row(*(row[place] for place in keep))
    console.show(made)
