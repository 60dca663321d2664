"""Sprites of what stands beside the road: cones, car stops, street lamps."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from vif_perception.sim.sprite import Clay, Sprite

CAR_STOP, CONE = 5, 7
VARIANTS = 12
WHITE = (232, 232, 228)
LAMP_HEAD_M = (1.15, 6.35)  # sideways from the pole, above the ground


@lru_cache(maxsize=VARIANTS)
def cone(variant: int) -> Sprite:
    """Draw a traffic cone with reflecting bands."""
    rng = np.random.default_rng((variant, 13))
    clay = Clay((0.62, 0.78), 130.0)
    body = ((225, 70, 40), (215, 60, 60), (200, 80, 50))[rng.integers(3)]
    clay.trunk([(0.02, 0.2), (0.06, 0.19)], 0.6 * np.array(body), 1.0, CONE)
    clay.trunk([(0.06, 0.15), (0.72, 0.03)], body, 1.6, CONE)
    if rng.random() < 0.7:
        for low, high in ((0.26, 0.38), (0.48, 0.57)):
            clay.trunk([(low, _cone_half(low)), (high, _cone_half(high))], WHITE, 1.4, CONE)
    return clay.sprite(0.3)


def _cone_half(height: float) -> float:
    return float(np.interp(height, (0.06, 0.72), (0.15, 0.03)))


@lru_cache(maxsize=VARIANTS)
def stop(variant: int) -> Sprite:
    """Draw a car stop: a post or a hoop that keeps cars out (Japanese kuruma-dome)."""
    rng = np.random.default_rng((variant, 14))
    metal = ((190, 192, 195), (210, 175, 60), (150, 110, 80), (95, 98, 100))[rng.integers(4)]
    heat = float(rng.uniform(0.5, 2.5))
    if rng.random() < 0.6:
        clay = Clay((0.4, 0.95), 120.0)
        clay.trunk([(0.01, 0.065), (0.8, 0.06), (0.84, 0.05), (0.86, 0.02)], metal, heat, CAR_STOP)
        clay.trunk([(0.55, 0.064), (0.64, 0.063)], WHITE, heat, CAR_STOP)
        return clay.sprite(0.17)
    clay = Clay((1.1, 0.85), 100.0)
    for start, end in (((-0.4, 0.0), (-0.4, 0.68)), ((-0.4, 0.68), (0.4, 0.68)),
                       ((0.4, 0.68), (0.4, 0.0)), ((-0.4, 0.35), (0.4, 0.35))):
        clay.limb(start, end, (0.038, 0.038), metal, heat, CAR_STOP)
    return clay.sprite(0.5)


@lru_cache(maxsize=1)
def lamp() -> Sprite:
    """Draw a street lamp whose arm reaches to the right."""
    clay = Clay((3.2, 6.6), 50.0)
    grey = (105.0, 108.0, 108.0)
    reach, top = LAMP_HEAD_M
    clay.limb((0, 0), (0, 6.2), (0.085, 0.05), grey, 1.2)
    clay.limb((0, 6.2), (reach - 0.2, top + 0.03), (0.045, 0.04), grey, 1.0)
    clay.limb((reach - 0.3, top + 0.04), (reach + 0.3, top + 0.02), (0.09, 0.08),
              (190, 190, 185), 11.0)
    return clay.sprite()
