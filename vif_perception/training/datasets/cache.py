"""Decoded images on disk: a second reading costs a copy instead of a decompression."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from vif_perception.errors import InputError
from vif_perception.training.datasets.dataset import PairDataset
from vif_perception.training.datasets.sample import Sample

_ARRAYS = ('rgb', 'thermal', 'mask')
#: Stands for an image that the sample has not.
_NOTHING = np.empty(0, np.uint8)


class Cache:
    """Samples of data sets, decoded and checked once, as ``.npy`` files in a folder.

    Files are shared by all worker processes and runs, through the page cache of the system. A
    changed image (path, size or time of its last change) is decoded anew. Nothing is ever deleted:
    remove the folder to get the disk back (5 bytes per pixel of each labelled pair).
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def read(self, dataset: PairDataset, index: int) -> Sample:
        """Return ``dataset[index]``.

        Raises:
            InputError: as the data set says, or the folder cannot be written.
        """
        base = self.folder / dataset.key(index)
        try:
            rgb, thermal, mask = (np.load(base.with_suffix(f'.{name}.npy')) for name in _ARRAYS)
            return dataset.sample(
                index, rgb if rgb.size else None, thermal, mask if mask.size else None
            )
        except (OSError, ValueError, EOFError):
            pass  # not there yet, or half written when the disk was full
        sample = dataset[index]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in _ARRAYS:
                image = getattr(sample, name)
                _save(base.with_suffix(f'.{name}.npy'), _NOTHING if image is None else image)
        except OSError as error:
            raise InputError(
                f'cannot be written ({error})', where=str(self.folder),
                remedy='choose another cache folder, or train without cache',
            ) from None
        return sample


def _save(path: Path, image: np.ndarray) -> None:
    """Write under another name first: other processes see whole files only."""
    partial = path.with_name(f'{path.name}.{os.getpid()}')
    with partial.open('wb') as file:
        np.save(file, image)
    partial.replace(path)
