"""From raw thermal values to black and white: a fixed Kelvin window or a steady gain control."""

from __future__ import annotations

import math

import numpy as np

from vif_perception.config import ThermalConfig
from vif_perception.sensing.encodings import thermal_view
from vif_perception.sensing.profiles import (
    check_profile,
    finite_sample,
    guess_profile,
    to_kelvin,
)
from vif_perception.types import Frame

__all__ = ['ThermalWindow', 'to_kelvin']

# Below this span only sensor noise would be stretched to black and white, in raw units.
_MIN_SPAN = {'uint8': 4.0, 'uint16': 16.0, 'float32': 0.01}
# Time taken for a frame whose stamp does not advance (drivers without clock send 0 for ever).
_FRAME_S = 1 / 30
# Quartiles that jump by more than this part of the window between two frames: the camera
# changed its gain or offset. An object that enters moves the tails, not the quartiles.
_STEP = 0.15


class ThermalWindow:
    """Chooses the raw values shown as black and white, the same for equal temperatures.

    Known unit: the configured Kelvin window. 8 bit: 0..255, the camera has its own gain control.
    Counts: percentiles, smoothed over time by the stamps; when the camera changes its gain, the
    window moves along at once so that the picture does not flash.
    """

    def __init__(self, config: ThermalConfig):
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forget the decided profile and the gain."""
        self.profile: str = self._config.profile
        self._window: tuple[float, float] | None = None
        self._levels: np.ndarray | None = None
        self._stamp_ns = 0

    def update(self, frame: Frame) -> tuple[float, float]:
        """Return (lo, hi), lo < hi, in raw units of the frame.

        ``auto`` is decided on the first frame that shows a scene and kept until reset(); before
        that ``profile`` stays 'auto' and nothing is learnt.

        Raises:
            InputError: the values of the frame cannot have the (configured or decided) profile.
        """
        image = thermal_view(frame)
        window_k = self._config.window_min_k, self._config.window_max_k
        name = guess_profile(image, window_k) if self.profile == 'auto' else self.profile
        meaning = check_profile(name, image.dtype)
        if self.profile == 'auto' and _shows_scene(image):
            self.profile = name
        if meaning.scale is not None:
            return meaning.raw(window_k[0]), meaning.raw(window_k[1])
        if self._config.gain == 'per_frame_minmax':
            return _minmax(image)
        if name == 'agc8':
            return 0.0, 255.0
        return self._steady(image, frame.stamp_ns)

    def _steady(self, image: np.ndarray, stamp_ns: int) -> tuple[float, float]:
        levels = self._measure(image)
        if levels is None or levels[0] == levels[-1]:  # nothing to learn from: shutter, all NaN
            flat = (0.0, 1.0) if levels is None else _spread(levels[0], levels[-1], image.dtype)
            return self._window or flat
        window = target = _spread(levels[0], levels[-1], image.dtype)
        if self._window is not None:
            weight = self._weight(stamp_ns)
            low, high = self._carried(levels, target)
            window = _spread(
                low + weight * (target[0] - low), high + weight * (target[1] - high), image.dtype
            )
        self._window, self._levels, self._stamp_ns = window, levels, stamp_ns
        return window

    def _measure(self, image: np.ndarray) -> np.ndarray | None:
        """Return the levels at percentile_low, 25, 50, 75 and percentile_high; None: no values."""
        values = np.sort(finite_sample(image))
        if values.size == 0:
            return None
        ranks = (self._config.percentile_low, 25, 50, 75, self._config.percentile_high)
        return values[[round(rank / 100 * (values.size - 1)) for rank in ranks]].astype(float)

    def _carried(self, levels: np.ndarray, target: tuple[float, float]) -> tuple[float, float]:
        """Return the window, moved along when the camera stepped its gain or offset."""
        assert self._window is not None
        assert self._levels is not None
        (low, high), before = self._window, self._levels
        if np.abs(levels - before)[1:4].max() <= _STEP * (high - low):
            return low, high
        ratio = (levels[-1] - levels[0]) / (before[-1] - before[0])
        if not 0.25 <= ratio <= 4:  # another scene (or back from a shutter): start afresh
            return target
        # the camera's map of values is affine: the same map carries the window
        return levels[0] + (low - before[0]) * ratio, levels[-1] + (high - before[-1]) * ratio

    def _weight(self, stamp_ns: int) -> float:
        elapsed_s = (stamp_ns - self._stamp_ns) / 1e9
        if elapsed_s <= 0:
            elapsed_s = _FRAME_S
        tau_s = self._config.smoothing_s
        return 1.0 if tau_s == 0 else 1.0 - math.exp(-elapsed_s / tau_s)


def _shows_scene(image: np.ndarray) -> bool:
    values = finite_sample(image)
    return values.size > 0 and bool(values.min() < values.max())


def _minmax(image: np.ndarray) -> tuple[float, float]:
    values = image[np.isfinite(image)] if image.dtype.kind == 'f' else image
    if values.size == 0:
        return 0.0, 1.0
    return _spread(float(values.min()), float(values.max()), image.dtype)


def _spread(low: float, high: float, dtype: np.dtype) -> tuple[float, float]:
    """Widen (low, high) around its middle to the least sensible span."""
    middle = (low + high) / 2
    # float32 arithmetic downstream must still see low < high for very large values
    span = max(high - low, _MIN_SPAN[dtype.name], abs(middle) * 1e-5)
    return float(middle - span / 2), float(middle + span / 2)
