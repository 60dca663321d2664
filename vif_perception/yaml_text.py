"""YAML from outside: read without running anything, named without printing all of it."""

from __future__ import annotations

import reprlib
from typing import Any

import yaml

from vif_perception.errors import InputError

_BRIEF = reprlib.Repr()
_BRIEF.maxlevel = 2  # aliases make a few lines expand to gigabytes when they are printed


def parse_yaml(text: str, where: str) -> Any:
    """Return the document in ``text``.

    Raises:
        InputError: not YAML, also a date that there is not, a number of thousands of digits,
            or lists nested without end.
    """
    try:
        return yaml.safe_load(text)
    except RecursionError:
        raise InputError('is not usable YAML: nested too deeply', where=where) from None
    except (yaml.YAMLError, ValueError) as error:  # values are made by int() and datetime.date()
        raise InputError(f'is not YAML: {error}', where=where) from None


def brief(value: Any) -> str:
    """Return ``repr(value)``, cut short; safe for documents whose aliases repeat or loop."""
    return _BRIEF.repr(value)
