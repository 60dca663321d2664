"""A folder of images that a command makes, as ``name: folder`` reads it in recipes."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from vif_perception.errors import InputError
from vif_perception.files import write_whole
from vif_perception.labels import class_list
from vif_perception.training.datasets import PairDataset
from vif_perception.training.datasets.folders import PARTS
from vif_perception.training.datasets.plain import CLASSES, INDEX
from vif_perception.types import LabelSet

COLUMNS = ('id', 'split', 'day_night', 'vi', 'ir', 'label')
#: Parts of splits are chosen by the reader; the index has what is left of it as a whole.
_WHOLE = dict(zip(PARTS, ('train', 'val'), strict=True))


class DatasetFolder:
    """Images in subfolders, ``index.csv`` and ``classes.json``.

    The index is written last; until then the folder holds a mark of the command that makes it,
    and a second try of the same command on the same data may go on there.

    Args:
        path: a new folder; command: that makes it.
        splits: of the data set that it is made from, which must not lie around it.

    Attributes:
        path: as above, resolved.

    Raises:
        InputError: it holds something else, lies in the data set, or cannot be written.
    """

    def __init__(self, path: Path, command: str, splits: Sequence[PairDataset]):
        self.path, dataset = path.resolve(), splits[0]
        told = [f'not finished: {item.name} {item.root.resolve()} {item.split}' for item in splits]
        content = '\n'.join(told).encode(errors='backslashreplace')
        self._mark = self.path / f'.{command}-unfinished'
        self._rows: list[Mapping[str, str]] = []
        if dataset.records[0].thermal.name and self.path.is_relative_to(dataset.root.resolve()):
            raise InputError('lies in the data set', where=str(self.path),
                             remedy='choose another --out: readers would find the images there')
        self._check_new(content)
        self._write(self._mark, content)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Mapping[str, str], **images: np.ndarray) -> None:
        """Write images as PNG.

        Args:
            row: of the index, see :data:`COLUMNS`; the split of a part is that of the whole.
            images: part -> HxW or HxWx3, uint8 or uint16; ``row[part]`` is the name of its file.

        Raises:
            InputError: the disk is full.
        """
        for part, image in images.items():
            content = io.BytesIO()
            Image.fromarray(image).save(content, 'PNG', compress_level=3)
            self._write(self.path / row[part], content.getvalue())
        self._rows.append({**row, 'split': _WHOLE.get(row['split'], row['split'])})

    def close(self, labels: LabelSet | None) -> None:
        """Write the index, and what the ids of the masks mean.

        Raises:
            InputError: the disk is full.
        """
        if labels is not None:
            content = json.dumps(class_list(labels), indent=1).encode()
            write_whole(self.path / CLASSES, content)
        table = io.StringIO()
        writer = csv.DictWriter(table, COLUMNS, restval='', lineterminator='\n')
        writer.writeheader()
        writer.writerows(self._rows)
        write_whole(self.path / INDEX, table.getvalue().encode())
        self._mark.unlink(missing_ok=True)

    def _check_new(self, mark: bytes) -> None:
        try:
            ours = self._mark.is_file() and self._mark.read_bytes() == mark
            strange = self.path.exists() and not ours and any(self.path.iterdir())
        except OSError as error:
            raise InputError(f'is no folder that can be read ({error.strerror})',
                             where=str(self.path)) from None
        if strange:
            raise InputError('holds something already', where=str(self.path),
                             accepted='a new folder',
                             remedy='choose another --out, or remove it first')

    def _write(self, path: Path, content: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f'cannot be made ({error.strerror})', where=str(path.parent),
                             remedy='choose another --out') from None
        write_whole(path, content)


def check_names(dataset: PairDataset) -> None:
    """Refuse records whose names an index cannot hold.

    Raises:
        InputError: naming the first.
    """
    for record in dataset.records:
        names = f'{record.id}{record.thermal}{record.rgb or ""}'
        if re.search('[\r\n\ud800-\udfff]', names):
            raise InputError(
                f'{record.id!r} has a name that no index can hold', where=str(dataset.root),
                accepted='file names in UTF-8 and in one line', remedy='rename it',
            )
