"""``vif-perception label``: images without masks in; masks of what a network is sure of out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from vif_perception.cli import console


def label(
    root: Annotated[
        Path, typer.Argument(metavar='DATASET', show_default=False, help='Folder of the images.')
    ],
    out: Annotated[
        Path,
        typer.Option(
            '--out', '-o', metavar='DIR', parser=console.named_path,
            help='New folder for the masks.',
        ),
    ],
    weights: Annotated[
        str, typer.Option(help='Network that labels: packaged weights, a run or a file.')
    ] = 'rt-s',
    layout: Annotated[
        str, typer.Option(help='Layout of the data set, as `name` in a recipe.')
    ] = 'folder',
    split: Annotated[str, typer.Option(help='Split to label.')] = 'train',
    rename: Annotated[
        list[str] | None,
        typer.Option(
            metavar='BOX=CLASS',
            help='Class of the masks that a class of boxes is; BOX= for none, not labelled.',
        ),
    ] = None,
    sure: Annotated[
        float, typer.Option(help='Least confidence where no box says anything, 0..1.')
    ] = 0.97,
    core: Annotated[
        float, typer.Option(help='Part of each box that gets its class, 0..1.')
    ] = 0.4,
) -> None:
    """Label images by a trained network, checked by boxes where the data set has them.

    What it is not sure of stays 255, not labelled. Classes that have boxes are nowhere but in
    boxes. Read the result in recipes as {name: folder, root: DIR}; the images stay where they
    are.
    """
    from vif_perception.inference.weights import load_network
    from vif_perception.training.datasets import open_dataset
    from vif_perception.training.label_folder import write_labels
    from vif_perception.training.pseudo_labels import Labeller, Rules, box_ids
    from vif_perception.training.run_folder import weights_of

    rules = Rules(sure=sure, core=core)
    dataset = open_dataset({'name': layout, 'root': root, 'split': split})
    network, card = load_network(weights_of(weights))
    ids = box_ids(dataset.box_classes, card.classes, _renamed(rename or []))
    labeller = Labeller(network, card.temperature, rules, ids)
    with console.progress() as advance:
        done = write_labels(
            dataset, labeller, card.labels, out, progress=partial(advance, 'samples')
        )
    share = done.pixels / max(done.pixels.sum(), 1)
    told = [*card.classes, 'not labelled']
    boxed = f'; boxes of {", ".join(dataset.box_classes)} in {done.boxed} of them'
    console.say(f'{out}: {done.samples} masks of split {split}'
                f'{boxed if dataset.box_classes else ""}')
    console.say(', '.join(
        f'{name} {part:.2%}' for name, part in zip(told, share, strict=True) if part
    ))


def _renamed(items: list[str]) -> dict[str, str]:
    from vif_perception.errors import InputError

    found = {}
    for item in items:
        box, equals, name = (part.strip() for part in item.partition('='))
        if not (box and equals) or box in found:
            raise InputError(f'is {item!r}', where='--rename',
                             accepted='BOX=CLASS, once for each class of boxes')
        found[box] = name
    return found
