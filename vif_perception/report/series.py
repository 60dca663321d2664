"""What the lines of frames.jsonl say over time, in one pass and 60 bytes a line."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

_MAX_KINDS = 500  # distinct (mode, reason) remembered; reasons come from bags
_COLUMNS = 400  # of a chart; a longer series is thinned

Worst = Literal['highest', 'lowest']

#: From the mildest to the one that must not be lost when several share a column.
SEVERITY = ('FUSED', 'RGB_ONLY', 'THERMAL_ONLY', 'STALE', 'ERROR')


@dataclass(frozen=True)
class Run:
    """Neighbouring outputs of one mode and reason; start and end as parts of the time axis."""

    mode: str
    reason: str
    start: float
    end: float
    first: int
    last: int
    count: int


@dataclass(frozen=True)
class Thinned:
    """Columns of a series, NaN where a column has no value.

    Attributes:
        x: position 0..1; middle: median; low, high: extremes.
        at: where in the series the worst value of the column is.
    """

    x: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray
    at: np.ndarray


@dataclass(frozen=True)
class Axis:
    """What the horizontal direction means.

    Attributes:
        kind: 'time', or 'output' when stamps jump, so that seconds would mislead.
        span: seconds or number of outputs from the left end to the right one.
        period: median time between outputs, s; 0 when unknown.
    """

    kind: str
    span: float
    period: float


class Series:
    """Everything the charts need from the rows.

    Attributes:
        index: output numbers as in the rows.
        skew: |skew| of pairs, ms, NaN for partials; signed_skew with its sign.
        latency: the stage 'total', else the sum of the stages, ms.
        miou: of each frame, NaN without truth.
        kinds: (mode, reason without details) -> outputs.
        axis: see ``Axis``; x: position of each output on it, 0..1.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]]):
        self.kinds: Counter[tuple[str, str]] = Counter()
        self._codes: dict[tuple[str, str], int] = {}
        columns: tuple[Any, ...] = tuple(array(kind) for kind in 'qqiddd')
        for row in rows:
            for column, value in zip(columns, self._values(row), strict=True):
                column.append(value)
        stamps, index, code, skew, latency, miou = (np.asarray(column) for column in columns)
        self.index, self._code = index, code
        self.signed_skew, self.skew = skew, np.abs(skew)
        self.latency, self.miou = latency, miou
        self.axis, self.x, self._ends = _lay_out(stamps)

    def __len__(self) -> int:
        return len(self.index)

    def _values(self, row: Mapping[str, Any]) -> tuple[int, int, int, float, float, float]:
        mode, reason = str(row.get('mode') or ''), str(row.get('reason') or '')
        if len(self._codes) >= _MAX_KINDS and (mode, reason) not in self._codes:
            reason = 'another reason'
        self.kinds[mode, reason_kind(reason)] += 1
        code = self._codes.setdefault((mode, reason), len(self._codes))
        both = row.get('thermal_stamp_ns') is not None and row.get('rgb_stamp_ns') is not None
        stages = row.get('latency_ms') or {}
        latency = stages.get('total', sum(stages.values()) if stages else None)
        return (
            int(row.get('stamp_ns') or 0), int(row.get('index') or 0), code,
            _number(row.get('skew_ms') if both else None), _number(latency),
            _number(row.get('miou')),
        )

    def runs(self) -> list[Run]:
        """Stretches of one mode and reason in order, at most a few hundred.

        In a series longer than that, the most severe mode of a column stands for all of it.
        """
        kinds = list(self._codes)
        severity = np.array([_severity(mode) for mode, _ in kinds], dtype=np.int64)
        stretches = _stretches(self._code)
        if len(stretches) <= _COLUMNS:
            return [self._run(kinds[self._code[a]], a, b, b - a) for a, b in stretches]
        runs: list[Run] = []
        column = np.minimum((self.x * _COLUMNS).astype(np.int64), _COLUMNS - 1)
        for start, end in _stretches(column):
            codes = self._code[start:end]
            worst = codes[np.argmax(severity[codes])]
            run = self._run(kinds[worst], start, end, int((codes == worst).sum()))
            if runs and (runs[-1].mode, runs[-1].reason) == (run.mode, run.reason):
                last = runs.pop()
                run = Run(run.mode, run.reason, last.start, run.end, last.first, run.last,
                          last.count + run.count)
            runs.append(run)
        return runs

    def _run(self, kind: tuple[str, str], start: int, end: int, count: int) -> Run:
        return Run(
            *kind, float(self.x[start]), float(self._ends[end - 1]),
            int(self.index[start]), int(self.index[end - 1]), count,
        )


def reason_kind(reason: Any) -> str:
    """Return a reason without its details: what stands before the first number or punctuation."""
    return re.split(r'[:;,(0-9]', str(reason or ''), maxsplit=1)[0].strip()


def thin(x: np.ndarray, values: np.ndarray, worst: Worst) -> Thinned:
    """At most a few hundred points that keep a series' middle and its extremes."""
    if len(values) <= _COLUMNS:
        return Thinned(x, values, values, values, np.arange(len(values)))
    stretches = _stretches(np.minimum((x * _COLUMNS).astype(np.int64), _COLUMNS - 1))
    points = []
    for start, end in stretches:
        part = values[start:end]
        if np.isnan(part).all():
            points.append((float('nan'), float('nan'), float('nan'), start))
            continue
        low, high = int(np.nanargmin(part)), int(np.nanargmax(part))
        at = start + (high if worst == 'highest' else low)
        points.append((float(np.nanmedian(part)), part[low], part[high], at))
    middle, low_values, high_values, where = (np.array(c) for c in zip(*points, strict=True))
    return Thinned(x[[a for a, _ in stretches]], middle, low_values, high_values, where)


def _lay_out(stamps: np.ndarray) -> tuple[Axis, np.ndarray, np.ndarray]:
    """Axis, start and end of each output on it."""
    count = len(stamps)
    steps = np.diff(stamps) / 1e9
    period = float(np.median(steps)) if count > 1 else 0.0
    elapsed = (stamps - stamps[0]) / 1e9 if count else np.zeros(0)
    straight = period > 0 and bool((steps >= 0).all())
    if not straight or (count >= 10 and steps.max() > elapsed[-1] / 2):
        starts = np.arange(count, dtype=np.float64)
        return Axis('output', float(count), max(period, 0.0)), starts / max(count, 1), (
            (starts + 1) / max(count, 1)
        )
    span = float(elapsed[-1]) + period
    ends = np.append(np.minimum(elapsed[1:], elapsed[:-1] + 2.5 * period), span)
    return Axis('time', span, period), elapsed / span, ends / span


def _stretches(values: np.ndarray) -> list[tuple[int, int]]:
    """(start, end) of runs of equal values."""
    if not len(values):
        return []
    cuts = np.flatnonzero(values[1:] != values[:-1]) + 1
    return list(zip([0, *cuts.tolist()], [*cuts.tolist(), len(values)], strict=True))


def _severity(mode: str) -> int:
    return SEVERITY.index(mode) if mode in SEVERITY else len(SEVERITY)


def _number(value: Any) -> float:
    return float('nan') if value is None else float(value)
