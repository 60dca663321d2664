"""Counts and recent measurements, from which one ``Health`` is made."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping

import numpy as np

from vif_perception import sync
from vif_perception.errors import InputError
from vif_perception.pipeline.modes import MISSING
from vif_perception.sensing import CONDITIONS
from vif_perception.sync import RateMeter, Synchronizer
from vif_perception.types import Camera, FramePair, Health, Mode, Percentiles, Perception

_WINDOW = 512
CAMERAS: tuple[Camera, ...] = ('rgb', 'thermal')
#: Every key of ``Health.drops``; explained at ``Pipeline`` and ``Synchronizer``.
DROP_CAUSES = (
    *sync.DROP_CAUSES,
    *(f'{camera}_{condition}' for camera in CAMERAS for condition in CONDITIONS[camera]),
    'fallback_policy', 'engine_error', 'input_error', 'bad_image', 'superseded',
)


class HealthLog:
    """What happened, in bounded memory. Times are receive times, ns.

    Latency and skew percentiles are over the newest 512 values.

    Args:
        stale_ns: without an output for this long the mode is STALE.
    """

    def __init__(self, stale_ns: int) -> None:
        self.stale_ns = stale_ns
        self._rates = {camera: RateMeter() for camera in CAMERAS}
        self._received: Counter[Camera] = Counter()
        self._modes: Counter[str] = Counter()
        self._drops: Counter[str] = Counter()
        self._conditions: dict[Camera, str] = dict.fromkeys(CAMERAS, MISSING)
        self._skews_ms: deque[float] = deque(maxlen=_WINDOW)
        self._latencies_ms: dict[str, deque[float]] = {}
        self._mode: Mode | None = None
        self._reason = ''
        self._trouble = ''
        self._broken = False
        self._alive_ns: int | None = None
        self._now_ns = 0
        self._errors = 0
        self._last_error = ''

    def tick(self, now_ns: int) -> None:
        """Take note of the time; it may go back."""
        self._now_ns = now_ns
        self._alive_ns = now_ns if self._alive_ns is None else min(self._alive_ns, now_ns)

    def arrived(self, camera: Camera, now_ns: int) -> None:
        """Count a frame, whatever becomes of it."""
        self.tick(now_ns)
        self._received[camera] += 1
        self._rates[camera].tick(now_ns)

    def dropped(self, cause: str, frames: int = 1) -> None:
        """Count frames that reached no output."""
        self._drops[cause] += frames

    def refused(self, error: InputError) -> None:
        """Count a frame that could not be used and keep what was wrong with it."""
        self._drops['bad_image'] += 1
        self._last_error = str(error)

    def judged(self, conditions: Mapping[Camera, str]) -> None:
        """Keep the newest conditions of the cameras."""
        self._conditions = dict(conditions)

    def nothing(self, reason: str) -> None:
        """A pair gave no output and nothing is broken."""
        self._trouble, self._broken = reason, False

    def failed(self, error: Exception) -> bool:
        """A pair gave no output because of ``error``; return whether that is news."""
        text = f'{type(error).__name__}: {error}'
        news = text != self._last_error or not self._broken
        self._errors += 1
        self._last_error = self._trouble = text
        self._broken = True
        return news

    def produced(self, perception: Perception, pair: FramePair) -> None:
        """A pair gave an output."""
        self._mode, self._reason = perception.mode, perception.reason
        self._trouble, self._broken = '', False
        self._alive_ns = self._now_ns
        self._modes[perception.mode.value] += 1
        if pair.rgb is not None and pair.thermal is not None:
            self._skews_ms.append(abs(pair.skew_ns) / 1e6)
        for stage, duration_ns in perception.timings_ns.items():
            kept = self._latencies_ms.setdefault(stage, deque(maxlen=_WINDOW))
            kept.append(duration_ns / 1e6)

    def snapshot(self, now_ns: int, synchronizer: Synchronizer, recalibrations: int) -> Health:
        """Return everything as of ``now_ns``."""
        rates = {camera: self._rates[camera].hz(now_ns) for camera in CAMERAS}
        mode, reason = self._state(now_ns, rates)
        return Health(
            mode=mode,
            reason=reason,
            received={camera: self._received[camera] for camera in CAMERAS},
            rate_hz=rates,
            pairs=synchronizer.pairs,
            partials=synchronizer.partials,
            processed=sum(self._modes.values()),
            modes=dict(self._modes),
            drops=dict(Counter(synchronizer.drops) + self._drops),
            conditions={c: self._conditions[c] if rates[c] else MISSING for c in CAMERAS},
            skew_ms=percentiles(self._skews_ms) if self._skews_ms else None,
            latency_ms={stage: percentiles(kept) for stage, kept in self._latencies_ms.items()},
            recalibrations=recalibrations,
            errors=self._errors,
            last_error=self._last_error,
        )

    def _state(self, now_ns: int, rates: Mapping[Camera, float]) -> tuple[Mode, str]:
        if self._broken:
            return Mode.ERROR, self._trouble
        silence_ns = 0 if self._alive_ns is None else now_ns - self._alive_ns
        why = self._trouble or ', '.join(f'{camera} {hz:.1f} Hz' for camera, hz in rates.items())
        if self._mode is None:
            return Mode.STALE, f'no output yet: {why}'
        if silence_ns > self.stale_ns:
            return Mode.STALE, f'no output for {silence_ns / 1e9:.1f} s: {why}'
        return self._mode, f'no output: {why}' if self._trouble else self._reason


def percentiles(values: Iterable[float]) -> Percentiles:
    """Return p50, p95, p99 and maximum of at least one value."""
    series = np.fromiter(values, np.float64)
    p50, p95, p99 = np.percentile(series, (50, 95, 99))
    return Percentiles(float(p50), float(p95), float(p99), float(series.max()))
