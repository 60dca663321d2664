"""Sprites of trees and shrubs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from vif_perception.sim.noise import noise
from vif_perception.sim.sprite import Clay, Sprite
from vif_perception.sim.style import LEAVES

TREES, SHRUBS = 8, 6
BARK = (82.0, 74.0, 64.0)


@lru_cache(maxsize=TREES * 3)
def tree(variant: int, leaf: int) -> Sprite:
    """Draw a street tree: trunk, boughs and a crown with holes; leaf is an index of LEAVES."""
    rng = np.random.default_rng((variant, 21))
    height = rng.uniform(7.0, 10.0)
    clay = Clay((height * 0.95, height), 46.0)
    trunk, fork = rng.uniform(0.16, 0.3), rng.uniform(2.2, 3.2)
    clay.limb((0, 0), (rng.uniform(-0.2, 0.2), fork), (trunk, trunk * 0.75), BARK, 2.0)
    lobes = [(0.0, height * 0.55), (0.0, height * 0.68)]
    for _ in range(8):
        tip = (rng.uniform(-0.27, 0.27) * height, rng.uniform(0.45, 0.78) * height)
        lobes.append(tip)
        clay.limb((0, fork), tip, (trunk * 0.5, 0.04), BARK, 1.6)
    rows, columns = clay.alpha.shape
    rough = noise(rng, (rows, columns), (12, 10), 4, 0.8)
    fine = noise(rng, (rows, columns), (rows // 4, columns // 4), 2, 0.8)
    crown = np.full((rows, columns), -1.0, np.float32)
    lit: np.ndarray = np.zeros((rows, columns), np.float32)
    for x, y in lobes:
        radius = rng.uniform(0.13, 0.19) * height
        dx, dy = (clay.x[None] - x) / radius, (clay.y[:, None] - y) / radius
        inside = 1 - dx * dx - dy * dy
        lit = np.where(inside > crown, dy - 0.4 * dx, lit)
        crown = np.maximum(crown, inside)
    border = np.minimum(clay.x.max() - np.abs(clay.x)[None], clay.y.max() - clay.y[:, None])
    cover = np.clip((crown + 0.35 * rough + 0.45 * fine - 0.05) * 3, 0, 1) \
        * np.clip(border / 0.4, 0, 1) * (crown > -0.7)
    shade = np.clip(0.70 + 0.2 * lit + 0.10 * rough + 0.2 * fine, 0.15, 1.5)
    green = shade[..., None] * np.array(LEAVES[leaf], np.float32)
    clay.lay((slice(None), slice(None)), cover, green,
             1.4 + 0.4 * rough + 0.5 * fine + 0.4 * lit, 0)
    return clay.sprite(1.2)


@lru_cache(maxsize=SHRUBS * 3)
def shrub(variant: int, leaf: int) -> Sprite:
    """Draw a shrub or a piece of hedge; leaf is an index of LEAVES."""
    rng = np.random.default_rng((variant, 22))
    size = (rng.uniform(1.2, 3.0), rng.uniform(0.7, 1.3))
    clay = Clay(size, 60.0)
    rows, columns = clay.alpha.shape
    rough = noise(rng, (rows, columns), (10, 16), 4, 0.9)
    edge = 1 - np.abs(2 * clay.x[None] / size[0]) ** 4 - (clay.y[:, None] / size[1]) ** 4
    cover = np.clip((edge + 0.15 * rough - 0.1) * 4, 0, 1)
    shade = np.clip(0.5 + 0.45 * clay.y[:, None] / size[1] + 0.22 * rough, 0.15, 1.4)
    green = shade[..., None] * np.array(LEAVES[leaf], np.float32)
    clay.lay((slice(None), slice(None)), cover, green,
             0.9 + 0.7 * rough, 0)
    return clay.sprite(size[0] / 2)
