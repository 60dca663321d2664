"""``vif-perception study``: trains the rows of a comparison with several seeds and tables them."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from vif_perception.cli import console


def study(
    plan: Annotated[
        str, typer.Argument(help='Study: a .yaml file, or a packaged one such as comparison.')
    ],
    data: Annotated[Path, typer.Option('--data', help='Folder that holds the data sets.')] = (
        Path()),
    out: Annotated[
        Path | None, typer.Option('--out', '-o', help='Folder of the study.')
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option('--set', metavar='KEY=VALUE', help='Override a key of all rows.'),
    ] = None,
    seeds: Annotated[
        list[int] | None,
        typer.Option('--seed', min=0, max=2**31 - 1, help='Seed, once or several times.'),
    ] = None,
) -> None:
    """Train all rows of a study that are not finished; what was begun goes on."""
    from vif_perception.training import study as room

    asked = room.load_study(plan)
    out = out or Path('studies') / Path(plan).stem
    runs = room.runs_of(asked, out, seeds=seeds or (), sets=sets or (), plan=plan)
    with console.progress() as advance:
        room.train_all(runs, data, say=console.say, advance=partial(advance, 'samples'))
    systems = ' '.join(
        shlex.quote(f'{name}={",".join(map(str, paths))}')
        for name, paths in room.systems_of(asked, runs)
    )
    console.say(f'vif-perception evaluate {systems} --data {shlex.quote(str(data))}')
