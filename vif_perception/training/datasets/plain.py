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
from vif_perception.training.datasets.sample import IGNORED, Record
from vif_perception.training.datasets.voc import make_boxes
from vif_perception.types import LabelSet

INDEX, CLASSES, BOXES = 'index.csv', 'classes.json', 'boxes.json'
_ENTRY = '{"name": "car", "rgb": [64, 0, 128]}'
#: A class list to copy.
EXAMPLE = f'{{"0": {{"name": "unlabelled", "rgb": [0, 0, 0]}}, "1": {_ENTRY}}}'
_DAY_NIGHT = ('day', 'night', '')
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
        InputError: it cannot be read, ids are left out, a name is empty or there twice, or a
            colour is none; names the file and the id.
    """
    path = root / CLASSES
    if not path.is_file():
        return None
    found = _json(path)
    missing = [str(index) for index in range(max(len(found), 1)) if str(index) not in found]
    if missing or len(found) > IGNORED:
        raise InputError(
            f'is no class list: {f"id {missing[0]} is missing" if missing else "too long"}',
            where=str(path), accepted=f'ids 0..{IGNORED - 1} without gaps: {EXAMPLE}',
        )
    names: list[str] = []
    colors = []
    for index in range(len(found)):
        name, color = _class(found[str(index)], f'{path}, id {index}')
        if name.lower() in map(str.lower, names):  # classes of boxes are found by either case
            raise InputError(f'name {name!r} is there twice', where=f'{path}, id {index}',
                             accepted='each name once')
        names.append(name)
        colors.append(color)
    return LabelSet(tuple(names), tuple(colors))


def _class(entry: Any, where: str) -> tuple[str, tuple[int, int, int]]:
    """Return (name, colour) of one entry of a class list."""
    if not isinstance(entry, dict):
        raise InputError(f'is {entry!r}', where=where, accepted=_ENTRY)
    name, color = entry.get('name'), entry.get('rgb')
    if not isinstance(name, str) or not name.strip():
        raise InputError(f'name is {name!r}', where=where, accepted=f'a word, as in {_ENTRY}')
    if not isinstance(color, list) or len(color) != 3 or not all(
        type(value) is int and 0 <= value <= 255 for value in color
    ):
        raise InputError(f'rgb is {color!r}', where=where,
                         accepted=f'three whole numbers 0..255, as in {_ENTRY}')
    return name, (color[0], color[1], color[2])


def box_classes_of(root: Path) -> tuple[str, ...]:
    """Return the classes in ``boxes.json``, in alphabetical order; () without one."""
    return _read_boxes(root / BOXES)[1] if (root / BOXES).is_file() else ()


def _indexed(root: Path, split: str) -> list[Record]:
    path = root / INDEX
    rows = _rows(path)
    if 'split' in rows[0][1]:
        splits = sorted({row['split'] for _, row in rows})
        if split not in splits:
            raise InputError(f'has no rows of split {split!r}', where=str(path),
                             accepted=', '.join(splits))
        rows = [(line, row) for line, row in rows if row['split'] == split]
    else:
        require_split(split, ('all', *PARTS), path)
    return part([_record(root, row, f'{path}, line {line}') for line, row in rows], split)


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return [(line, {column: cell}), ...] of an index, each row with a cell for each column."""
    try:
        with path.open(newline='', encoding='utf-8-sig') as lines:  # Excel writes a mark first
            table = csv.reader(lines)
            columns = next(table, [])
            rows = [(table.line_num, cells) for cells in table if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f'cannot be read ({error})', where=str(path),
                         accepted='a table in UTF-8, commas between cells') from None
    needed = {'id', 'ir'} - set(columns)
    if needed or not rows:
        raise InputError(f'has no column {", ".join(sorted(needed))}' if rows else 'is empty',
                         where=str(path), accepted='columns id, ir; optional vi, label, split, '
                         'day_night; commas between them')
    for line, cells in rows:
        if len(cells) != len(columns):
            raise InputError(
                f'row has {len(cells)} cells', where=f'{path}, line {line}',
                accepted=f'{len(columns)}, as the header', remedy='put names with commas in quotes'
            )
    return [(line, dict(zip(columns, cells, strict=True))) for line, cells in rows]


def _record(root: Path, row: dict[str, str], where: str) -> Record:
    def file(column: str) -> Path | None:
        return root / row[column] if row.get(column) else None

    thermal, when = file('ir'), row.get('day_night', '')
    if not row['id'] or thermal is None:
        raise InputError(f'row {row} has no id or no ir', where=where)
    if when not in _DAY_NIGHT:
        raise InputError(f'day_night is {when!r}', where=where, accepted='day, night or nothing')
    return Record(row['id'], thermal, file('vi'), file('label'), day_night=when)


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
        found = json.loads(path.read_text(encoding='utf-8-sig'), object_pairs_hook=_once)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f'cannot be read ({error})', where=str(path), accepted='JSON') from None
    if not isinstance(found, dict):
        raise InputError(f'is a {type(found).__name__}', where=str(path), accepted='an object')
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; of two equal keys the second would win silently."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f'{next(key for key in keys if keys.count(key) > 1)!r} is there twice')
    return found
