"""What the report says in words and tables: verdict, gates, fusion metrics, plain facts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from vif_perception.report.series import Series

#: Fusion methods that are no method: the sources themselves, and the simplest rules.
COPIES = ('VIS', 'IR')
RULES = ('AVG', 'MAX')

#: Metric -> what it measures. Up and down arrows only where the direction is agreed on.
METRICS = {
    'EN': ('', 'entropy: noise raises it too'),
    'SD': ('', 'contrast: noise raises it too'),
    'SF': ('', 'spatial frequency: noise raises it too'),
    'AG': ('', 'mean gradient: noise raises it too'),
    'MI': ('up', 'mutual information with both sources'),
    'SCD': ('up', 'what each source added'),
    'VIF': ('up', 'visual information kept, summed over both sources'),
    'Qabf': ('up', 'edges carried over'),
    'SSIM': ('up', 'structure, mean over both sources'),
    'SSIM_sum': ('up', "structure, the field's sum"),
    'CC': ('up', 'correlation with both sources'),
    'PSNR': ('up', 'closeness to both sources, dB'),
    'Nabf': ('down', 'artefacts that are in neither source'),
}


@dataclass(frozen=True)
class Gate:
    """One threshold: what was measured, what was asked for."""

    name: str
    value: Any
    limit: str
    passed: bool


@dataclass(frozen=True)
class MetricRow:
    """One metric over all methods; ``best``: the columns that win, copies left out."""

    name: str
    direction: str
    meaning: str
    values: list[float | None]
    best: frozenset[int]
    decimals: int


def verdict(report: Mapping[str, Any]) -> tuple[str, str]:
    """(look, title): a replay that ran well but missed a gate has not passed."""
    status = report.get('status')
    if status == 'ok':
        missed = sum(not gate.passed for gate in gates(report.get('gates')))
        return ('failed', 'Gate failed' if missed == 1 else 'Gates failed') if missed else (
            'ok', 'OK'
        )
    return ('nodata', 'No data') if status == 'nodata' else ('failed', 'Failed')


def headline(report: Mapping[str, Any], series: Series) -> str:
    """One sentence: '21 of 24 outputs fused; thermal missing 1, frozen 2'."""
    modes = counts(report.get('modes'))
    if not modes:
        modes = counts(Counter(mode for mode, _ in series.kinds.elements()))
    total, fused = int(sum(modes.values())), int(modes.get('FUSED', 0))
    if not total:
        frames = report.get('frames') or {}
        read = [f'{frames[c]} {c}' for c in ('rgb', 'thermal') if frames.get(c) is not None]
        return 'No output' + (f' from {" and ".join(read)} frames.' if read else '.')
    if fused == total:
        return f'All {total} outputs fused.' if total > 1 else 'The one output is fused.'
    by_reason: Counter[str] = Counter()
    for (mode, reason), n in series.kinds.items():
        if mode != 'FUSED' and reason:
            by_reason[reason] += n
    why = reasons(by_reason) or ', '.join(
        f'{int(n)} {mode}' for mode, n in modes.items() if mode != 'FUSED' and n
    )
    return f'{fused} of {total} outputs fused; {why}.'


def reasons(by_reason: Mapping[str, int], most: int = 4) -> str:
    """'thermal missing 1, frozen 2': the camera is said once."""
    listed = Counter(by_reason).most_common(most)
    rest = sum(by_reason.values()) - sum(n for _, n in listed)
    said, parts = '', []
    for reason, n in sorted(listed, key=lambda item: (item[0].split(' ')[0], -item[1])):
        camera, _, what = reason.partition(' ')
        short = what if camera == said and what else reason
        said = camera if camera in ('thermal', 'rgb') else ''
        parts.append(f'{short} {n}')
    return ', '.join(parts + ([f'{rest} for other reasons'] if rest else []))


def gates(given: Any) -> list[Gate]:
    """Read report['gates'] (a list of mappings, or name -> mapping), failed ones first."""
    if isinstance(given, Mapping):
        given = [{'name': name, **_as_mapping(gate)} for name, gate in given.items()]
    rows = []
    for gate in map(_as_mapping, given or []):
        name = _first(gate, 'name', 'key', 'metric')
        sign = {'<=': '≤', '>=': '≥'}.get(str(gate.get('op')), str(gate.get('op') or ''))
        limit = f'{sign} {number(_first(gate, "limit", "threshold"))}'.strip()
        passed = bool(_first(gate, 'passed', 'ok'))
        rows.append(Gate(str(name), _first(gate, 'value', 'actual'), limit, passed))
    return sorted(rows, key=lambda gate: gate.passed)


def fusion_table(fusion: Any) -> tuple[list[str], list[MetricRow]]:
    """(methods, rows) of report['fusion'] (method -> metric -> value).

    The method comes first, then rules, then the copies of one source, which never win: a copy
    is as like its source as can be.
    """
    methods = {
        str(name): values for name, values in _as_mapping(fusion).items()
        if isinstance(values, Mapping)
    }
    names = sorted(methods, key=lambda name: (name in COPIES, name in RULES))
    metrics = list(dict.fromkeys(metric for name in names for metric in methods[name]))
    known = list(METRICS)
    metrics.sort(key=lambda metric: known.index(metric) if metric in known else len(known))
    return names, [
        _metric_row(metric, names, [_finite(methods[name].get(metric)) for name in names])
        for metric in metrics
    ]


def counts(given: Any) -> dict[str, float]:
    """Keep what is a number, e.g. of drops or modes; largest first."""
    found = {str(k): v for k, v in _as_mapping(given).items() if _finite(v) is not None}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def bag_name(bag: Any) -> str:
    """Short name of what was replayed."""
    if isinstance(bag, Mapping):
        bag = _first(bag, 'name', 'path', 'paths')
    paths = [bag] if isinstance(bag, str) else list(bag or [])
    names = ', '.join(PurePath(str(path)).name or str(path) for path in paths[:3])
    return names + (f' and {len(paths) - 3} more' if len(paths) > 3 else '')


def number(value: Any, decimals: int | None = None) -> str:
    """Three significant digits (or so many decimals) for a float, a dash for nothing."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return '–'
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    if decimals is not None:
        return f'{value:.{decimals}f}'
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
        return f'{value:.{min(digits, 3)}f}'
    return f'{value:.2e}'


def plain(value: Any) -> str:
    """Any JSON value on one line."""
    if isinstance(value, Mapping):
        return ', '.join(f'{key}: {plain(part)}' for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return ', '.join(plain(part) for part in value)
    return number(value)


def _metric_row(name: str, methods: list[str], values: list[float | None]) -> MetricRow:
    direction, meaning = METRICS.get(name, ('', ''))
    judged = [
        value for method, value in zip(methods, values, strict=True)
        if value is not None and method not in COPIES
    ]
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    decimals = 1 if largest >= 100 else 2 if largest >= 10 else 3
    best: frozenset[int] = frozenset()
    if direction and len(judged) > 1:
        target = number(max(judged) if direction == 'up' else min(judged), decimals)
        best = frozenset(
            i for i, value in enumerate(values)
            if methods[i] not in COPIES and number(value, decimals) == target
        )
    return MetricRow(name, direction, meaning, values, best, decimals)


def _as_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _first(values: Mapping[str, Any], *names: str) -> Any:
    return next((values[name] for name in names if values.get(name) is not None), None)


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


def percentiles(given: Any) -> list[tuple[str, dict[str, float]]]:
    """(stage, {p50, p95, ...}) of report['latency_ms'], 'total' last."""
    stages = [(str(stage), counts(values)) for stage, values in _as_mapping(given).items()]
    return sorted((s for s in stages if s[1]), key=lambda stage: stage[0] == 'total')


def per_class(segmentation: Any) -> Iterable[tuple[str, float | None]]:
    """(class, IoU or None when it is absent) of report['segmentation']."""
    given = _as_mapping(_as_mapping(segmentation).get('per_class'))
    return [(str(name), _finite(value)) for name, value in given.items()]
