"""Which samples a step of a training run shows: a pure function of seed and step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vif_perception.errors import InputError


@dataclass(frozen=True)
class Place:
    """One place in a batch and the sample that fills it.

    Attributes:
        dataset, item: which sample.
        seed: words that seed its augmentation; no other place of the run has the same.
    """

    dataset: int
    item: int
    seed: tuple[int, ...]


class Order:
    """The endless order of samples, epoch after epoch, each shuffled.

    A run that is taken up at step k shows from there on exactly what it would have shown without
    the interruption, with any number of workers; processes of a distributed run share each step.

    Args:
        lengths: samples of each data set.
        shares: how often each sample is shown in an epoch.
        batch: samples per process and step.
        rank, world: this process among all of them.

    Raises:
        InputError: nothing to show.
    """

    def __init__(
        self, lengths: Sequence[int], shares: Sequence[float], *, batch: int, seed: int,
        rank: int = 0, world: int = 1,
    ):
        self._lengths = tuple(lengths)
        self._shown = tuple(
            max(1, round(length * share))
            for length, share in zip(lengths, shares, strict=True)
        )
        if not self._lengths or min(self._lengths) < 1:
            raise InputError('a recipe without samples', accepted='at least one data set')
        self._batch, self._seed, self._rank, self._world = batch, seed, rank, world
        self._epoch, self._plan = -1, np.empty((0, 2), np.int64)

    @property
    def steps_per_epoch(self) -> float:
        """Steps in which everything is shown ``share`` times; epochs end within steps."""
        return sum(self._shown) / (self._batch * self._world)

    def step(self, step: int) -> list[Place]:
        """Return what this process shows in a step (counted from 0)."""
        first = (step * self._world + self._rank) * self._batch
        return [self._at(first + slot) for slot in range(self._batch)]

    def steps(self, start: int, stop: int) -> Iterator[list[Place]]:
        """Yield the steps start, start + 1, ... stop - 1."""
        return (self.step(step) for step in range(start, stop))

    def _at(self, place: int) -> Place:
        epoch, position = divmod(place, sum(self._shown))
        if epoch != self._epoch:
            self._epoch, self._plan = epoch, self._shuffled(epoch)
        dataset, item = self._plan[position].tolist()
        return Place(dataset, item, (self._seed, place))

    def _shuffled(self, epoch: int) -> np.ndarray:
        """(data set, item) of one epoch; a data set shown in parts goes on where it stopped."""
        rows = []
        for dataset, (length, shown) in enumerate(zip(self._lengths, self._shown, strict=True)):
            places = np.arange(epoch * shown, (epoch + 1) * shown)
            rounds = {
                turn: np.random.default_rng((self._seed, dataset, turn)).permutation(length)
                for turn in range(int(places[0]) // length, int(places[-1]) // length + 1)
            }
            rows += [
                (dataset, rounds[place // length][place % length]) for place in places.tolist()
            ]
        rng = np.random.default_rng((self._seed, epoch))
        return np.asarray(rows, np.int64)[rng.permutation(len(rows))]
