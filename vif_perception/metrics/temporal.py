"""Flicker of the fused video."""

from __future__ import annotations

import numpy as np


class Flicker:
    """Mean absolute change between consecutive pictures, in grey levels.

    It says something on a static scene, or beside the same number of the sources: a method with a
    gain of its own for every frame changes more than both of them.
    """

    def __init__(self) -> None:
        self._previous: np.ndarray | None = None
        self._sum = 0.0
        self._steps = 0

    def update(self, picture: np.ndarray) -> float | None:
        """Add a uint8 picture (HxW or HxWxC) and return its change against the one before.

        Returns None for the first picture and after a change of size.
        """
        previous, self._previous = self._previous, picture.copy()
        if previous is None or previous.shape != picture.shape:
            return None
        change = np.maximum(picture, previous) - np.minimum(picture, previous)
        value = float(change.mean(dtype=np.float64))
        self._sum += value
        self._steps += 1
        return value

    def compute(self) -> float | None:
        """Return the mean change of all steps, None when there was none."""
        return self._sum / self._steps if self._steps else None
