"""Folders of one's own: an ``index.csv``, or subfolders with images of equal names.

With ``index.csv`` (columns ``id``, ``ir``; optional ``vi``, ``label``, ``split``, ``day_night``)
the paths are relative to the folder. Without it ``rgb`` (or ``vi``, ``visible``), ``thermal``
(or ``ir``, ``infrared``) and ``label`` (or ``labels``, ``mask``, ``masks``) lie in the folder
itself or in one subfolder per split. ``classes.json`` names the classes of the masks,
``boxes.json`` holds boxes. ``vif-perception extract`` writes such a folder.
"""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from vif_perception.errors import InputError
from vif_perception.training.datasets.folders import (
    PARTS,
    first_there,
    paired,
    part,
    require_split,
)
from vif_perception.training.datasets.sample import Record
from vif_perception.training.datasets.voc import make_boxes
from vif_perception.types import LabelSet

INDEX, CLASSES, BOXES = 'index.csv', 'classes.json', 'boxes.json'
_THERMAL = ('thermal', 'ir', 'infrared', 'Infrared', 'Ir')
_RGB = ('rgb', 'vi', 'visible', 'Visible', 'Vis')
_MASK = ('label', 'labels', 'mask', 'masks', 'Label')


def folder(root: Path, split: str) -> list[Record]:
    """Records of a plain folder; splits as ``index.csv`` or the subfolders have them."""
    records = _indexed(root, split) if (root / INDEX).is_file() else _by_name(root, split)
    boxes = root / BOXES
    if not boxes.is_file():
        return records
    found, names = _read_boxes(boxes)
    return [
        replace(record, boxes=make_boxes(found.get(record.id, ()), names, f'{boxes}, {record.id}'))
        for record in records
    ]


def classes_of(root: Path) -> LabelSet | None:
    """Return the class list of ``classes.json`` ({id: {name, rgb}}), None when it is not there.

    Raises:
        InputError: it cannot be read, or ids are left out.
    """
    path = root / CLASSES
    if not path.is_file():
        return None
    found = _json(path)
    try:
        entries = [found[str(index)] for index in range(len(found))]
        return LabelSet(
            tuple(str(entry['name']) for entry in entries),
            tuple((int(r), int(g), int(b)) for r, g, b in (entry['rgb'] for entry in entries)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f'is no class list ({error!r})', where=str(path),
            accepted='{"0": {"name": "unlabelled", "rgb": [0, 0, 0]}, "1": ...} without gaps',
        ) from None


def box_classes_of(root: Path) -> tuple[str, ...]:
    """Return the classes in ``boxes.json``, in alphabetical order; () without one."""
    return _read_boxes(root / BOXES)[1] if (root / BOXES).is_file() else ()


def _indexed(root: Path, split: str) -> list[Record]:
    path = root / INDEX
    try:
        with path.open(newline='', encoding='utf-8') as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f'cannot be read ({error!r})', where=str(path)) from None
    needed = {'id', 'ir'} - set(rows[0] if rows else ())
    if needed:
        raise InputError(f'has no column {", ".join(sorted(needed))}' if rows else 'is empty',
                         where=str(path),
                         accepted='columns id, ir; optional vi, label, split, day_night')
    if 'split' in rows[0]:
        splits = sorted({row['split'] or '' for row in rows})
        if split not in splits:
            raise InputError(f'has no rows of split {split!r}', where=str(path),
                             accepted=', '.join(splits))
        rows = [row for row in rows if row['split'] == split]
    else:
        require_split(split, ('all', *PARTS), path)
    return part([_record(root, row, path) for row in rows], split)


def _record(root: Path, row: dict[str, Any], index: Path) -> Record:
    def file(column: str) -> Path | None:
        return root / row[column] if row.get(column) else None

    thermal = file('ir')
    if not row['id'] or thermal is None:
        raise InputError(f'row {dict(row)} has no id or no ir', where=str(index))
    return Record(
        row['id'], thermal, file('vi'), file('label'), day_night=row.get('day_night') or ''
    )


def _by_name(root: Path, split: str) -> list[Record]:
    """Images of equal names in subfolders of root/split, or of root for split ``all``."""
    base = root / split
    if not base.is_dir():
        if not root.is_dir():
            raise InputError('is no folder', where=str(root))
        splits = [
            entry.name for entry in sorted(root.glob('*/')) if first_there(entry, *_THERMAL)
        ]
        require_split(split, tuple(splits) or ('all', *PARTS), root)
        base = root
    thermal = first_there(base, *_THERMAL)
    if thermal is None:
        raise InputError(
            f'has no subfolder {" or ".join(_THERMAL[:3])}', where=str(base),
            accepted=f'{INDEX}, or subfolders thermal, rgb and label with images of equal names',
        )
    return part(paired(thermal, first_there(base, *_RGB), first_there(base, *_MASK)), split)


def _read_boxes(path: Path) -> tuple[dict[str, list[Any]], tuple[str, ...]]:
    """Return ({id: [[class, x1, y1, x2, y2], ...]}, classes); of several cameras the infrared."""
    entries = _json(path).get('boxes', {})
    try:
        found = {
            str(name): list(rows['infrared'] if isinstance(rows, dict) else rows)
            for name, rows in entries.items()
        }
        names = tuple(sorted({str(row[0]) for rows in found.values() for row in rows}))
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        raise InputError(
            f'holds no boxes ({error!r})', where=str(path),
            accepted='{"boxes": {"ID": [["person", x1, y1, x2, y2], ...], ...}}',
        ) from None
    return found, names


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f'cannot be read ({error})', where=str(path), accepted='JSON') from None
    if not isinstance(found, dict):
        raise InputError(f'is a {type(found).__name__}', where=str(path), accepted='an object')
    return found
