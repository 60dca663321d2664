"""A class list from its names alone: vision_msgs/LabelInfo carries no colours."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping

from vif_perception.errors import InputError
from vif_perception.labels import MFNET
from vif_perception.types import LabelSet

_BACKGROUND = ('unlabelled', 'unlabeled', 'background', 'void', 'unknown')
#: Ids above are not classes: 255 means not labelled.
_HIGHEST = 254


def label_set(names: Mapping[int, str]) -> LabelSet:
    """Return the class list; ids without a name get one, colours are evenly spread hues.

    Args:
        names: id -> name.

    Raises:
        InputError: no names, or an id above 254.
    """
    if not names or not 0 <= min(names) <= max(names) <= _HIGHEST:
        raise InputError(f'class ids are {sorted(names)}', where='label_info',
                         accepted=f'at least one class, ids 0..{_HIGHEST}')
    listed = tuple(names.get(i, f'class {i}') for i in range(max(names) + 1))
    if listed == MFNET.names:
        return MFNET
    background = next((i for i, name in enumerate(listed) if name.lower() in _BACKGROUND), 0)
    hues = [colorsys.hsv_to_rgb(i / len(listed), 0.8, 0.9) for i in range(len(listed))]
    colors = [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in hues]
    colors[background] = (0, 0, 0)
    return LabelSet(listed, tuple(colors), background)
