"""Entities that carry no information: what text guidance has to beat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vif_perception.errors import InputError
from vif_perception.training.entities.annotations import Annotations


def shuffled(annotations: Annotations, seed: int) -> Annotations:
    """Give every image the entities of another one; how often each entity occurs stays.

    Raises:
        InputError: fewer than two images.
    """
    images = list(annotations.images)
    if len(images) < 2:
        raise InputError('one image cannot be shuffled', accepted='two or more')
    order = np.random.default_rng(seed).permutation(len(images))
    other = dict(zip(order, np.roll(order, 1), strict=True))  # one cycle: nobody keeps their own
    return replace(annotations, control='shuffled', images={
        image: annotations.images[images[other[i]]] for i, image in enumerate(images)
    })


def random_entities(annotations: Annotations, seed: int) -> Annotations:
    """Draw each entity for each image anew, as often as it occurs in the whole set."""
    generator = np.random.default_rng(seed)
    count = len(annotations.images)
    names = sorted({name for found in annotations.images.values() for name in found})
    chance = {
        name: sum(name in found for found in annotations.images.values()) / count
        for name in names
    }
    return replace(annotations, control='random', images={
        image: {name: 1.0 for name in names if generator.random() < chance[name]}
        for image in annotations.images
    })
