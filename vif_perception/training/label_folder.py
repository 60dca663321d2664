"""A folder of masks beside images that stay where they are, as ``name: folder`` reads it."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vif_perception.errors import InputError
from vif_perception.files import write_whole
from vif_perception.training.datasets import IGNORED, PairDataset
from vif_perception.training.datasets.plain import CLASSES, INDEX
from vif_perception.training.pseudo_labels import Labeller
from vif_perception.types import LabelSet

COLUMNS = ('id', 'split', 'day_night', 'vi', 'ir', 'label')


@dataclass(frozen=True)
class Labelled:
    """What was written.

    Attributes:
        samples: masks; pixels: (C + 1,) pixels of each class, those not labelled last.
    """

    samples: int
    pixels: np.ndarray


def write_labels(
    dataset: PairDataset, labeller: Labeller, labels: LabelSet, out: Path, *,
    progress: Callable[[int, float], None] = lambda count, part: None,
) -> Labelled:
    """Write ``label/NUMBER.png`` of each sample, ``index.csv`` and ``classes.json``.

    The index names the images of the data set by paths relative to ``out``. It is written last:
    a folder without one was not finished.

    Args:
        labels: what the ids of the masks mean; progress: told (samples so far, part 0..1).

    Raises:
        InputError: ``out`` is the data set itself, holds an index already, or cannot be written;
            RGB and thermal of a sample are one file; an image cannot be read.
    """
    _check(dataset, out)
    pixels = np.zeros(len(labels) + 1, np.int64)
    rows = []
    for index, record in enumerate(dataset.records):
        mask = labeller(dataset[index])
        counts = np.bincount(mask.ravel(), minlength=256)
        pixels += np.append(counts[: len(labels)], counts[IGNORED])
        name = f'label/{index:06d}.png'
        _write(out / name, mask)
        rows.append({
            'id': record.id, 'split': dataset.split, 'day_night': record.day_night,
            'vi': _relative(record.rgb, out), 'ir': _relative(record.thermal, out), 'label': name,
        })
        progress(index + 1, (index + 1) / len(dataset))
    classes = {
        str(number): {'name': name, 'rgb': list(color)}
        for number, (name, color) in enumerate(zip(labels.names, labels.colors, strict=True))
    }
    write_whole(out / CLASSES, json.dumps(classes, indent=1).encode())
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    write_whole(out / INDEX, table.getvalue().encode())
    return Labelled(len(rows), pixels)


def _check(dataset: PairDataset, out: Path) -> None:
    if out.resolve() == dataset.root.resolve():
        raise InputError('is the data set itself', where=str(out), remedy='choose another --out')
    if (out / INDEX).exists():
        raise InputError(f'holds an {INDEX} already', where=str(out),
                         remedy='choose another --out, or remove it first')
    both = [record.id for record in dataset.records if record.rgb == record.thermal]
    if both:
        raise InputError(
            f'{both[0]} has RGB and thermal in one file', where=str(dataset.root),
            accepted='a data set with a file for each camera: an index names them by column',
        )


def _write(path: Path, mask: np.ndarray) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'cannot be made ({error.strerror})', where=str(path.parent),
                         remedy='choose another --out') from None
    content = io.BytesIO()
    Image.fromarray(mask).save(content, 'PNG')
    write_whole(path, content.getbuffer())


def _relative(path: Path | None, out: Path) -> str:
    return os.path.relpath(path.absolute(), out.absolute()) if path else ''
