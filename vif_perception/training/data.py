"""Batches of a network's inputs and labels, and small labelled splits in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vif_perception.errors import InputError
from vif_perception.labels import MFNET
from vif_perception.training.datasets import PairDataset
from vif_perception.training.datasets.images import read_mask
from vif_perception.training.datasets.plain import INDEX, folder
from vif_perception.types import LabelSet


@dataclass(frozen=True)
class Triple:
    """One labelled pair.

    Attributes:
        name: id in the index; night: whether the index calls it a night scene.
        rgb: HxWx3 uint8; thermal: HxW uint8; mask: HxW uint8 class ids.
    """

    name: str
    night: bool
    rgb: np.ndarray
    thermal: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Batch:
    """N scenes as tensors.

    Attributes:
        rgb: N x 3 x H x W, 0..1, black where absent; thermal: N x 1 x H x W, the same.
        mask: N x H x W class ids, 255 not labelled.
        present: N x 2 flags (rgb, thermal).
        names: ids of the samples.
    """

    rgb: Tensor
    thermal: Tensor
    mask: Tensor
    present: Tensor
    names: tuple[str, ...] = ()

    @staticmethod
    def stack(triples: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Batch:
        """Stack (rgb, thermal, mask) uint8 arrays of one size."""
        rgb = torch.from_numpy(np.stack([item[0] for item in triples]))
        thermal = torch.from_numpy(np.stack([item[1] for item in triples]))
        mask = torch.from_numpy(np.stack([item[2] for item in triples]))
        return Batch(
            rgb.permute(0, 3, 1, 2).float().div_(255), thermal[:, None].float().div_(255),
            mask.long(), torch.ones(len(triples), 2),
        )

    @staticmethod
    def unpack(
        packed: Mapping[str, Tensor], names: tuple[str, ...], device: torch.device | str,
    ) -> Batch:
        """Move stacked tensors of ``Scene.packed`` to a device and make them a network's."""
        rgb, thermal, mask, present = (
            packed[name].to(device, non_blocking=True)
            for name in ('rgb', 'thermal', 'mask', 'present')
        )
        return Batch(rgb.float().div_(255), thermal, mask.long(), present, names)


def read_split(root: Path, split: str, labels: LabelSet = MFNET) -> list[Triple]:
    """Read all triples of one split into memory.

    Args:
        root: folder with ``index.csv`` (columns id, split, day_night, vi, ir, label).
        split: ``train``, ``val`` or ``test``.
        labels: class list the masks must obey.

    Raises:
        InputError: no index, empty split, missing or unreadable image, sizes that differ,
            ids outside the class list, a row without rgb or mask.
    """
    if not (root / INDEX).is_file():
        raise InputError('is missing', where=str(root / INDEX),
                         accepted='columns id, split, day_night, vi, ir, label')
    triples = []
    for sample in PairDataset('folder', root, split, folder(root, split), labels=labels):
        if sample.rgb is None or sample.mask is None:
            raise InputError(f'{sample.id} has no rgb or no label', where=str(root / INDEX))
        triples.append(Triple(
            sample.id, sample.day_night == 'night', sample.rgb, sample.thermal, sample.mask
        ))
    return triples


def pixels_of(dataset: PairDataset) -> Tensor:
    """Count the labelled pixels of each class in all masks of a data set; C int64.

    Raises:
        InputError: no masks at all, or one cannot be read.
    """
    masks = [record.mask for record in dataset.records if record.mask]
    if not masks or dataset.labels is None:
        raise InputError(f'{dataset.name} has no masks', where=str(dataset.root))
    counts = np.zeros(256, np.int64)
    for path in masks:
        counts += np.bincount(read_mask(path).ravel(), minlength=256)
    return torch.from_numpy(counts[: len(dataset.labels)])


def shuffled(count: int, seed: int) -> Iterator[int]:
    """Indices 0..count-1 in a new random order each epoch, for ever."""
    generator = np.random.default_rng(seed)
    while True:
        yield from generator.permutation(count).tolist()
