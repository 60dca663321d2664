"""Trees of settings from files and the command line, checked by a pydantic schema.

Serves the robot's parameters and the recipes of training: errors name the key, what is accepted
and a remedy.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from vif_perception.errors import InputError
from vif_perception.yaml_text import brief, parse_yaml


class Group(BaseModel):
    """Settings that belong together; unknown keys are errors."""

    model_config = ConfigDict(extra='forbid', frozen=True, allow_inf_nan=False)


Schema = TypeVar('Schema', bound=Group)

_LISTS = {
    str: 'a list such as [person, car]', float: 'a list of numbers', int: 'a list of integers',
}
#: What pydantic says in words of its own code.
_SAID = {
    'missing': 'is missing', 'model_type': 'is no mapping', 'dict_type': 'is no mapping',
    'tuple_type': 'is no list', 'path_type': 'is no path',
    'too_short': 'holds too few entries', 'too_long': 'holds too many entries',
}


def validated(
    model: type[Schema], trees: Iterable[Mapping[Any, Any]], *, where: str, keys: str,
    places: Sequence[str] = (),
) -> Schema:
    """Merge trees, later ones beat earlier ones, and check the result.

    Args:
        trees: nested mappings; keys may be dotted.
        where: file or option for errors; keys: where the known keys are listed.
        places: file or option of each tree, where they differ.

    Raises:
        InputError: unknown key, wrong type or range, contradiction.
    """
    nested = [_nested(tree) for tree in trees]
    merged: dict[str, Any] = {}
    for tree in nested:
        _merge(merged, tree)
    try:
        return model.model_validate(merged)
    except ValidationError as error:
        # an unknown key first: a misspelt one is also missing under its right name
        first = min(error.errors(), key=lambda found: found['type'] != 'extra_forbidden')
        for place, tree in zip(reversed(places), reversed(nested), strict=False):
            if _sets(tree, first['loc']):
                where = place
                break
        raise _explain(first, model, where, keys) from None


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


def read_filled(path: Path) -> Mapping[Any, Any]:
    """Read a YAML file that means nothing when it is empty: a recipe, a study.

    Raises:
        InputError: unreadable, not YAML, no mapping, or nothing in it but comments.
    """
    document = read_yaml(path)
    if document is None:
        raise InputError('holds nothing', where=str(path), accepted='a mapping')
    return mapping(document, str(path))


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
    bounds = [
        f'{sign} {getattr(limit, key):g}'
        for limit in info.metadata
        for key, sign in (('ge', '>='), ('gt', '>'), ('le', '<='), ('lt', '<'))
        if getattr(limit, key, None) is not None
    ]
    return f'{_kind(info.annotation)} {", ".join(bounds)}'.strip()


def _kind(annotation: Any) -> str:
    kind, parts = _bare(annotation), get_args(annotation)
    if type(None) in parts:
        return f'{_kind(kind)}, or null'
    if get_origin(kind) is Literal:
        return ' | '.join(map(str, parts))
    if get_origin(kind) is dict or _is_model(kind):
        return 'a mapping'
    if get_origin(kind) is tuple:
        one = _bare(parts[0])
        return 'a list of mappings' if _is_model(one) else _LISTS.get(one, 'a list')
    return 'a path' if kind is Path else getattr(kind, '__name__', str(kind))


def _bare(annotation: Any) -> Any:
    """Take the type out of ``Annotated[type, ...]`` and ``type | None``."""
    parts = get_args(annotation)
    if get_origin(annotation) is Annotated or type(None) in parts:
        return _bare(next(part for part in parts if part is not type(None)))
    return annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _nested(tree: Mapping[Any, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in tree.items():
        _merge(made, _nest(str(key), value))
    return made


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


def _sets(tree: Any, loc: Sequence[int | str]) -> bool:
    """Whether a tree sets what lies at ``loc``, or puts a list or value in place of it."""
    for part in loc:
        if not isinstance(tree, Mapping):
            return True
        if part not in tree:
            return False
        tree = tree[part]
    return True


def _field(model: Any, loc: Sequence[int | str]) -> tuple[Any, Any]:
    """Return the model that the last key of ``loc`` belongs to, and the last field on the way."""
    kind, holder, info = model, model, None
    for part in loc:
        kind = _bare(kind)
        if _is_model(kind):
            holder, info = kind, kind.model_fields.get(str(part))
            kind = info.annotation if info else Any
        else:  # a list of them, or a mapping from names to them
            kind = (get_args(kind) or (Any,))[-1 if get_origin(kind) is dict else 0]
    return holder, info


def _explain(first: Any, model: type[BaseModel], where: str, keys: str) -> InputError:
    *above, name = map(str, first['loc'] or ('configuration',))
    key = '.'.join((*above, name)).removesuffix('.[key]')
    holder, info = _field(model, first['loc'])
    if first['type'] == 'extra_forbidden':
        close = difflib.get_close_matches(name, holder.model_fields, n=1, cutoff=0.6)
        return InputError(
            f'unknown key {key!r}', where=where,
            accepted=', '.join(holder.model_fields) if above else keys,
            remedy=f'did you mean {".".join((*above, *close))!r}?' if close else 'remove the key',
        )
    said = _SAID.get(first['type'], first['msg'].removeprefix('Value error, '))
    got = '' if first['type'] in ('value_error', 'missing') else f' (got {brief(first["input"])})'
    default = _shown_default(info)
    return InputError(
        f'{key}: {said}{got}', where=where, accepted=_accepted(info) if info else '',
        remedy=f'the default is {default}' if default else '',
    )


def _shown_default(info: Any) -> str:
    """Return a default that is a value or a list of values; of anything else nothing."""
    value = info.default if info else None
    values = list(value) if isinstance(value, tuple) else [value]
    if not all(isinstance(one, (str, int, float)) for one in values):
        return ''
    return repr(values if isinstance(value, tuple) else value)
