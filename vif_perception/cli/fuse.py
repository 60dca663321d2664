"""``vif-perception fuse``: pairs of images in; fused images out, as a data set again."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from vif_perception.cli import console


def fuse(
    data: Annotated[
        str,
        typer.Argument(
            metavar='DATASET', show_default=False,
            help="Pairs: a folder, or as in a recipe '{name: msrs, root: DIR}'.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            '--out', '-o', metavar='DIR', parser=console.named_path, help='New folder.',
        ),
    ],
    weights: Annotated[
        str, typer.Option(help='Network that fuses: packaged weights, a run or a file.')
    ] = 'rt-s',
    split: Annotated[
        list[str] | None,
        typer.Option(show_default='test', help='Split to fuse; repeatable.'),
    ] = None,
) -> None:
    """Fuse all pairs of a data set, as the robot would, and write them as PNG.

    DIR/SPLIT/vi holds the fused images in colour, ir and label beside it what they were made
    from. Read it in recipes as {name: folder, root: DIR}: rt_rgb learns to segment fused images.
    """
    from vif_perception.errors import InputError
    from vif_perception.inference.weights import load_network
    from vif_perception.training.datasets import open_dataset
    from vif_perception.training.evaluation import dataset_config
    from vif_perception.training.evaluation.members import Network
    from vif_perception.training.fused_folder import write_fused
    from vif_perception.training.run_folder import weights_of

    configs = dict.fromkeys(dataset_config(data, 'DATASET', name) for name in split or ('test',))
    own = next(iter(configs)).split
    if split and own not in split:
        raise InputError(f'is {split[0]!r}, DATASET names {own!r}', where='--split',
                         accepted='one of the two')
    splits = [open_dataset(config) for config in configs]
    path = weights_of(weights)
    network = Network(*load_network(path), path)
    with console.progress() as advance:
        count = write_fused(splits, network, out, progress=partial(advance, 'samples'))
    names = ', '.join(dataset.split for dataset in splits)
    console.say(f'{out}: {count} fused images of split {names}')
