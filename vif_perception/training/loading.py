"""Batches made by worker processes while the network computes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vif_perception.errors import InputError
from vif_perception.schema import Group
from vif_perception.training.augmentation import Augmentation
from vif_perception.training.data import Batch
from vif_perception.training.datasets import Cache, PairDataset
from vif_perception.training.order import Order, Place

_STACKED = ('rgb', 'thermal', 'mask', 'present')
#: Each worker decodes and augments in one thread; more of them than this only wait for the disk.
_MOST_WORKERS = 16


class LoaderConfig(Group):
    """How a recipe makes batches."""

    batch: int = Field(8, ge=1, le=65536, description='samples per process and step')
    workers: int = Field(
        -1, ge=-1, le=256, description='processes that make batches; -1: one per core but one, '
        '0: none, the training process makes them itself'
    )
    prefetch: int = Field(4, ge=1, le=64, description='batches that each worker is ahead')
    cache: Path | None = Field(None, description='folder for decoded images; empty: none')


class Loader:
    """Augmented batches of one or more data sets, the same for the same seed and step.

    Args:
        datasets: with equal class lists, so far as they have masks.
        augmentation: run on every sample.
        shares: how often each sample is shown in an epoch, per data set; None: once.
        seed: of order and augmentation.
        device: where the batches come out.
        rank, world: this process among those of a distributed run.

    Raises:
        InputError: no data set, or class lists that differ.
    """

    def __init__(
        self, datasets: Sequence[PairDataset], augmentation: Augmentation,
        config: LoaderConfig | None = None, *, shares: Sequence[float] | None = None,
        seed: int = 0, device: torch.device | str = 'cpu', rank: int = 0, world: int = 1,
    ):
        self._config = config or LoaderConfig()
        _check_labels(datasets)
        self.order = Order(
            [len(dataset) for dataset in datasets], shares or [1.0] * len(datasets),
            batch=self._config.batch, seed=seed, rank=rank, world=world,
        )
        self._samples = _Samples(datasets, augmentation, self._config.cache)
        self._device = torch.device(device)

    def batches(self, start: int, stop: int) -> Iterator[Batch]:
        """Yield the batches of the steps start, start + 1, ... stop - 1.

        Raises:
            InputError: a sample cannot be read, or images of one batch differ in size.
        """
        workers = self._config.workers
        if workers < 0:
            workers = min(len(os.sched_getaffinity(0)) - 1, _MOST_WORKERS)
        loader = DataLoader(
            self._samples, batch_sampler=_Steps(self.order, start, stop), collate_fn=_collate,
            num_workers=workers, pin_memory=self._device.type == 'cuda',
            prefetch_factor=self._config.prefetch if workers else None,
            worker_init_fn=_start_worker,
        )
        for packed in loader:
            if isinstance(packed, InputError):
                raise packed
            tensors, names = packed
            yield Batch.unpack(tensors, tuple(names), self._device)


class _Samples(Dataset):
    """What a worker does: read, augment. Errors travel as values, to be told in one line."""

    def __init__(
        self, datasets: Sequence[PairDataset], augmentation: Augmentation, cache: Path | None
    ):
        self._datasets, self._augmentation = tuple(datasets), augmentation
        self._cache = Cache(cache) if cache else None

    def __getitem__(self, place: Place) -> tuple[dict[str, Tensor], str] | InputError:
        dataset = self._datasets[place.dataset]
        try:
            sample = (
                self._cache.read(dataset, place.item) if self._cache else dataset[place.item]
            )
            return self._augmentation(sample, place.seed), sample.id
        except InputError as error:
            return error


class _Steps:
    """The batch sampler of a DataLoader: a list of places for each step."""

    def __init__(self, order: Order, start: int, stop: int):
        self._order, self._start, self._stop = order, start, stop

    def __iter__(self) -> Iterator[list[Place]]:
        return self._order.steps(self._start, self._stop)

    def __len__(self) -> int:
        return max(0, self._stop - self._start)


def _collate(items: list[Any]) -> Any:
    for item in items:
        if isinstance(item, InputError):
            return item
    sizes = {tuple(tensors['mask'].shape) for tensors, _ in items}
    if len(sizes) > 1:
        return InputError(
            'images of one batch differ in size: '
            + ', '.join(f'{width}x{height}' for height, width in sorted(sizes)),
            accepted='one size', remedy='switch the augmentation step crop on, or use batch: 1',
        )
    stacked = {name: torch.stack([tensors[name] for tensors, _ in items]) for name in _STACKED}
    return stacked, [name for _, name in items]


def _start_worker(number: int) -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the training process ends them


def _check_labels(datasets: Sequence[PairDataset]) -> None:
    labelled = [dataset for dataset in datasets if dataset.labels is not None]
    for dataset in labelled[1:]:
        if dataset.labels != labelled[0].labels:
            raise InputError(
                f'{dataset.name} and {labelled[0].name} have different class lists',
                accepted='data sets with one class list, and data sets without masks',
                remedy='map the masks of one to the classes of the other first',
            )
