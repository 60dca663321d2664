"""A data set: a list of records that become samples when asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vif_perception.config import ThermalConfig
from vif_perception.errors import InputError
from vif_perception.training.datasets.images import read_both, read_mask, read_rgb, read_thermal
from vif_perception.training.datasets.sample import IGNORED, Record, Sample
from vif_perception.training.datasets.voc import read_voc
from vif_perception.types import LabelSet


class PairDataset:
    """A sequence of samples; files are read when an item is asked for.

    It holds paths only, so that worker processes get it cheaply.

    Attributes:
        name, root, split: what was opened.
        records: one per sample, in order of id as the split lists them.
        labels: what the ids of the masks mean; None without masks.
        box_classes: what the classes of the boxes mean; empty without boxes.
        thermal: what the thermal values mean, as on the robot.

    Raises:
        InputError: the split is empty, or two records have one id.
    """

    def __init__(
        self, name: str, root: Path, split: str, records: Sequence[Record], *,
        labels: LabelSet | None = None, box_classes: tuple[str, ...] = (),
        thermal: ThermalConfig | None = None,
    ):
        self.name, self.root, self.split = name, root, split
        self.records = tuple(records)
        self.labels, self.box_classes = labels, box_classes
        self.thermal = thermal or ThermalConfig()
        if not self.records:
            raise InputError(f'split {split!r} of {name} is empty', where=str(root),
                             remedy='check root and split')
        seen: set[str] = set()
        for record in self.records:
            if record.id in seen:
                raise InputError(f'id {record.id!r} is there twice', where=str(root),
                                 accepted='each id once', remedy='rename or remove one of them')
            seen.add(record.id)

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Sample]:
        """Read all samples, one after the other."""
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Sample:
        """Read one sample.

        Raises:
            InputError: a file is missing or damaged, sizes differ, a mask holds ids that its
                class list has not; names the file.
        """
        record = self.records[index]
        rgb = read_rgb(record.rgb) if record.rgb and record.rgb != record.thermal else None
        if record.rgb == record.thermal:
            rgb, thermal = read_both(record.thermal)
        else:
            thermal = read_thermal(record.thermal)
        mask = read_mask(record.mask) if record.mask else None
        sample = self.sample(index, rgb, thermal, mask)
        _check_sizes(sample, record)
        if mask is not None and record.mask:
            check_ids(mask, self.labels, record.mask)
        return sample

    def sample(
        self, index: int, rgb: np.ndarray | None, thermal: np.ndarray, mask: np.ndarray | None
    ) -> Sample:
        """Return the sample made of images that were read already; reads its boxes.

        Raises:
            InputError: the file of the boxes cannot be used.
        """
        record = self.records[index]
        boxes = record.boxes
        if isinstance(boxes, Path):
            boxes = read_voc(boxes, self.box_classes)
        return Sample(record.id, rgb, thermal, mask, boxes, record.day_night, self.thermal)

    def sources(self, index: int) -> Iterator[tuple[str, bytes]]:
        """Yield (path, bytes) of the camera images of a sample, as they lie on the disk.

        Raises:
            InputError: a file cannot be read.
        """
        record = self.records[index]
        for path in dict.fromkeys((record.thermal, record.rgb)):
            if path is not None:
                try:
                    yield str(path), path.read_bytes()
                except OSError as error:
                    raise InputError(f'cannot be read ({error.strerror})',
                                     where=str(path)) from None

    def key(self, index: int) -> str:
        """Return a name that changes when an image file of the sample changes.

        Raises:
            InputError: a file is missing.
        """
        digest = hashlib.blake2b(digest_size=16)
        for path in self.records[index].files:
            try:
                found = path.stat()
            except OSError as error:
                raise InputError(f'cannot be read ({error.strerror})', where=str(path)) from None
            digest.update(f'{path.resolve()}\0{found.st_size}\0{found.st_mtime_ns}\0'.encode())
        return digest.hexdigest()


def check_ids(mask: np.ndarray, labels: LabelSet | None, where: Path) -> None:
    """Refuse ids that are not in the class list; 255 is always allowed.

    Raises:
        InputError: naming the id and the classes.
    """
    classes = len(labels) if labels else IGNORED
    wrong = mask[(mask >= classes) & (mask != IGNORED)]
    if wrong.size:
        raise InputError(
            f'holds id {wrong.max()}', where=str(where), accepted=f'0..{classes - 1} and 255',
            remedy='correct the mask; or, in a folder of your own, its class list classes.json',
        )


def _check_sizes(sample: Sample, record: Record) -> None:
    height, width = sample.thermal.shape
    others = (('rgb', sample.rgb, record.rgb), ('mask', sample.mask, record.mask))
    for kind, image, path in others:
        if image is not None and image.shape[:2] != (height, width):
            raise InputError(
                f'sizes differ: {kind} is {image.shape[1]}x{image.shape[0]}, thermal '
                f'{width}x{height}', where=str(path), accepted='one size for all of a scene',
                remedy='register and resize the pairs first; `vif-perception extract` does it '
                'for bags',
            )
