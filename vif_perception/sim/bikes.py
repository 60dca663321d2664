"""Sprites of bicycles, and the drawing of one under a rider."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from vif_perception.sim.sprite import Clay, Sprite

BIKE = 3
VARIANTS = 24
SQUEEZES = 4
PAINTS = ((170, 175, 180), (150, 40, 40), (45, 60, 110), (40, 40, 42), (60, 120, 130))
BLACK = (32, 31, 32)


@lru_cache(maxsize=VARIANTS * SQUEEZES)
def bike(variant: int, squeeze: int) -> Sprite:
    """Draw a parked bike, seen at an angle: squeeze 0 (side) .. SQUEEZES-1 (nearly end on)."""
    rng = np.random.default_rng((variant, 12))
    width = (1.0, 0.7, 0.4, 0.16)[squeeze]
    clay = Clay((2.0 * width + 0.4, 1.2), 110.0)
    draw_bike(clay, rng, width)
    return clay.sprite(0.7 * width + 0.1)


def draw_bike(clay: Clay, rng: np.random.Generator, width: float) -> None:
    """Put a bike on the canvas, driving to the right, ``width`` times as wide as from the side."""
    paint = PAINTS[rng.integers(len(PAINTS))]
    rear, front, crank = -0.53 * width, 0.53 * width, -0.06 * width
    for centre in (rear, front):
        _wheel(clay, centre, width)
    saddle, bars = (-0.22 * width, 0.88), (0.40 * width, 1.02)
    tubes = (
        ((rear, 0.34), (crank, 0.3), 0.014), ((crank, 0.3), saddle, 0.018),
        ((rear, 0.34), (saddle[0], 0.75), 0.012), ((crank, 0.3), (bars[0] * 0.88, 0.82), 0.02),
        ((saddle[0], 0.72), (bars[0] * 0.88, 0.85), 0.018), ((front, 0.34), bars, 0.018),
    )
    for start, end, radius in tubes:
        clay.limb(start, end, (radius, radius), paint, 2.0, BIKE)
    clay.limb((saddle[0] - 0.1 * width, 0.91), (saddle[0] + 0.1 * width, 0.92), (0.045, 0.03),
              BLACK, 2.5, BIKE)
    across = 0.28 * (1 - width)
    clay.limb((bars[0] - 0.1 * width - across, 1.03), (bars[0] + 0.04 + across, 1.03),
              (0.018, 0.018), BLACK, 2.0, BIKE)
    if rng.random() < 0.6:  # basket
        half = 0.15 * width + 0.06
        middle = bars[0] + 0.16 * width
        clay.trunk([(0.76, half * 0.85), (0.99, half)], (120, 118, 112), 1.5, BIKE,
                   (middle, middle))
    if rng.random() < 0.5:  # carrier
        clay.limb((rear - 0.15 * width, 0.74), (saddle[0] - 0.1 * width, 0.74), (0.02, 0.02),
                  (90, 90, 92), 2.0, BIKE)


def _wheel(clay: Clay, centre: float, width: float) -> None:
    x, y = (clay.x[None, :] - centre) / width, clay.y[:, None] - 0.34
    radius = np.sqrt(x * x + y * y)
    # Seen end on, a wheel is as wide as its tyre.
    ring = np.clip((0.035 - np.abs(radius - 0.31)) * clay.scale * max(width, 0.25) + 0.5, 0, 1)
    if width < 0.3:
        ring = np.maximum(ring, (radius < 0.33) & (np.abs(x * width) < 0.03))
    spokes = (np.abs(np.sin(np.arctan2(y, x) * 7)) < 0.14) & (radius < 0.3)
    cover = np.maximum(ring, spokes * 0.45).astype(np.float32)
    color = np.array(BLACK, np.float32) + 70 * (spokes & (ring < 0.5))[..., None]
    clay.lay((slice(None), slice(None)), cover, color, np.full(cover.shape, 2.2, np.float32), BIKE)
    clay.label[radius < 0.34] = BIKE  # data sets label the whole disc
