"""The glare of light sources at night."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def add_glare(frame: np.ndarray, place: np.ndarray, px_per_m: float, color: tuple[float, ...],
              power: float) -> None:
    """Add a light source with halo and star to a linear 3xHxW frame, in place.

    Args:
        frame: changed.
        place: (x, y) px.
        px_per_m: scale at the source's distance.
        color: linear colour.
        power: 1 for a street lamp.
    """
    height, width = frame.shape[1:]
    core = min(max(0.8, 0.08 * px_per_m), 0.011 * width)
    reach = int(np.clip(core * 14 * np.sqrt(power) + 0.02 * width, 4, width // 4))
    kernel = _kernel(reach, round(core * 2) / 2)
    x, y = round(place[0]), round(place[1])
    x0, x1 = max(0, x - reach), min(width, x + reach + 1)
    y0, y1 = max(0, y - reach), min(height, y + reach + 1)
    if x1 <= x0 or y1 <= y0:
        return
    part = kernel[y0 - y + reach:y1 - y + reach, x0 - x + reach:x1 - x + reach]
    for plane, strength in zip(frame, color, strict=True):
        plane[y0:y1, x0:x1] += part * np.float32(power * strength)


@lru_cache(maxsize=128)
def _kernel(reach: int, core: float) -> np.ndarray:
    axis = np.arange(-reach, reach + 1, dtype=np.float32)
    x, y = axis[None, :], axis[:, None]
    radius = np.sqrt(x * x + y * y)
    edge = np.clip(1 - radius / reach, 0, 1) ** 2
    disc = 2.5 * np.exp(-((radius / core) ** 2))
    halo = 1.0 / (1 + (radius / (core * 2.5)) ** 2)
    star = np.zeros_like(radius)
    for c, s in ((1, 0), (0, 1), (.7071, .7071), (.7071, -.7071)):
        star += 0.25 * np.exp(-np.abs(x * c + y * s) / (0.35 * core + 0.4)) / (1 + radius / core)
    return (disc + (halo + star) * edge).astype(np.float32)
