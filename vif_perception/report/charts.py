"""Geometry of the report's charts; the template draws it.

The plots are SVG stretched to the width of the page (1000 x 100 units, strokes not scaled); the
labels are HTML at percentages, so that they stay readable on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vif_perception.report.series import SEVERITY, Axis, Run, Series, Thinned, Worst, thin


@dataclass(frozen=True)
class Mark:
    """A label at a place: percent from the left or from the bottom."""

    at: float
    text: str


@dataclass(frozen=True)
class TimeChart:
    """One value over time.

    Attributes:
        path: SVG path in 1000 x 100 units; of the medians when the series is thinned.
        band: path around the extremes, '' when every value is drawn.
        ticks: labels of the value axis; level: a percentile drawn across, or None.
        points: [position 0..1, value, lowest, highest, number of the output that is worst].
        worst: which end of the values is the bad one.
    """

    name: str
    unit: str
    path: str
    band: str
    ticks: list[Mark]
    level: Mark | None
    points: list[list[float]]
    worst: Worst


@dataclass(frozen=True)
class Lane:
    """One mode: its runs as (x, width) in 1000 units, and its part of all outputs."""

    mode: str
    count: int
    part: float
    spans: list[tuple[float, float]]


@dataclass(frozen=True)
class Bar:
    """A row of a bar chart: percents of the full width for each value."""

    name: str
    parts: list[float]
    values: list[float]


def time_chart(
    name: str, unit: str, series: Series, values: np.ndarray, *, top: float | None = None,
    level: float | None = None, worst: Worst = 'highest',
) -> TimeChart | None:
    """Lay out values over the series' axis from 0 to ``top`` (or a round number above all).

    ``level`` is the 95th percentile to draw across; None when there is no value at all.
    """
    if not len(values) or np.isnan(values).all():
        return None
    ticks = _ticks(max(float(np.nanmax(values)), level or 0.0, 1e-9), top)
    full = ticks[-1]
    drawn = thin(series.x, values, worst)
    thinned = len(drawn.x) < len(values)
    index = series.index[drawn.at]
    return TimeChart(
        name, unit, _path(drawn.x, drawn.middle, full), _band(drawn, full) if thinned else '',
        [Mark(100 * tick / full, f'{tick:g}') for tick in ticks],
        None if level is None else Mark(100 * level / full, 'p95'),
        [
            [round(float(x), 5), *(round(float(value), 3) for value in three), int(at)]
            for x, *three, at in zip(
                drawn.x, drawn.middle, drawn.low, drawn.high, index, strict=True
            ) if not math.isnan(three[0])
        ],
        worst,
    )


def lanes(runs: Iterable[Run], modes: Mapping[str, float]) -> list[Lane]:
    """One lane for each mode that occurs, the usual one first."""
    spans: dict[str, list[tuple[float, float]]] = {}
    counts = {mode: int(count) for mode, count in modes.items()}
    for run in runs:
        width = max(run.end - run.start, 0.0005)
        spans.setdefault(run.mode, []).append((round(1000 * run.start, 2), round(1000 * width, 2)))
        if run.mode not in modes:
            counts[run.mode] = counts.get(run.mode, 0) + run.count
    total = sum(counts.values()) or 1
    order = {mode: place for place, mode in enumerate(SEVERITY)}
    return [
        Lane(mode, counts[mode], counts[mode] / total, spans.get(mode, []))
        for mode in sorted(counts, key=lambda mode: (order.get(mode, 99), mode))
        if counts[mode] or mode in spans
    ]


def axis_marks(axis: Axis) -> list[Mark]:
    """About five labels along the horizontal axis."""
    if not axis.span:
        return []
    if axis.kind == 'output':
        step = max(1, round(_round_step(axis.span, 5)))
        return [Mark(100 * at / axis.span, str(at)) for at in range(0, int(axis.span), step)]
    return [Mark(100 * at / axis.span, clock(at)) for at in _clock_steps(axis.span)]


def clock(seconds: float) -> str:
    """Elapsed time as people read it: 4.5 s, 2:05, 1:02:05."""
    if seconds < 120:
        return f'{seconds:.2f}'.rstrip('0').rstrip('.') + ' s'
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02d}:{rest:02d}' if hours else f'{minutes}:{rest:02d}'


def bars(rows: Iterable[tuple[str, list[float]]], top: float | None = None) -> list[Bar]:
    """Bars on one scale, which ends at ``top`` or at the largest value."""
    listed = list(rows)
    full = top or max((value for _, values in listed for value in values), default=0.0) or 1.0
    return [
        Bar(name, [round(100 * min(max(value / full, 0.0), 1.0), 2) for value in values], values)
        for name, values in listed
    ]


def as_data(chart: TimeChart) -> dict[str, Any]:
    """What the page's script needs to read the chart out."""
    return {'unit': chart.unit, 'points': chart.points, 'worst': chart.worst}


def _path(x: np.ndarray, y: np.ndarray, full: float) -> str:
    parts: list[str] = []
    pen_up = True
    for a, b in zip(1000 * x, 100 - 100 * np.clip(y / full, 0, 1), strict=True):
        if math.isnan(b):
            pen_up = True
            continue
        parts.append(f'{"M" if pen_up else "L"}{a:.1f} {b:.1f}')
        pen_up = False
    # A lone point is drawn too: a line of no length has a round cap.
    following = [*parts[1:], 'M']
    return ''.join(
        part + 'h0' if part[0] == after[0] == 'M' else part
        for part, after in zip(parts, following, strict=False)
    )


def _band(drawn: Thinned, full: float) -> str:
    """One closed area for each stretch without NaN."""
    there = ~np.isnan(drawn.middle)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], there.astype(np.int8), [0]))))
    areas = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        x = np.concatenate((drawn.x[start:end], drawn.x[start:end][::-1]))
        y = np.concatenate((drawn.high[start:end], drawn.low[start:end][::-1]))
        areas.append(_path(x, y, full) + 'Z')
    return ''.join(areas)


def _ticks(largest: float, top: float | None) -> list[float]:
    if top is not None:
        return [0.0, top / 2, top]
    step = _round_step(largest, 3)
    return [step * i for i in range(math.ceil(largest / step - 1e-9) + 1)]


def _round_step(span: float, parts: int) -> float:
    """1, 2 or 5 times a power of ten, near span / parts."""
    raw = span / parts
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)


def _clock_steps(span: float) -> list[float]:
    if span < 120:
        step = _round_step(span, 5)
    else:
        steps = (30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)
        step = next((s for s in steps if span / s <= 6), _round_step(span, 5))
    return [step * i for i in range(int(span / step * 0.97) + 1)]
