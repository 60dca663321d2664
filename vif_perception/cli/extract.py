"""``vif-perception extract``: a bag in; a folder of registered pairs for training out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vif_perception.cli import console
from vif_perception.cli.replay import ConfigFile, Sets


def extract(
    bags: Annotated[
        list[Path],
        typer.Argument(metavar='BAG...', show_default=False, help='Recordings, as for replay.'),
    ],
    out: Annotated[
        Path, typer.Option('--out', '-o', metavar='DIR', help='Folder; more may be added to it.')
    ],
    split: Annotated[
        str, typer.Option(help='Split of these pairs. One recording belongs to one split.')
    ] = 'train',
    every: Annotated[
        int, typer.Option(min=1, metavar='N', help='Keep one pair of N: neighbours hardly differ.')
    ] = 1,
    limit: Annotated[
        int | None, typer.Option(metavar='N', show_default='all', help='Stop after N pairs.')
    ] = None,
    thermal: Annotated[
        str | None, typer.Option(metavar='TOPIC', help='Thermal images. Found by default.')
    ] = None,
    rgb: Annotated[
        str | None, typer.Option(metavar='TOPIC', help='RGB images. Found by default.')
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option(
            metavar='TOPIC|DIR',
            help="Masks; 'none': without. The only mask topic by default.",
        ),
    ] = None,
    sets: Sets = None,
    config: ConfigFile = None,
) -> None:
    """Write the pairs of a recording as a data set: PNG images, masks, index.csv.

    The classes of the masks go to classes.json when the recording says them.

    Pairing, registration and the refusal of frozen and blank frames are those of the robot and
    are set by the same parameters. Read it in recipes as {name: folder, root: DIR}.
    """
    from vif_perception.config import load_config
    from vif_perception.replay.extract import extract as run
    from vif_perception.replay.options import ReplayOptions

    options = ReplayOptions(
        bags=bags, out=out, thermal=thermal, rgb=rgb, truth=truth, limit=limit,
        config=load_config(config, sets or ()),
    )
    with console.progress() as advance:
        done = run(options, split=split, every=every, progress=advance)
    drops = ', '.join(f'{cause} {count}' for cause, count in sorted(done.drops.items()))
    console.say(f'{out}: {done.pairs} pairs, {done.masks} masks, split {split}')
    console.say(f'registration: {done.registration}; left out: {drops or "none"}')
    for note in done.notes:
        console.say(f'note: {note}')
