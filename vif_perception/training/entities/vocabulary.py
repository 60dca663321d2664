"""The entities a network knows, in order, and their file ``vocab.json``."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vif_perception.errors import InputError
from vif_perception.training.entities.annotations import Annotations
from vif_perception.training.entities.jsonfile import read_object, write_object


@dataclass(frozen=True)
class Vocabulary:
    """Names of the entities; the index is that of the network's output."""

    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def labels(self, annotations: Annotations, images: list[str]) -> np.ndarray:
        """Return N x K float32 flags 0 or 1; entities outside the vocabulary are left out.

        Raises:
            InputError: an image has no annotation, or the two have no entity in common.
        """
        flags = np.zeros((len(images), len(self)), np.float32)
        for row, image in enumerate(images):
            if image not in annotations.images:
                raise InputError(f'image {image!r} has no entity annotation')
            known = annotations.images[image]
            flags[row] = [name in known for name in self.names]
        if images and not flags.any():
            raise InputError(
                'no annotated entity is in the vocabulary', accepted=', '.join(self.names),
                remedy='build the vocabulary from these annotations',
            )
        return flags


def build_vocabulary(
    annotations: Annotations, *, size: int = 32, least_images: int = 20,
    shares: tuple[float, float] = (0.01, 0.98),
) -> Vocabulary:
    """Choose the most frequent entities, ties by name.

    Args:
        size: largest number of entities, K.
        least_images: fewest images an entity must be in.
        shares: smallest and largest share of the images an entity is in; what is everywhere
            tells nothing.

    Raises:
        InputError: no entity is left.
    """
    count = len(annotations.images)
    frequency = Counter(name for names in annotations.images.values() for name in names)
    least = max(least_images, shares[0] * count)
    kept = [name for name, n in frequency.items() if least <= n <= shares[1] * count]
    if not kept:
        raise InputError(
            f'no entity is in a fitting number of the {count} images',
            accepted=f'at least {math.ceil(least)} (--least-images), and at most '
            f'{math.floor(shares[1] * count)}, as what is everywhere tells nothing',
            remedy='lower --least-images, or annotate more images',
        )
    kept.sort(key=lambda name: (-frequency[name], name))
    return Vocabulary(tuple(kept[:size]))


def write_vocabulary(path: Path, vocabulary: Vocabulary) -> None:
    """Write ``vocab.json``."""
    write_object(path, {'names': list(vocabulary.names)})


def read_vocabulary(path: Path) -> Vocabulary:
    """Read ``vocab.json``.

    Raises:
        InputError: not such a file, no names, or a name twice.
    """
    names = read_object(path).get('names')
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise InputError(f'names is {names!r}', where=str(path), accepted='a list of texts')
    if len(set(names)) != len(names):
        twice = [name for name, count in Counter(names).items() if count > 1]
        raise InputError(f'names {twice[0]!r} twice', where=str(path))
    return Vocabulary(tuple(names))
