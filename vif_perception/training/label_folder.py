"""Masks beside images that stay where they are: what ``vif-perception label`` makes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vif_perception.errors import InputError
from vif_perception.training.dataset_folder import DatasetFolder, check_names
from vif_perception.training.datasets import IGNORED, PairDataset
from vif_perception.training.pseudo_labels import Labeller
from vif_perception.types import LabelSet


@dataclass(frozen=True)
class Labelled:
    """What was written.

    Attributes:
        samples: masks; boxed: how many of them have boxes.
        pixels: (C + 1,) pixels of each class, those not labelled last.
    """

    samples: int
    boxed: int
    pixels: np.ndarray


def write_labels(
    dataset: PairDataset, labeller: Labeller, labels: LabelSet, out: Path, *,
    progress: Callable[[int, float], None] = lambda count, part: None,
) -> Labelled:
    """Write ``label/NUMBER.png`` of each sample into a :class:`DatasetFolder`.

    The index names the images of the data set by paths relative to ``out``.

    Args:
        labels: what the ids of the masks mean; progress: told (samples so far, part 0..1).

    Raises:
        InputError: ``out`` holds something else, lies in the data set, or cannot be written;
            samples without an image file for each camera; an image cannot be read.
    """
    _check_images(dataset)
    folder = DatasetFolder(out, 'label', [dataset])
    pixels, boxed = np.zeros(len(labels) + 1, np.int64), 0
    for index, record in enumerate(dataset.records):
        sample = dataset[index]
        mask = labeller(sample)
        boxed += sample.boxes is not None and len(sample.boxes.classes) > 0
        counts = np.bincount(mask.ravel(), minlength=256)
        pixels += np.append(counts[: len(labels)], counts[IGNORED])
        folder.add({
            'id': record.id, 'split': dataset.split, 'day_night': record.day_night,
            'vi': _relative(record.rgb, folder.path),
            'ir': _relative(record.thermal, folder.path), 'label': f'label/{index:06d}.png',
        }, label=mask)
        progress(index + 1, (index + 1) / len(dataset))
    folder.close(labels)
    return Labelled(len(folder), boxed, pixels)


def _check_images(dataset: PairDataset) -> None:
    for record in dataset.records:
        if record.rgb == record.thermal or not record.thermal.name:
            raise InputError(
                f'{record.id} has no image file for each camera', where=str(dataset.root),
                accepted='data sets whose images an index can name',
            )
    check_names(dataset)


def _relative(path: Path | None, out: Path) -> str:
    """Path from ``out``, which is resolved: the system follows links before it goes up."""
    return os.path.relpath(path.parent.resolve() / path.name, out) if path else ''
