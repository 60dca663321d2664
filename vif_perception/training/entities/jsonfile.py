"""JSON from outside: UTF-8, and an object at the top."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vif_perception.errors import InputError
from vif_perception.files import write_whole


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, with or without a byte order mark.

    Raises:
        InputError: not there, not readable, or not UTF-8.
    """
    try:
        return path.read_text(encoding='utf-8-sig')
    except OSError as error:
        raise InputError(
            f'cannot be read ({error.strerror or error})', where=str(path)
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(
            f'is not UTF-8 (byte {error.object[error.start]:#04x} at {error.start})',
            where=str(path), accepted='UTF-8', remedy='iconv -t UTF-8',
        ) from None


def parse_object(text: str, where: str) -> dict[str, Any]:
    """Return the JSON object that ``text`` is.

    Raises:
        InputError: no JSON, or something else than an object.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f'is not JSON ({error})', where=where) from None
    if not isinstance(value, dict):
        raise InputError(
            f'is a {type(value).__name__}', where=where, accepted='a JSON object'
        )
    return value


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        InputError: see :func:`read_text` and :func:`parse_object`.
    """
    return parse_object(read_text(path), str(path))


def write_object(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object, keys in their own order, folders made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=1, ensure_ascii=False)
    write_whole(path, (text + '\n').encode())
