"""Captions of a data set: one JSON object a line, ``{"id": "00001D", "captions": ["...", ...]}``.

Any vision-language model can write it. Lines of the same id add up, so the visible, the thermal
and a fused view of a pair may be captioned one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vif_perception.errors import InputError
from vif_perception.training.entities.jsonfile import parse_object, read_text

#: id -> captions of all views and samples.
Captions = Mapping[str, tuple[str, ...]]


def read_captions(path: Path) -> Captions:
    """Read a captions file.

    Raises:
        InputError: unreadable, not UTF-8, a line that is no object, a missing or empty id, no
            captions or an empty list, a caption that is no text, or no lines at all.
    """
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(read_text(path).split('\n'), 1):
        if line.strip():
            where = f'{path}:{number}'
            row = parse_object(line, where)
            name = _id(row, where)
            found[name] = found.get(name, ()) + _texts(row, where)
    if not found:
        raise InputError('holds no captions', where=str(path))
    return found


def write_captions(path: Path, rows: Iterable[tuple[str, Iterable[str]]]) -> None:
    """Write (id, captions) rows, one line each, as they come."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('w', encoding='utf-8', newline='\n') as file:
        for name, texts in rows:
            row = {'id': name, 'captions': list(texts)}
            file.write(json.dumps(row, ensure_ascii=False) + '\n')
            file.flush()


def _id(row: dict[str, Any], where: str) -> str:
    name = row.get('id')
    if not isinstance(name, str) or not name.strip() or not _is_text(name):
        raise InputError(f'id is {name!r}', where=where, accepted='a text that is not empty')
    return name


def _is_text(value: str) -> bool:
    """JSON can escape halves of a character that no file can hold."""
    return value.isascii() or not any('\ud800' <= c <= '\udfff' for c in value)


def _texts(row: dict[str, Any], where: str) -> tuple[str, ...]:
    texts = row.get('captions')
    if not isinstance(texts, list) or not texts:
        raise InputError(
            f'captions is {texts!r}', where=where, accepted='a list of one or more texts'
        )
    for text in texts:
        if not isinstance(text, str) or not _is_text(text):
            raise InputError(f'a caption is {text!r}', where=where, accepted='a text')
    return tuple(texts)
