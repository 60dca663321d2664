"""Rendered street scenes as a data set: as many as wanted, each known by its seed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from typing_extensions import override

from vif_perception import sim
from vif_perception.errors import InputError
from vif_perception.labels import MFNET
from vif_perception.training.datasets.dataset import PairDataset
from vif_perception.training.datasets.sample import Record, Sample

#: Its name in recipes.
SIM = 'sim'


class SimulatedScenes(PairDataset):
    """Scenes of ``sim.training_sample``; rendering takes about a second, so use a cache.

    Args:
        split: first and last seed, such as ``0-63``.

    Raises:
        InputError: not two seeds in order.
    """

    def __init__(self, split: str):
        found = re.fullmatch(r'(\d{1,9})-(\d{1,9})', split)
        first, last = map(int, found.groups()) if found else (1, 0)
        if first > last:
            raise InputError(f'split is {split!r}', where=SIM,
                             accepted='first and last seed, such as 0-63')
        records = [Record(f'sim{seed}', Path()) for seed in range(first, last + 1)]
        super().__init__(SIM, Path(), split, records, labels=MFNET)
        self._first = first

    @override
    def __getitem__(self, index: int) -> Sample:
        rgb, thermal, mask = sim.training_sample(self._first + range(len(self))[index])
        return self.sample(index, rgb, thermal, mask)

    @override
    def sample(
        self, index: int, rgb: np.ndarray | None, thermal: np.ndarray, mask: np.ndarray | None
    ) -> Sample:
        return Sample(self.records[index].id, rgb, thermal, mask)

    @override
    def sources(self, index: int) -> Iterator[tuple[str, bytes]]:
        """Yield the seed, which is all that there is on the disk."""
        name = self.records[index].id
        yield name, name.encode()

    @override
    def key(self, index: int) -> str:
        """Return a name that changes with the code of the simulator."""
        return f'{self.records[index].id}-{_code()}'


def _code() -> str:
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(Path(sim.__file__).parent.glob('*.py')):
        digest.update(path.read_bytes())
    return digest.hexdigest()
