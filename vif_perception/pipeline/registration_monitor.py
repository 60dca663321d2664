"""Whether the cameras are still mounted as they were calibrated: edge agreement over time."""

from __future__ import annotations

import threading

import numpy as np

from vif_perception.pipeline.view import View
from vif_perception.sensing import alignment
from vif_perception.types import Calibration

#: Every so many outputs made from both cameras one is looked at.
EVERY = 30
#: Agreement is averaged over about so many looks: half a minute at 30 Hz.
MEMORY = 30
#: Nothing is said about a drift before so many looks.
ENOUGH = 8
#: A drift of up to this part of the picture's longest side is found.
REACH = 0.1
#: Smallest drift, in px of the small pictures, that is told from a good registration.
_LEAST = 2.0
#: How much better than the agreement as calibrated, and than chance, the drifted one must be.
_BETTER, _ABOVE_CHANCE = 1.3, 6.0


class RegistrationMonitor:
    """Compares a pair now and then; the work is done when somebody asks, not where frames go.

    ``keep`` takes a reference and nothing else; ``look`` needs 3 ms for any image size. The two
    may be called from different threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: View | None = None
        self._calibration: Calibration | None = None
        self._mean: np.ndarray | None = None
        self._count = self._outputs = 0
        self._step = 1

    def reset(self) -> None:
        """Forget what was seen."""
        with self._lock:
            self._forget()

    def keep(self, view: View) -> None:
        """Take what the network saw of both cameras; another calibration begins afresh."""
        if view.rgb is None or view.thermal is None:
            return
        with self._lock:
            if view.calibration is not self._calibration:
                self._forget()
                self._calibration = view.calibration
            if self._outputs % EVERY == 0:
                self._next = view
            self._outputs += 1

    def look(self) -> None:
        """Compare the pair that was kept last, if it was not looked at yet."""
        with self._lock:
            view, self._next = self._next, None
        surface = None if view is None else _surface(view)  # without the lock: frames go on
        if view is None or surface is None:
            return
        with self._lock:
            if view.calibration is not self._calibration:
                return
            self._mean = np.zeros_like(surface) if self._mean is None else self._mean
            self._step = alignment.scale(view.calibration.size)
            self._count += 1
            self._mean += (surface - self._mean) / min(self._count, MEMORY)

    @property
    def score(self) -> float | None:
        """Mean agreement of edge directions as calibrated, 0..1; None before the first look."""
        with self._lock:
            return None if self._mean is None else max(0.0, float(self._mean[0, 0]))

    @property
    def shift_px(self) -> tuple[float, float] | None:
        """How far the thermal picture slid (right, down), px of the output; None: unsure."""
        with self._lock:
            if self._mean is None or self._count < ENOUGH:
                return None
            return _shift(self._mean, self._step)

    def _forget(self) -> None:
        self._next = self._calibration = None
        self._mean = None
        self._count = self._outputs = 0


def _surface(view: View) -> np.ndarray | None:
    assert view.rgb is not None
    assert view.thermal is not None
    calibration = view.calibration
    by_rgb = calibration.reference == 'rgb'
    green = view.rgb[..., 1]  # brightness, nearly, and a view
    return alignment.correlation(
        alignment.sampled(green, None if by_rgb else calibration.grid, calibration.size),
        alignment.sampled(view.thermal, calibration.grid if by_rgb else None, calibration.size),
    )


def _shift(mean: np.ndarray, step: int) -> tuple[float, float] | None:
    height, width = mean.shape
    reach = max(1, round(REACH * max(height, width)))
    down, right = (np.fft.fftfreq(n, 1 / n).round()[:, None] for n in (height, width))
    near = (np.abs(down) <= reach) & (np.abs(right.T) <= reach)
    chance = float(mean[~near].std()) if not near.all() else 0.0
    row, column = np.unravel_index(np.argmax(np.where(near, mean, -np.inf)), mean.shape)
    peak, calibrated = float(mean[row, column]), max(0.0, float(mean[0, 0]))
    y, x = float(down[row, 0]), float(right[column, 0])
    if np.hypot(x, y) < _LEAST or peak < _BETTER * calibrated or peak < _ABOVE_CHANCE * chance:
        return None
    return x * step, y * step
