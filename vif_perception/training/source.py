"""All data of a run: its data sets opened, counted, hashed, and its batches."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from vif_perception.errors import InputError
from vif_perception.labels import MFNET
from vif_perception.training.augmentation import Augmentation
from vif_perception.training.augmentation.scene import make_scene
from vif_perception.training.data import Batch, pixels_of
from vif_perception.training.datasets import (
    SIM,
    DatasetConfig,
    PairDataset,
    check_classes,
    check_overlap,
    check_samples,
    open_dataset,
)
from vif_perception.training.entity_labels import EntityLabels
from vif_perception.training.loading import Loader, LoaderConfig
from vif_perception.training.order import Order
from vif_perception.training.recipe import DataRecipe

#: Key of the hash of the class list beside those of files.
CLASS_LIST = 'class list'


class Source:
    """Everything a run learns from, and what it is looked at with.

    Args:
        root: folder that relative roots of the data sets lie in.

    Attributes:
        val: the data set that selects; labels: what the ids of the masks mean.
        entities: which entities there are, and where.

    Raises:
        InputError: a data set cannot be opened, or class lists differ.
    """

    def __init__(self, recipe: DataRecipe, root: Path, seed: int):
        self._recipe, self._seed = recipe, seed
        self._sets = [open_at(config, root) for config in recipe.train]
        self.val = open_at(recipe.val, root)
        found = [dataset.labels for dataset in (*self._sets, self.val) if dataset.labels]
        self.labels = found[0] if found else MFNET
        check_classes((*self._sets, self.val))
        ids = [record.id for dataset in self._sets for record in dataset.records]
        path = root / recipe.entities if recipe.entities else None
        self.entities = EntityLabels(self.labels, ids, path)

    @property
    def steps_per_epoch(self) -> int:
        """Steps until every sample was shown as often as its data set's share says."""
        return max(1, round(self._order().steps_per_epoch))

    def batches(
        self, start: int, stop: int, *, rank: int, world: int, device: torch.device
    ) -> Iterator[Batch]:
        """Yield the slice of process ``rank`` of ``world`` of the batches of steps start to stop.

        Raises:
            InputError: the batch cannot be shared evenly; see ``Loader``.
        """
        recipe = self._recipe
        if recipe.batch % world:
            raise InputError(
                f'{recipe.batch} samples cannot be shared by {world} processes',
                where='data.batch', accepted=f'multiples of {world}',
            )
        config = LoaderConfig(
            batch=recipe.batch // world, workers=recipe.workers, prefetch=recipe.prefetch,
            cache=cache_folder(recipe.cache),
        )
        loader = Loader(
            self._sets, Augmentation(recipe.augmentation), config, seed=self._seed,
            shares=[config.share for config in recipe.train], device=device, rank=rank,
            world=world,
        )
        yield from loader.batches(start, stop)

    def names(self, step: int) -> list[str]:
        """Ids of all samples of a step, over all processes."""
        places = self._order().step(step)
        return [self._sets[place.dataset].records[place.item].id for place in places]

    def pixels(self) -> Tensor:
        """Labelled pixels of each class, in the data sets whose masks are files, (C,)."""
        count = torch.zeros(len(self.labels), dtype=torch.long)
        for dataset in self._sets:
            if any(record.mask for record in dataset.records):
                count += pixels_of(dataset)
        return count

    def check(self) -> None:
        """Read every file once, so that a long training does not meet a damaged one at its end.

        Raises:
            InputError: a file that cannot be used, or an image of val that is trained on.
        """
        for dataset in (*self._sets, self.val):
            if dataset.name != SIM:
                check_samples(dataset)
            make_scene(dataset[0])  # thermal values must have the profile of their data set
        self.check_unseen(self.val)

    def check_unseen(self, held_out: PairDataset) -> None:
        """Refuse a data set that shares an image with one that is learned from.

        Raises:
            InputError: naming both files.
        """
        for dataset in self._sets:
            check_overlap(dataset, held_out)

    def digests(self) -> dict[str, str]:
        """Hash of the files of each data set, by ``name split``; the second of a name has a 2.

        The names of the classes, in order, are data too: ids mean them.
        """
        found: dict[str, str] = {}
        for item in (*self._sets, self.val):
            name = number = f'{item.name} {item.split}'
            while number in found:
                number = f'{name} {int(number.removeprefix(name) or 1) + 1}'
            found[number] = digest(item)
        classes = '\n'.join(self.labels.names).encode()
        return {**found, CLASS_LIST: hashlib.blake2b(classes, digest_size=16).hexdigest()}

    def _order(self) -> Order:
        return Order(
            [len(dataset) for dataset in self._sets],
            [config.share for config in self._recipe.train], batch=self._recipe.batch,
            seed=self._seed,
        )


def open_at(config: DatasetConfig, root: Path) -> PairDataset:
    """Open a data set whose root is below ``root`` unless it is absolute."""
    return open_dataset(config.model_copy(update={'root': root / config.root}))


def cache_folder(asked: str) -> Path | None:
    """The folder that a recipe's ``cache`` means."""
    if asked == 'auto':
        return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'vif_perception'
    return Path(asked) if asked else None


def digest(dataset: PairDataset, indices: Iterable[int] | None = None) -> str:
    """Hash of the ids, images and masks of a data set, or of some of its samples.

    Raises:
        InputError: a file cannot be read.
    """
    found = hashlib.blake2b(digest_size=16)
    for index in range(len(dataset)) if indices is None else indices:
        record = dataset.records[index]
        found.update(record.id.encode())
        for _, content in dataset.sources(index):
            found.update(content)
        if record.mask:
            found.update(_bytes(record.mask))
    return found.hexdigest()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f'cannot be read ({error.strerror})', where=str(path)) from None
