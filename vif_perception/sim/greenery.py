"""Sprites of trees and shrubs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from vif_perception.sim.sprite import Clay, Sprite
from vif_perception.sim.texture import noise


@lru_cache(maxsize=48)
def tree(seed: int, leaf: tuple[float, float, float]) -> Sprite:
    """Draw a street tree: trunk, boughs and a crown with holes."""
    rng = np.random.default_rng((seed, 21))
    height = rng.uniform(7.0, 10.0)
    clay = Clay((height * 0.85, height), 36.0)
    trunk = rng.uniform(0.16, 0.3)
    fork = rng.uniform(2.2, 3.2)
    bark = (86.0, 74.0, 62.0)
    clay.limb((0, 0), (rng.uniform(-0.2, 0.2), fork), (trunk, trunk * 0.75), bark, 1.6)
    tips = []
    for _ in range(7):
        tip = (rng.uniform(-0.34, 0.34) * height, rng.uniform(0.5, 0.92) * height)
        tips.append(tip)
        clay.limb((0, fork), tip, (trunk * 0.5, 0.04), bark, 1.4)
    rows, columns = clay.alpha.shape
    rough = noise(rng, (rows, columns), (10, 8), 5, 0.75)
    fine = noise(rng, (rows, columns), (rows // 4, columns // 4), 2)
    crown = np.full((rows, columns), -1.0, np.float32)
    glow = np.zeros((rows, columns), np.float32)
    for x, y in [*tips, (0.0, height * 0.62), (0.0, height * 0.75)]:
        radius = rng.uniform(0.16, 0.24) * height
        inside = 1 - ((clay.x[None] - x) ** 2 + (clay.y[:, None] - y) ** 2) / radius ** 2
        glow = np.where(inside > crown, (clay.y[:, None] - y) / radius, glow)
        crown = np.maximum(crown, inside)
    cover = np.clip((crown + 0.45 * rough + 0.25 * fine - 0.05) * 4, 0, 1) * (crown > -0.6)
    shade = np.clip(0.72 + 0.2 * glow + 0.16 * rough + 0.14 * fine, 0.2, 1.4)
    clay._lay((slice(None), slice(None)), cover, shade[..., None] * np.float32(leaf),
              1.2 + 0.6 * rough + 0.4 * fine, 0)
    return clay.sprite()


@lru_cache(maxsize=32)
def shrub(seed: int, leaf: tuple[float, float, float]) -> Sprite:
    """Draw a clipped shrub or a piece of hedge."""
    rng = np.random.default_rng((seed, 22))
    size = (rng.uniform(1.2, 3.0), rng.uniform(0.7, 1.3))
    clay = Clay(size, 60.0)
    rows, columns = clay.alpha.shape
    rough = noise(rng, (rows, columns), (6, 8), 5, 0.75)
    edge = 1 - (2 * clay.x[None] / size[0]) ** 6 - (clay.y[:, None] / size[1]) ** 5
    cover = np.clip((edge + 0.15 * rough) * 6, 0, 1)
    shade = np.clip(0.55 + 0.4 * clay.y[:, None] / size[1] + 0.2 * rough, 0.2, 1.3)
    clay._lay((slice(None), slice(None)), cover, shade[..., None] * np.float32(leaf),
              0.9 + 0.6 * rough, 0)
    return clay.sprite()
