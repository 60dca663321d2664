"""Percentiles of any number of measurements in fixed memory."""

from __future__ import annotations

import math

import numpy as np

#: Width of a bin relative to its value: the error of a percentile is below 0.2 %.
_GROWTH = math.log(1.002)
_LOWEST = 1e-6
_BINS = 15_000


class Distribution:
    """Histogram of values >= 0 with bins of constant relative width.

    A percentile is the mean of the values in its bin, so it is exact when they are all equal.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, np.int64)
        self._sums = np.zeros(_BINS)
        self.count = 0
        self.max = 0.0

    def add(self, value: float) -> None:
        """Count one value; below 1e-6 counts as zero, above about 1e7 as the largest."""
        place = 0 if value < _LOWEST else 1 + int(math.log(value / _LOWEST) / _GROWTH)
        place = min(place, _BINS - 1)
        self._counts[place] += 1
        self._sums[place] += value
        self.count += 1
        self.max = max(self.max, value)

    def percentile(self, percent: float) -> float | None:
        """Return the smallest value that ``percent`` % of the values do not exceed."""
        if not self.count:
            return None
        rank = max(1, math.ceil(self.count * percent / 100))
        place = int(np.searchsorted(np.cumsum(self._counts), rank))
        return float(self._sums[place] / self._counts[place])

    def summary(self, *percents: int) -> dict[str, float]:
        """Return {'p50': ..., ...} rounded to 4 digits after the point; {} when empty."""
        values = {f'p{percent}': self.percentile(percent) for percent in percents}
        return {name: round(value, 4) for name, value in values.items() if value is not None}
