"""Boxes of Pascal VOC files (M3FD, LLVIP)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from vif_perception.errors import InputError
from vif_perception.training.datasets.sample import Boxes

_CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')
#: Files of real data sets have some hundred bytes per object; entities in XML can make them grow.
_MAX_BYTES = 2**20


def read_voc(path: Path, names: Sequence[str]) -> Boxes:
    """Return the boxes of a VOC file.

    Args:
        names: accepted classes; capitals do not matter.

    Raises:
        InputError: missing, not VOC, a class that is not among the names, corners out of order.
    """
    try:
        data = path.read_bytes()
        if len(data) > _MAX_BYTES or b'<!ENTITY' in data:
            raise ValueError('too large, or defines entities')
        root = ElementTree.fromstring(data)
        found = [
            (entry.findtext('name') or '', *(
                float(entry.findtext(f'bndbox/{side}') or 'nan') for side in _CORNERS
            ))
            for entry in root.iter('object')
        ]
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise InputError(f'cannot be read ({error})', where=str(path),
                         accepted='a Pascal VOC annotation') from None
    return make_boxes(found, names, str(path))


def make_boxes(
    found: Iterable[Sequence[object]], names: Sequence[str], where: str
) -> Boxes:
    """Return boxes from (class, x1, y1, x2, y2) rows.

    Raises:
        InputError: an unknown class, or corners that are no numbers or out of order.
    """
    ids = {name.lower(): index for index, name in enumerate(names)}
    corners, classes = [], []
    for row in found:
        name = str(row[0]) if row else ''
        if name.lower() not in ids:
            raise InputError(f'a box has class {name!r}', where=where, accepted=', '.join(names))
        try:
            x1, y1, x2, y2 = (float(value) for value in row[1:])  # type: ignore[arg-type]  # None is caught below
        except (TypeError, ValueError, OverflowError):
            x1 = y1 = x2 = y2 = float('nan')
        if not (-np.inf < x1 <= x2 < np.inf and -np.inf < y1 <= y2 < np.inf):
            raise InputError(f'box of {name} has corners {list(row[1:])}', where=where,
                             accepted='x1 <= x2 and y1 <= y2, px')
        corners.append((x1, y1, x2, y2))
        classes.append(ids[name.lower()])
    return Boxes(
        np.asarray(corners, np.float32).reshape(-1, 4), np.asarray(classes, np.int64)
    )
