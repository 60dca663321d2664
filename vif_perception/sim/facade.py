"""Building fronts along a street, and the gables that look down it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vif_perception.sim.noise import noise
from vif_perception.sim.plane import Surface, packed
from vif_perception.sim.sprite import Sprite, heat_code
from vif_perception.sim.style import Style

WALL_PERIOD_M = 128.0
WALL_HEIGHT_M = 20.0
ROWS, COLUMNS = 2048, 256
GABLE_M = 11.0
WALLS = ((188, 182, 170), (150, 120, 100), (205, 200, 190), (130, 125, 120), (165, 150, 128),
         (120, 92, 78), (176, 178, 180), (210, 205, 185))


@dataclass(frozen=True)
class Fronts:
    """One side of the street: its surface, and each building's start in m and end wall."""

    surface: Surface
    gables: tuple[tuple[float, Sprite], ...]


def facade(style: Style, rng: np.random.Generator) -> Fronts:
    """Draw the buildings of one side, WALL_PERIOD_M long, with gaps between some of them."""
    z = (np.arange(ROWS) + 0.5) / ROWS * WALL_PERIOD_M
    y = (np.arange(COLUMNS) + 0.5) / COLUMNS * WALL_HEIGHT_M
    color = np.zeros((ROWS, COLUMNS, 3), np.float32)
    glow = np.zeros_like(color)
    heat = np.zeros((ROWS, COLUMNS), np.float32)
    cover = np.zeros((ROWS, COLUMNS), np.float32)
    gables = []
    start = rng.uniform(0, 6)
    while start < WALL_PERIOD_M - 8:
        end = min(start + rng.uniform(12, 34), WALL_PERIOD_M)
        height = rng.uniform(5, WALL_HEIGHT_M)
        if rng.random() < style.built:
            wall = np.array(WALLS[rng.integers(len(WALLS))], np.float32) \
                * np.float32(rng.uniform(0.75, 1.1))
            rows = slice(*np.searchsorted(z, (start, end)))
            columns = slice(0, int(np.searchsorted(y, height)))
            part = _front(z[rows] - start, y[columns], wall, style.lit_windows, rng)
            color[rows, columns], glow[rows, columns], heat[rows, columns] = part
            cover[rows, columns] = 1
            gables.append((float(start), _gable(height, wall, rng)))
        start = end + rng.choice([0.0, rng.uniform(3, 14)])
    color *= 1 + 0.05 * noise(rng, (ROWS, COLUMNS), (64, 8), 4)[..., None]
    label = np.zeros((ROWS, COLUMNS), np.uint8)
    return Fronts(Surface(packed(color, cover), packed(glow), heat, label), tuple(gables))


def _gable(height: float, wall: np.ndarray, rng: np.random.Generator) -> Sprite:
    columns, rows = int(GABLE_M * 10), int(height * 10)
    x, y = np.arange(columns) / 10, (rows - np.arange(rows)) / 10
    color, _, heat = _front(x, y, wall * np.float32(0.8), 0.0, rng)
    color = color.transpose(1, 0, 2)
    color *= 1 + 0.05 * noise(rng, (rows, columns), (6, 6), 3)[..., None]
    heat = heat.T - 0.3
    solid = np.full(heat.shape, 255, np.uint8)
    return Sprite(packed(color), np.dstack([heat_code(heat), solid]),
                  np.zeros(heat.shape, np.uint8), (GABLE_M, height))


def _front(z: np.ndarray, y: np.ndarray, wall: np.ndarray, lit_share: float,
           rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return colour and glow (len(z) x len(y) x 3) and heat of one building's front."""
    storey, bay = rng.uniform(2.9, 3.6), rng.uniform(1.8, 3.6)
    wide, high = rng.uniform(0.45, 0.85), rng.uniform(0.35, 0.62)
    along, up = z / bay % 1, (y - 0.3) / storey % 1
    aside = np.abs(along - 0.5)[:, None]
    window = (aside < wide / 2) & ((up > 0.3) & (up < 0.3 + high) & (y > 0.6))[None, :]
    pane = window & (aside < wide / 2 - 0.03) & (aside > 0.02) \
        & ((up > 0.33) & (up < 0.27 + high))[None, :]
    room = (z / bay).astype(int)[:, None] * 31 + ((y - 0.3) / storey).astype(int)[None, :]
    draw = rng.random(room.max() + 32).astype(np.float32)[room]
    ledge = (up < 0.07)[None, :]

    base: np.ndarray = np.ones((len(z), len(y)), np.float32)
    if rng.random() < 0.4:  # bricks or tiles
        base -= 0.1 * ((y % 0.25 < 0.08)[None, :] | (z % 0.5 < 0.07)[:, None])
    base *= (0.86 + 0.14 * np.clip(y / 3, 0, 1))[None, :]  # grime near the ground
    base *= 1 - 0.22 * ledge
    base = np.where(window & ~pane, 0.55, base)
    color = base[..., None] * wall
    mirrored = np.array((105, 125, 145), np.float32)
    color[pane] = mirrored * (0.35 + 0.75 * draw[pane])[:, None]

    glow = np.zeros_like(color)
    lit = pane & (draw > 1 - lit_share)
    tint = np.where((draw[lit] * 997 % 1 < 0.5)[:, None], (255, 226, 170), (225, 255, 225))
    glow[lit] = tint * (0.5 + 0.5 * (draw[lit] * 89 % 1))[:, None]
    heat = np.where(pane, -0.8 + 3.0 * (draw - 0.4), rng.uniform(0.2, 2.2))
    heat += 0.9 * ledge + 0.8 * (window & ~pane)
    return color, glow, heat.astype(np.float32)
