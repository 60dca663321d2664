"""A folder of masks beside images that stay where they are, as ``name: folder`` reads it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vif_perception.errors import InputError
from vif_perception.files import write_whole
from vif_perception.training.datasets import IGNORED, PairDataset
from vif_perception.training.datasets.folders import PARTS
from vif_perception.training.datasets.plain import CLASSES, INDEX
from vif_perception.training.pseudo_labels import Labeller
from vif_perception.types import LabelSet

#: In a folder that is not finished.
MARK = '.label-unfinished'
#: Parts of splits are chosen by the reader; the index has what is left of it as a whole.
_WHOLE = dict(zip(PARTS, ('train', 'val'), strict=True))
COLUMNS = ('id', 'split', 'day_night', 'vi', 'ir', 'label')


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
    """Write ``label/NUMBER.png`` of each sample, ``index.csv`` and ``classes.json``.

    The index names the images of the data set by paths relative to ``out``. It is written last;
    until then ``out`` holds a mark, and a second try may go on there.

    Args:
        labels: what the ids of the masks mean; progress: told (samples so far, part 0..1).

    Raises:
        InputError: ``out`` holds something else, lies in the data set, or cannot be written;
            samples without an image file for each camera; an image cannot be read.
    """
    out, split = out.resolve(), _WHOLE.get(dataset.split, dataset.split)
    _check_images(dataset)
    _check_out(dataset, out)
    _write(out / MARK, b'not finished\n')
    pixels, boxed = np.zeros(len(labels) + 1, np.int64), 0
    rows = []
    for index, record in enumerate(dataset.records):
        sample = dataset[index]
        mask = labeller(sample)
        boxed += sample.boxes is not None and len(sample.boxes.classes) > 0
        counts = np.bincount(mask.ravel(), minlength=256)
        pixels += np.append(counts[: len(labels)], counts[IGNORED])
        name = f'label/{index:06d}.png'
        content = io.BytesIO()
        Image.fromarray(mask).save(content, 'PNG')
        _write(out / name, content.getvalue())
        rows.append({
            'id': record.id, 'split': split, 'day_night': record.day_night,
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
    (out / MARK).unlink(missing_ok=True)
    return Labelled(len(rows), boxed, pixels)


def _check_out(dataset: PairDataset, out: Path) -> None:
    if out.is_relative_to(dataset.root.resolve()):
        raise InputError('lies in the data set', where=str(out),
                         remedy='choose another --out: readers would find the masks there')
    try:
        strange = out.exists() and not (out / MARK).exists() and any(out.iterdir())
    except OSError as error:
        raise InputError(f'is no folder that can be read ({error.strerror})',
                         where=str(out)) from None
    if strange:
        raise InputError('holds something already', where=str(out), accepted='a new folder',
                         remedy='choose another --out, or remove it first')


def _check_images(dataset: PairDataset) -> None:
    for record in dataset.records:
        if record.rgb == record.thermal or not record.thermal.name:
            raise InputError(
                f'{record.id} has no image file for each camera', where=str(dataset.root),
                accepted='data sets whose images an index can name',
            )
        names = f'{record.id}{record.thermal}{record.rgb or ""}'
        if re.search('[\r\n\ud800-\udfff]', names):
            raise InputError(
                f'{record.id!r} has a name that no index can hold', where=str(dataset.root),
                accepted='file names in UTF-8 and in one line', remedy='rename it',
            )


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'cannot be made ({error.strerror})', where=str(path.parent),
                         remedy='choose another --out') from None
    write_whole(path, content)


def _relative(path: Path | None, out: Path) -> str:
    """Path from ``out``, which is resolved: the system follows links before it goes up."""
    return os.path.relpath(path.parent.resolve() / path.name, out) if path else ''
