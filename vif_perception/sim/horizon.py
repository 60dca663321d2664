"""What is too far away to move: sky, clouds, a skyline of houses and woods."""

from __future__ import annotations

import numpy as np

from vif_perception.sim.noise import noise
from vif_perception.sim.style import Style

BLOCKS = 103


def backdrop(rays: np.ndarray, style: Style, seed: int
             ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return colour and glow HxWx3 (square roots, 0..255) and heat HxW (K above air).

    Everything is drawn over the direction of the rays, so that both cameras see the same.

    Args:
        rays: HxWx3 directions in the rig frame.
        style: decides weather and woods.
        seed: of shapes.
    """
    rng = np.random.default_rng((seed, 8))
    up = -(rays[..., 1] / rays[..., 2]).astype(np.float32)
    azimuth = (rays[..., 0] / rays[..., 2]).astype(np.float32)
    color, glow, heat = _sky(up, azimuth, style, rng)
    _houses(color, glow, heat, up, azimuth, style, rng)
    _woods(color, glow, heat, up, azimuth, style, rng)
    return np.clip(color, 0, 255), glow, heat


def _pixels(up: np.ndarray, azimuth: np.ndarray, scale: tuple[float, float]
            ) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the directions in a 512x1024 panorama."""
    return (np.clip(up * scale[0] + 20, 0, 511).astype(int),
            np.clip(azimuth * scale[1] + 512, 0, 1023).astype(int))


def _sky(up: np.ndarray, azimuth: np.ndarray, style: Style, rng: np.random.Generator
         ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    low, top, white = (np.array(c, np.float32)
                       for c in (style.sky_low, style.sky_top, style.cloud))
    above = np.clip(up, 0, None)[..., None]
    shapes = noise(rng, (512, 1024), (6, 6), 6)[_pixels(up, azimuth, (300, 400))]
    cloud = np.clip(0.5 + 0.4 * shapes + style.clouds, 0, 1)[..., None]
    blue = top + (low - top) * np.exp(-above * 6)
    color = blue * (1 - cloud) + white * (0.92 + 0.06 * shapes[..., None]) * cloud
    glow = np.array(style.city_glow, np.float32) * np.exp(-above * 5)
    heat = np.float32(style.sky_heat) - 12 * np.clip(up, 0, 1) + 9 * cloud[..., 0]
    return color, glow, heat


def _houses(color: np.ndarray, glow: np.ndarray, heat: np.ndarray, up: np.ndarray,
            azimuth: np.ndarray, style: Style, rng: np.random.Generator) -> None:
    block = np.clip((azimuth * 40 + BLOCKS / 2).astype(int), 0, BLOCKS - 1)
    roof = rng.uniform(0, 0.11 * style.far_buildings, BLOCKS).astype(np.float32)
    tint = rng.uniform(0.6, 1.0, BLOCKS).astype(np.float32)
    house = up < roof[block]
    window = house & (up * 160 % 1 > 0.4) & (azimuth * 110 % 1 > 0.35)
    lamps = rng.random((256, 256)) < style.lit_windows
    lit = window & lamps[(up * 160).astype(int) & 255, np.floor(azimuth * 110).astype(int) & 255]
    wall = np.array((172, 172, 178), np.float32) * tint[block[house]][:, None]
    color[house] = wall
    color[window] *= 0.8
    heat[house] = 0.6 + 0.8 * (tint[block[house]] - 0.8)
    glow[house] = 4
    glow[lit] = (190, 180, 140)


def _woods(color: np.ndarray, glow: np.ndarray, heat: np.ndarray, up: np.ndarray,
           azimuth: np.ndarray, style: Style, rng: np.random.Generator) -> None:
    line = noise(rng, (1024, 4), (48, 1), 4, 0.6)[:, 0]
    tops = 0.045 * style.far_trees * (1.3 + 0.35 * line)
    place = _pixels(up, azimuth, (700, 500))
    clumps = noise(rng, (512, 1024), (48, 96), 4, 0.8)[place]
    wood = up < tops[place[1]] + 0.006 * clumps
    height = np.clip(up[wood] / np.maximum(tops[place[1][wood]], 1e-3), 0, 1)
    shade = 0.5 + 0.3 * height + 0.17 * clumps[wood]
    far = 0.25
    haze = np.array(style.sky_low, np.float32) * far
    color[wood] = np.array(style.leaf_color, np.float32) * (1 - far) * shade[:, None] + haze * 0.5
    heat[wood] = 1.0 + 0.6 * clumps[wood]
    glow[wood] = 3
