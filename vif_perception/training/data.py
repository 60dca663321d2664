"""Labelled thermal-RGB triples from a folder with an ``index.csv``."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vif_perception.errors import InputError
from vif_perception.labels import MFNET
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
    """N triples as tensors: rgb N x 3 x H x W and thermal N x 1 x H x W 0..1, mask N x H x W."""

    rgb: Tensor
    thermal: Tensor
    mask: Tensor

    @staticmethod
    def stack(triples: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Batch:
        """Stack (rgb, thermal, mask) uint8 arrays of one size."""
        rgb = torch.from_numpy(np.stack([item[0] for item in triples]))
        thermal = torch.from_numpy(np.stack([item[1] for item in triples]))
        mask = torch.from_numpy(np.stack([item[2] for item in triples]))
        return Batch(
            rgb.permute(0, 3, 1, 2).float().div_(255), thermal[:, None].float().div_(255),
            mask.long(),
        )


def read_split(root: Path, split: str, labels: LabelSet = MFNET) -> list[Triple]:
    """Read all triples of one split into memory.

    Args:
        root: folder with ``index.csv`` (columns id, split, day_night, vi, ir, label).
        split: ``train``, ``val`` or ``test``.
        labels: class list the masks must obey.

    Raises:
        InputError: no index, empty split, missing or unreadable image, sizes that differ,
            ids outside the class list.
    """
    index = root / 'index.csv'
    try:
        with index.open(newline='', encoding='utf-8') as lines:
            rows = [row for row in csv.DictReader(lines) if row['split'] == split]
    except (OSError, KeyError) as error:
        raise InputError(
            f'cannot be read ({error!r})', where=str(index),
            accepted='columns id, split, day_night, vi, ir, label',
        ) from None
    if not rows:
        raise InputError(f'has no rows of split {split!r}', where=str(index))
    return [_read_triple(root, row, labels) for row in rows]


def _read_triple(root: Path, row: dict[str, str], labels: LabelSet) -> Triple:
    rgb = _image(root / row['vi'], 'RGB')
    thermal = _image(root / row['ir'], 'L')
    mask = _image(root / row['label'], None)
    if not rgb.shape[:2] == thermal.shape == mask.shape:
        raise InputError(
            f'sizes differ: rgb {rgb.shape}, thermal {thermal.shape}, mask {mask.shape}',
            where=str(root / row['label']), accepted='one size for all three',
        )
    if ((mask >= len(labels)) & (mask != 255)).any():
        raise InputError(
            f'holds id {mask.max()}', where=str(root / row['label']),
            accepted=f'0..{len(labels) - 1} and 255',
        )
    return Triple(row['id'], row['day_night'] == 'night', rgb, thermal, mask)


def _image(path: Path, mode: str | None) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert(mode) if mode else image)
    except OSError as error:
        raise InputError(f'cannot be read ({error})', where=str(path)) from None


def shuffled(count: int, seed: int) -> Iterator[int]:
    """Indices 0..count-1 in a new random order each epoch, for ever."""
    generator = np.random.default_rng(seed)
    while True:
        yield from generator.permutation(count).tolist()
