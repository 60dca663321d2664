"""Thresholds on the report, so that a replay can be a test: ``--gate thresholds.yaml``.

Example::

    frames.pairs: {min: 20}
    segmentation.miou_present: {min: 0.4}
    latency_ms.total: {p95: {max: 50}}
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vif_perception.errors import InputError
from vif_perception.pipeline import DROP_CAUSES
from vif_perception.types import Mode
from vif_perception.yaml_text import brief, parse_yaml

#: What can have a threshold. Names of classes, stages, methods come from the run.
KEYS = (
    'frames.(rgb|thermal|pairs|partials)',
    'drops.<cause>',
    f'modes.({"|".join(mode.value for mode in Mode)})',
    'skew_ms.(p50|p95|max)',
    'latency_ms.<stage>.(p50|p95|p99)',
    'segmentation.(miou_present|miou_foreground|miou_fixed|accuracy|ece|frames)',
    'segmentation.per_class.<class>',
    'fusion.<method>.<metric>',
)
_SIGNS = {'min': '>=', 'max': '<='}
#: Counters that are left out of the report while they are 0.
_COUNTERS = ('drops.', 'modes.')


@dataclass(frozen=True)
class Gate:
    """``bound`` is 'min' or 'max'; the value of ``key`` in the report must respect ``limit``."""

    key: str
    bound: str
    limit: float

    def check(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """Return the line for report['gates']; what was not measured has not passed."""
        value = _lookup(report, self.key)
        if value is None and self.key.startswith(_COUNTERS):
            value = 0
        passed = value is not None and (
            value >= self.limit if self.bound == 'min' else value <= self.limit
        )
        return {
            'name': self.key, 'op': _SIGNS[self.bound], 'limit': self.limit, 'value': value,
            'passed': passed,
        }


def load_gates(path: Path) -> list[Gate]:
    """Read thresholds: dotted or nested keys of the report, each with min and/or max.

    Raises:
        InputError: unreadable, not YAML, unknown key, a limit that is no number, min above max.
    """
    where = str(path)
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'cannot be read ({error})', where=where) from None
    document = parse_yaml(text, where)
    if not isinstance(document, Mapping) or not document:
        raise InputError(
            f'holds {brief(document)}', where=where,
            accepted='a mapping such as {frames.pairs: {min: 20}}',
        )
    gates = list(_flatten(document, '', where))
    for low, high in ((a, b) for a in gates for b in gates if a.key == b.key):
        if low.bound == 'min' and high.bound == 'max' and low.limit > high.limit:
            raise InputError(
                f'{low.key}: min {low.limit:g} is above max {high.limit:g}', where=where
            )
    return gates


def check_classes(gates: Iterable[Gate], classes: Iterable[str]) -> None:
    """Refuse thresholds on classes that the network does not have."""
    names = tuple(classes)
    for gate in gates:
        head, _, name = gate.key.partition('.per_class.')
        if head == 'segmentation' and name not in names:
            raise InputError(
                f'unknown class {name!r} in {gate.key}', where='--gate',
                accepted=', '.join(names),
            )


def _flatten(node: Mapping[Any, Any], prefix: str, where: str) -> Iterator[Gate]:
    for name, value in node.items():
        key = f'{prefix}{name}'
        if not isinstance(value, Mapping) or not value:
            raise InputError(
                f'{key} is {brief(value)}', where=where, accepted='{min: N}, {max: N} or both'
            )
        if set(value) <= set(_SIGNS):
            _known(key, where)
            for bound, limit in value.items():
                if isinstance(limit, bool) or not isinstance(limit, (int, float)) or (
                    not math.isfinite(limit)
                ):
                    raise InputError(
                        f'{key}.{bound} is {brief(limit)}', where=where, accepted='a number'
                    )
                yield Gate(key, bound, limit)
        elif key.count('.') > 3:  # deeper than any key, or a document that holds itself
            _known(key, where)
        else:
            yield from _flatten(value, f'{key}.', where)


def _known(key: str, where: str) -> None:
    patterns = (re.sub('<[a-z]+>', '[^.]+', text.replace('.', r'\.')) for text in KEYS)
    if not any(re.fullmatch(pattern, key) for pattern in patterns):
        raise InputError(f'unknown key {key!r}', where=where, accepted='; '.join(KEYS))
    head, _, cause = key.partition('.')
    if head == 'drops' and cause not in DROP_CAUSES:  # what never happens would always pass
        raise InputError(
            f'unknown cause {cause!r} in {key}', where=where, accepted=', '.join(DROP_CAUSES)
        )


def _lookup(report: Mapping[str, Any], key: str) -> Any:
    value: Any = report
    for part in key.split('.'):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
