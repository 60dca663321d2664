"""What is counted over a whole run."""

from __future__ import annotations

from collections import Counter
from typing import Any

from vif_perception.report.distribution import Distribution
from vif_perception.report.series import reason_kind
from vif_perception.types import FramePair, Perception


class Tally:
    """Counts of one run; memory does not grow with its length."""

    def __init__(self) -> None:
        self.outputs = 0
        self.modes: Counter[str] = Counter()
        self.reasons: dict[str, Counter[str]] = {}
        self.skew_ms = Distribution()
        self.latency_ms: dict[str, Distribution] = {}

    def add(self, pair: FramePair, perception: Perception) -> None:
        """Count one output."""
        self.outputs += 1
        mode = perception.mode.value
        self.modes[mode] += 1
        if perception.reason:
            self.reasons.setdefault(mode, Counter())[reason_kind(perception.reason)] += 1
        if pair.thermal is not None and pair.rgb is not None:
            self.skew_ms.add(abs(pair.skew_ns) / 1e6)

    def measure(self, stage: str, duration_ns: int) -> float:
        """Add one duration to a stage; returns it in ms."""
        if stage not in self.latency_ms:
            self.latency_ms[stage] = Distribution()
        duration_ms = duration_ns / 1e6
        self.latency_ms[stage].add(duration_ms)
        return round(duration_ms, 3)

    def report(self) -> dict[str, Any]:
        """Return the parts of the report that are counted here."""
        skew = self.skew_ms.summary(50, 95)
        return {
            'modes': dict(sorted(self.modes.items())),
            'reasons': {mode: dict(kinds.most_common()) for mode, kinds in self.reasons.items()},
            'skew_ms': {**skew, 'max': round(self.skew_ms.max, 4)} if skew else None,
            'latency_ms': {
                stage: values.summary(50, 95, 99) for stage, values in self.latency_ms.items()
            },
        }
