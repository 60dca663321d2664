"""Flat pictures of round things: a small modelling canvas and the sprite it yields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

HEAT_STEP_K = 0.2
HEAT_ZERO_K = 10.0  # sprite heat byte v means (v * HEAT_STEP_K - HEAT_ZERO_K) K above air


@dataclass(frozen=True)
class Sprite:
    """A picture that stands upright on the ground and faces the camera.

    Attributes:
        color: RGBA, square root of linear reflectance.
        heat: LA, K above air in steps of HEAT_STEP_K from -HEAT_ZERO_K.
        label: L, class ids, 0 where nothing is to be labelled.
        size_m: (width, height); the picture's bottom edge is on the ground.
    """

    color: Image.Image
    heat: Image.Image
    label: Image.Image
    size_m: tuple[float, float]


class Clay:
    """Puts shaded limbs and patches on a canvas; x to the right from the middle, y up, metres."""

    def __init__(self, size_m: tuple[float, float], px_per_m: float):
        self.size_m = size_m
        self.scale = px_per_m
        width, height = (max(2, round(side * px_per_m)) for side in size_m)
        self.color = np.zeros((height, width, 3), np.float32)
        self.heat = np.zeros((height, width), np.float32)
        self.alpha = np.zeros((height, width), np.float32)
        self.label = np.zeros((height, width), np.uint8)
        self.x = (np.arange(width, dtype=np.float32) + 0.5) / px_per_m - size_m[0] / 2
        self.y = size_m[1] - (np.arange(height, dtype=np.float32) + 0.5) / px_per_m

    def limb(self, start: tuple[float, float], end: tuple[float, float], radii: tuple[float, float],
             color: tuple[float, float, float], heat: float, label: int = 0,
             flat: float = 0.0) -> None:
        """Add a rounded cone from start to end; flat 0..1 takes its shading away."""
        reach = max(radii) + 2 / self.scale
        cells = self._window(
            min(start[0], end[0]) - reach, max(start[0], end[0]) + reach,
            min(start[1], end[1]) - reach, max(start[1], end[1]) + reach,
        )
        if cells is None:
            return
        x, y = self.x[None, cells[1]], self.y[cells[0], None]
        dx, dy = end[0] - start[0], end[1] - start[1]
        along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy)
                        / max(dx * dx + dy * dy, 1e-6), 0, 1)
        radius = radii[0] + (radii[1] - radii[0]) * along
        ox, oy = x - start[0] - along * dx, y - start[1] - along * dy
        distance = np.sqrt(ox * ox + oy * oy)
        bulge = np.sqrt(np.clip(1 - (distance / radius) ** 2, 0, 1))
        light = (ox * -0.25 + oy * 0.55) / radius + 0.8 * bulge
        shade = flat + (1 - flat) * (0.5 + 0.5 * np.clip(light, 0, 1.1))
        cover = np.clip((radius - distance) * self.scale + 0.5, 0, 1)
        rim = heat * (0.75 + 0.25 * bulge)
        self._lay(cells, cover, shade[..., None] * np.float32(color), rim, label)

    def patch(self, box: tuple[float, float, float, float], color: tuple[float, float, float],
              heat: float, label: int = 0, slant: float = 0.0) -> None:
        """Add a box (left, right, bottom, top); slant narrows it towards the top, 0..1."""
        left, right, bottom, top = box
        cells = self._window(left, right, bottom, top)
        if cells is None:
            return
        x, y = self.x[None, cells[1]], self.y[cells[0], None]
        middle, half = (left + right) / 2, (right - left) / 2
        half = half * (1 - slant * (y - bottom) / max(top - bottom, 1e-6))
        cover = np.clip((half - np.abs(x - middle)) * self.scale + 0.5, 0, 1)
        shade = 0.82 + 0.18 * np.clip((middle - x) / np.maximum(half, 1e-3), -1, 1)
        self._lay(cells, cover, shade[..., None] * np.float32(color),
                  np.broadcast_to(np.float32(heat), cover.shape), label)

    def sprite(self) -> Sprite:
        """Freeze the canvas."""
        alpha = (self.alpha * 255).astype(np.uint8)
        color = np.dstack([np.clip(self.color, 0, 255).astype(np.uint8), alpha])
        heat = np.clip((self.heat + HEAT_ZERO_K) / HEAT_STEP_K, 0, 255).astype(np.uint8)
        return Sprite(Image.fromarray(color), Image.fromarray(np.dstack([heat, alpha])),
                      Image.fromarray(self.label), self.size_m)

    def _window(self, left: float, right: float, bottom: float, top: float
                ) -> tuple[slice, slice] | None:
        columns = np.flatnonzero((self.x >= left) & (self.x <= right))
        rows = np.flatnonzero((self.y >= bottom) & (self.y <= top))
        if not len(columns) or not len(rows):
            return None
        return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)

    def _lay(self, cells: tuple[slice, slice], cover: np.ndarray, color: np.ndarray,
             heat: np.ndarray, label: int) -> None:
        mix = cover[..., None]
        self.color[cells] += mix * (color - self.color[cells])
        self.heat[cells] += cover * (heat - self.heat[cells])
        self.alpha[cells] += cover * (1 - self.alpha[cells])
        self.label[cells][cover > 0.5] = label
