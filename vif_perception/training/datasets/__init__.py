"""Data sets of RGB-thermal pairs on disk. Interfaces for the engine and the recipes:

* ``open_dataset({name, root, split})`` -> :class:`PairDataset`, a sequence of :class:`Sample`;
  ``DatasetConfig`` is the pydantic model that a recipe nests, ``LAYOUTS`` the registry.
* ``check_samples``, ``check_overlap``, ``check_classes``: what runs once before a training.
* ``training.loading.Loader``: epochs of these, augmented and batched by worker processes;
  ``training.augmentation.AugmentationConfig`` is its part of a recipe.

Everything wrong on disk is an ``InputError`` with the file's name. Nothing here knows torch.
"""

from vif_perception.training.datasets.cache import Cache
from vif_perception.training.datasets.checks import check_classes, check_overlap, check_samples
from vif_perception.training.datasets.dataset import PairDataset
from vif_perception.training.datasets.registry import LAYOUTS, DatasetConfig, open_dataset
from vif_perception.training.datasets.sample import IGNORED, Boxes, Record, Sample
from vif_perception.training.datasets.simulated import SIM

__all__ = [
    'IGNORED', 'LAYOUTS', 'SIM', 'Boxes', 'Cache', 'DatasetConfig', 'PairDataset', 'Record',
    'Sample', 'check_classes', 'check_overlap', 'check_samples', 'open_dataset',
]
