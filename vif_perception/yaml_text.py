"""YAML from outside: read without running anything, named without printing all of it."""

from __future__ import annotations

import math
import reprlib
from typing import Any

import yaml

from vif_perception.errors import InputError

_BRIEF = reprlib.Repr()
_BRIEF.maxlevel = 2  # aliases make a few lines expand to gigabytes when they are printed


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, of which YAML libraries silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        said: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != 'tag:yaml.org,2002:merge':
                if key.value in said:
                    raise yaml.constructor.ConstructorError(
                        None, None, f'{key.value!r} is given twice', key.start_mark
                    )
                said.add(key.value)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str, where: str) -> Any:
    """Return the document in ``text``.

    Raises:
        InputError: not YAML, also a date that there is not, a number of thousands of digits,
            lists nested without end, or a key that is given twice.
    """
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except RecursionError:
        raise InputError('is not usable YAML: nested too deeply', where=where) from None
    except (yaml.YAMLError, ValueError) as error:  # values are made by int() and datetime.date()
        raise InputError(f'is not YAML: {error}', where=where) from None


def brief(value: Any) -> str:
    """Return ``repr(value)``, cut short; safe for documents whose aliases repeat or loop."""
    return _BRIEF.repr(value)


def flow(value: Any) -> str:
    """Return a value as YAML on one line, as ``--set`` takes it."""
    return yaml.safe_dump(
        [value], default_flow_style=True, width=math.inf, allow_unicode=True, sort_keys=False
    ).strip()[1:-1]
