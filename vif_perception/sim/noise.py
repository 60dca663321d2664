"""Fractal noise, the base of every texture."""

from __future__ import annotations

import numpy as np
from PIL import Image


def noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int],
          octaves: int = 4, fade: float = 0.55) -> np.ndarray:
    """Return fractal value noise, float32, mean about 0, standard deviation about 1.

    Periodic along the first axis, so that the road has no seam.

    Args:
        rng: source of randomness.
        shape: rows and columns of the result.
        cells: rows and columns of the coarsest grid.
        octaves: how many grids, each twice as fine as the one before.
        fade: weight of an octave relative to the one before.
    """
    total = np.zeros(shape, np.float32)
    weight, square = 1.0, 0.0
    rows, columns = cells
    for _ in range(octaves):
        grid = rng.standard_normal((rows, columns), dtype=np.float32)
        grid = np.concatenate([grid[-2:], grid, grid[:2]])
        image = Image.fromarray(grid).resize(
            (shape[1], shape[0]), Image.Resampling.BICUBIC,
            (0, 2, columns, 2 + rows))
        total += np.float32(weight) * np.asarray(image)
        square += weight * weight
        weight *= fade
        rows, columns = min(rows * 2, shape[0]), min(columns * 2, shape[1])
    return total / np.float32(np.sqrt(square) * 0.7)
