"""Class lists and colours: of the public RGB-thermal data sets, and made of names alone."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping

from vif_perception.errors import InputError
from vif_perception.types import LabelSet

#: MFNet and MSRS (colours: MSRS visualisation code).
MFNET = LabelSet(
    names=(
        'unlabelled', 'car', 'person', 'bike', 'curve', 'car_stop', 'guardrail', 'color_cone',
        'bump',
    ),
    colors=(
        (0, 0, 0), (64, 0, 128), (64, 64, 0), (0, 128, 192), (0, 0, 192), (128, 128, 0),
        (64, 64, 128), (192, 128, 128), (192, 64, 0),
    ),
)

#: FMB (colours: cross-checked with published predictions).
FMB = LabelSet(
    names=(
        'unlabelled', 'road', 'sidewalk', 'building', 'traffic light', 'traffic sign',
        'vegetation', 'sky', 'person', 'car', 'truck', 'bus', 'motorcycle', 'bicycle', 'pole',
    ),
    colors=(
        (0, 0, 0), (179, 228, 228), (181, 57, 133), (67, 162, 177), (200, 178, 50),
        (132, 45, 199), (66, 172, 84), (179, 73, 79), (76, 99, 166), (66, 121, 253),
        (137, 165, 91), (155, 97, 152), (105, 153, 140), (222, 215, 158), (135, 113, 90),
    ),
)

#: PST900 (its toolkit lists the same colours as BGR).
PST900 = LabelSet(
    names=('background', 'fire-extinguisher', 'backpack', 'hand-drill', 'survivor'),
    colors=((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)),
)

#: Class lists by the name that a recipe gives them.
LABEL_SETS = {'mfnet': MFNET, 'fmb': FMB, 'pst900': PST900}

_BACKGROUND = ('unlabelled', 'unlabeled', 'background', 'void', 'unknown')
#: Ids above are not classes: 255 means not labelled.
_HIGHEST = 254

#: Classes of M3FD's boxes, in its authors' order.
M3FD_BOXES = ('People', 'Car', 'Bus', 'Motorcycle', 'Lamp', 'Truck')


def label_set(names: Mapping[int, str]) -> LabelSet:
    """Return the class list of names alone, as vision_msgs/LabelInfo has them.

    Ids without a name get one. A public list has its colours, others evenly spread hues.

    Args:
        names: id -> name.

    Raises:
        InputError: no names, or an id above 254.
    """
    if not names or not 0 <= min(names) <= max(names) <= _HIGHEST:
        raise InputError(f'class ids are {sorted(names)}', where='label_info',
                         accepted=f'at least one class, ids 0..{_HIGHEST}')
    listed = tuple(names.get(i) or f'class {i}' for i in range(max(names) + 1))
    for known in LABEL_SETS.values():
        if known.names == listed:
            return known
    background = next((i for i, name in enumerate(listed) if name.lower() in _BACKGROUND), 0)
    hues = [colorsys.hsv_to_rgb(i / len(listed), 0.8, 0.9) for i in range(len(listed))]
    colors = [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in hues]
    colors[background] = (0, 0, 0)
    return LabelSet(listed, tuple(colors), background)


def class_list(labels: LabelSet) -> dict[str, dict[str, object]]:
    """Return what ``classes.json`` of a data set holds: id -> name and rgb, 0..255."""
    return {
        str(index): {'name': name, 'rgb': list(color)}
        for index, (name, color) in enumerate(zip(labels.names, labels.colors, strict=True))
    }
