"""Entities from masks and boxes, where there are no captions: marked ``mask-entities``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from vif_perception.errors import InputError
from vif_perception.training.entities.annotations import Annotations

#: Smallest share of the pixels that counts as present: 0.05 %.
LEAST_SHARE = 5e-4


def entities_in_mask(
    mask: np.ndarray, names: Sequence[str], share: float = LEAST_SHARE
) -> list[str]:
    """Return the classes that cover at least ``share`` of a mask, in the order of their ids.

    Args:
        mask: HxW of ids, 255 not labelled; names: one per id, id 0 is nothing.

    Raises:
        InputError: an empty mask, or an id outside the names.
    """
    ids, counts = np.unique(mask, return_counts=True)
    if not mask.size:
        raise InputError('an empty mask')
    wrong = [int(i) for i in ids if i >= len(names) and i != 255]
    if wrong:
        raise InputError(f'mask holds id {wrong[0]}', accepted=f'0..{len(names) - 1} and 255')
    return [
        names[i] for i, count in zip(ids, counts, strict=True)
        if 0 < i < len(names) and count >= share * mask.size
    ]


def annotate_labels(
    masks: Mapping[str, Iterable[str]], boxes: Mapping[str, Iterable[str]],
    same: Mapping[str, str] | None = None,
) -> Annotations:
    """Join the classes of masks and of boxes (one box is enough) of every image.

    Args:
        masks: id -> classes from :func:`entities_in_mask`; boxes: id -> class of each box.
        same: class -> entity, where the data set calls it otherwise.

    Raises:
        InputError: no images.
    """
    images = sorted({*masks, *boxes})
    if not images:
        raise InputError('no masks and no boxes to take entities from')
    same = same or {}
    return Annotations({
        image: {
            same.get(name, name): 1.0
            for name in dict.fromkeys([*masks.get(image, ()), *boxes.get(image, ())])
        }
        for image in images
    }, 'mask-entities')


def as_truth(
    annotations: Annotations, entities: Iterable[str]
) -> dict[str, dict[str, bool]]:
    """Whether labels show each of ``entities``, to override what captions say."""
    names = list(entities)
    return {
        image: {name: name in found for name in names}
        for image, found in annotations.images.items()
    }
