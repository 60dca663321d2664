"""Trees of settings from files and the command line, checked by a pydantic schema.

Serves the robot's parameters and the recipes of training: errors name the key, what is accepted
and a remedy.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from vif_perception.errors import InputError
from vif_perception.yaml_text import brief, parse_yaml


class Group(BaseModel):
    """Settings that belong together; unknown keys are errors."""

    model_config = ConfigDict(extra='forbid', frozen=True, allow_inf_nan=False)


Schema = TypeVar('Schema', bound=Group)

_LISTS = {
    tuple[str, ...]: 'a list such as [person, car]',
    tuple[float, ...]: 'a list of numbers',
}


def validated(
    model: type[Schema], trees: Iterable[Mapping[Any, Any]], *, where: str, keys: str
) -> Schema:
    """Merge trees, later ones beat earlier ones, and check the result.

    Args:
        trees: nested mappings; keys may be dotted.
        where: file or option for errors; keys: where the known keys are listed.

    Raises:
        InputError: unknown key, wrong type or range, contradiction.
    """
    merged: dict[str, Any] = {}
    for tree in trees:
        for key, value in tree.items():
            _merge(merged, _nest(str(key), value))
    try:
        return model.model_validate(merged)
    except ValidationError as error:
        raise _explain(error, model, where, keys) from None


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        InputError: unreadable, or not YAML.
    """
    return parse_yaml(read_text(path), str(path))


def read_text(path: Path) -> str:
    """Read a text file.

    Raises:
        InputError: unreadable, or not UTF-8.
    """
    try:
        return path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'cannot be read ({error})', where=str(path),
                         accepted='a text file in UTF-8', remedy='check the path') from None


def mapping(document: Any, where: str) -> Mapping[Any, Any]:
    """Return the document of a file, empty for an empty file.

    Raises:
        InputError: it is a list or a single value.
    """
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise InputError(f'holds a {type(document).__name__}', where=where, accepted='a mapping')
    return document


def override(item: str) -> dict[str, Any]:
    """Turn ``key=value`` into a tree; the value is YAML.

    Raises:
        InputError: no equals sign, no key, or not YAML.
    """
    key, equals, text = item.partition('=')
    if not equals or not key.strip():
        raise InputError(f'{item!r} is not an override', where='--set', accepted='key=value')
    value = parse_yaml(text, f'--set, value of {key.strip()}') if text.strip() else ''
    return {key.strip(): value}


def describe(model: type[BaseModel], prefix: str = '') -> list[tuple[str, str, Any, str]]:
    """Return (dotted key, accepted values, default, description) of every setting."""
    rows: list[tuple[str, str, Any, str]] = []
    for name, info in model.model_fields.items():
        if isinstance(info.default, BaseModel):
            rows += describe(type(info.default), f'{prefix}{name}.')
        else:
            rows.append((prefix + name, _accepted(info), info.default, info.description or ''))
    return rows


def _accepted(info: Any) -> str:
    if getattr(info.annotation, '__origin__', None) is Literal:
        return ' | '.join(map(str, info.annotation.__args__))
    if getattr(info.annotation, '__origin__', None) is dict:
        return 'a mapping'
    if info.annotation in _LISTS:
        return _LISTS[info.annotation]
    bounds = [
        f'{sign} {getattr(limit, key):g}'
        for limit in info.metadata
        for key, sign in (('ge', '>='), ('gt', '>'), ('le', '<='), ('lt', '<'))
        if getattr(limit, key, None) is not None
    ]
    kind = getattr(info.annotation, '__name__', str(info.annotation))
    return f'{kind} {", ".join(bounds)}'.strip()


def _nest(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split('.')):
        value = {part: value}
    return value


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def _explain(
    error: ValidationError, model: type[BaseModel], where: str, keys: str
) -> InputError:
    known = {key: (accepted, default) for key, accepted, default, _ in describe(model)}
    first = error.errors()[0]
    key = '.'.join(str(part) for part in first['loc'] if not isinstance(part, int))
    if first['type'] == 'extra_forbidden':
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
        return InputError(
            f'unknown key {key!r}', where=where, accepted=keys,
            remedy=f'did you mean {close[0]!r}?' if close else 'remove the key',
        )
    accepted = known[key][0] if key in known else ''
    value = '' if first['type'] == 'value_error' else f' (got {brief(first["input"])})'
    remedy = f'the default is {known[key][1]!r}' if key in known else ''
    return InputError(
        f'{key or "configuration"}: {first["msg"]}{value}',
        where=where, accepted=accepted, remedy=remedy,
    )
