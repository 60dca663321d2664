"""Images with rare classes more often: repeat factor sampling (Gupta et al., LVIS, CVPR 2019)."""

from __future__ import annotations

import copy

import numpy as np

from vif_perception.errors import InputError
from vif_perception.training.datasets.dataset import PairDataset
from vif_perception.training.datasets.images import read_mask
from vif_perception.training.datasets.sample import IGNORED


def repeat_rare(dataset: PairDataset, threshold: float) -> PairDataset:
    """Return the data set with every image listed as often as its rarest class asks.

    A class in a part f of the images with a mask asks for sqrt(threshold / f), rounded, at least
    once; images without a mask stay once.

    Args:
        threshold: part of the images, 0..1, below which a class is rare.

    Raises:
        InputError: no masks as files, or one cannot be read.
    """
    if not any(record.mask for record in dataset.records):
        raise InputError('repeat_rare without masks', where=dataset.name,
                         accepted='data sets whose masks are files')
    holds = np.zeros((len(dataset), IGNORED + 1), bool)
    masked = np.array([record.mask is not None for record in dataset.records])
    for index, record in enumerate(dataset.records):
        if record.mask:
            holds[index, np.unique(read_mask(record.mask))] = True
    times = np.ones(len(dataset), np.int64)
    times[masked] = repeats(holds[masked, :IGNORED], threshold)
    more = copy.copy(dataset)
    more.records = tuple(
        record for record, count in zip(dataset.records, times.tolist(), strict=True)
        for _ in range(count)
    )
    return more


def repeats(holds: np.ndarray, threshold: float) -> np.ndarray:
    """Times each of N images is listed, N int64; ``holds`` is N x C bool: image has class."""
    part = np.maximum(holds.mean(0), 1e-12)
    asked = np.where(holds, np.sqrt(threshold / part), 1.0).max(1, initial=1.0)
    return np.rint(asked).astype(np.int64)
