"""Flat pictures of round things: a small modelling canvas and the sprite it yields."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from PIL import Image

HEAT_STEP_K = 0.2
HEAT_ZERO_K = 10.0  # heat byte v means (v * HEAT_STEP_K - HEAT_ZERO_K) K above air

Point = tuple[float, float]
Color = Sequence[float] | np.ndarray
Cells = tuple[slice, slice]
Box = tuple[float, float, float, float]


def heat_code(heat: np.ndarray | float) -> np.ndarray:
    """Return K above air as the byte that pictures of things carry."""
    return np.clip((np.asarray(heat) + HEAT_ZERO_K) / HEAT_STEP_K, 0, 255).astype(np.uint8)


def covered(color: np.ndarray) -> np.ndarray:
    """Multiply ...x4 square-root colours by the square root of their coverage, uint8.

    So that the square of a colour is the linear light it adds, however little is covered.
    """
    out = np.ascontiguousarray(color, np.float32)
    out = out * np.sqrt(out[..., 3:] / 255) + np.float32(0.5)
    out[..., 3] = color[..., 3]
    return out.astype(np.uint8)


class Sprite:
    """A picture that stands upright on the ground and faces the camera.

    Args:
        color: HxWx4 uint8, square root of linear reflectance and coverage.
        heat: HxWx2 uint8, heat code and coverage.
        label: HxW uint8 class ids; they hold where something covers more than half.
        size_m: (width, height); the picture's bottom edge is on the ground.
    """

    def __init__(self, color: np.ndarray, heat: np.ndarray, label: np.ndarray,
                 size_m: tuple[float, float]):
        self.size_m = size_m
        # Pillow resizes premultiplied pictures without converting them back and forth.
        self._color = [Image.frombuffer('RGBX', (color.shape[1], color.shape[0]),
                                        covered(color), 'raw', 'RGBX', 0, 1)]
        self._heat = [Image.fromarray(heat).convert('La')]
        self._label = [Image.fromarray(label)]
        solid = color[..., 3] > 127
        top = int(label.max())
        # None: the shape of the labelled part is not simply what the picture covers.
        self.single_label = top if (label[solid] == top).all() and (
            top == 0 or solid[label > 0].all()) else None

    @cached_property
    def size(self) -> tuple[int, int]:
        """(width, height) of the finest picture, px."""
        return self._color[0].size

    def color(self, size: tuple[int, int], box: Box) -> np.ndarray:
        """Return the part ``box`` of the picture at ``size``: HxWx4 uint8, see covered()."""
        return self._resized(self._color, size, box)

    def heat(self, size: tuple[int, int], box: Box) -> np.ndarray:
        """Return heat code and coverage, HxWx2 uint8, premultiplied."""
        return self._resized(self._heat, size, box)

    def label(self, size: tuple[int, int], box: Box) -> np.ndarray:
        """Return class ids HxW uint8."""
        return np.asarray(self._label[0].resize(size, Image.Resampling.NEAREST, box))

    def _resized(self, levels: list[Image.Image], size: tuple[int, int], box: Box
                 ) -> np.ndarray:
        coarse = (box[3] - box[1]) / size[1]
        level = 0
        while coarse > 2.5 and min(levels[level].size) > 4:
            level += 1
            coarse /= 2
            if level == len(levels):
                levels.append(levels[-1].reduce(2))
        image = levels[level]
        sx, sy = image.width / levels[0].width, image.height / levels[0].height
        part = (box[0] * sx, box[1] * sy, min(box[2] * sx, image.width),
                min(box[3] * sy, image.height))
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR, part))


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

    def limb(self, start: Sequence[float] | np.ndarray, end: Sequence[float] | np.ndarray,
             radii: Point, color: Color, heat: float,
             label: int = 0) -> None:
        """Add a rounded cone from start to end."""
        reach = max(radii) + 2 / self.scale
        cells = self._window(
            min(start[0], end[0]) - reach, max(start[0], end[0]) + reach,
            min(start[1], end[1]) - reach, max(start[1], end[1]) + reach,
        )
        x, y = self.x[None, cells[1]], self.y[cells[0], None]
        dx, dy = end[0] - start[0], end[1] - start[1]
        along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy)
                        / max(dx * dx + dy * dy, 1e-6), 0, 1)
        radius = radii[0] + (radii[1] - radii[0]) * along
        ox, oy = x - start[0] - along * dx, y - start[1] - along * dy
        distance = np.sqrt(ox * ox + oy * oy)
        bulge = np.sqrt(np.clip(1 - (distance / radius) ** 2, 0, 1))
        light = (ox * -0.3 + oy * 0.45) / radius + 0.8 * bulge
        cover = np.clip((radius - distance) * self.scale + 0.5, 0, 1)
        shade = 0.52 + 0.48 * np.clip(light, 0, 1.1)
        self.lay(cells, cover, shade[..., None] * np.array(color, np.float32),
                 heat * (0.75 + 0.25 * bulge), label)

    def trunk(self, outline: Sequence[Point], color: Color, heat: float, label: int = 0,
              middle: Point = (0.0, 0.0)) -> None:
        """Add an upright round body.

        Args:
            outline: (height, half width), lowest first.
            color, heat, label: of the body.
            middle: x of its axis at the lowest and at the highest point.
        """
        heights, halves = np.array(outline).T
        most = float(np.abs(middle).max() + halves.max())
        cells = self._window(-most, most, heights[0], heights[-1])
        x, y = self.x[None, cells[1]], self.y[cells[0], None]
        half = np.interp(y, heights, halves)
        axis = np.interp(y, heights[[0, -1]], middle)
        side = np.clip((x - axis) / np.maximum(half, 1e-3), -1, 1)
        cover = np.clip((half - np.abs(x - axis)) * self.scale + 0.5, 0, 1)
        bulge = np.sqrt(1 - side * side)
        shade = 0.52 + 0.46 * bulge - 0.14 * side
        self.lay(cells, cover, shade[..., None] * np.array(color, np.float32),
                 heat * (0.8 + 0.2 * bulge), label)

    def lay(self, cells: Cells, cover: np.ndarray, color: np.ndarray, heat: np.ndarray,
            label: int) -> None:
        """Blend colour and heat over the cells; the label holds where cover exceeds a half."""
        mix = cover[..., None]
        self.color[cells] += mix * (color - self.color[cells])
        self.heat[cells] += cover * (heat - self.heat[cells])
        self.alpha[cells] += cover * (1 - self.alpha[cells])
        self.label[cells][cover > 0.5] = label

    def sprite(self, shadow_m: float = 0.0, texture: np.ndarray | None = None) -> Sprite:
        """Freeze the canvas.

        Args:
            shadow_m: half width of the shadow where it stands.
            texture: HxW, deviation about 0 that modulates colour and heat.
        """
        if texture is not None:
            self.color *= 1 + 0.045 * texture[..., None]
            self.heat += 0.7 * texture
        alpha: np.ndarray = self.alpha
        if shadow_m:
            reach = (self.x[None] / shadow_m) ** 2 + ((self.y[:, None] - 0.04) / 0.07) ** 2
            alpha = np.maximum(alpha, 0.42 * np.clip(1.3 - reach, 0, 1))
        color = np.dstack([np.clip(self.color, 0, 255), 255 * alpha]).astype(np.uint8)
        heat = np.dstack([heat_code(self.heat), (255 * self.alpha).astype(np.uint8)])
        return Sprite(color, heat, self.label, self.size_m)

    def _window(self, left: float, right: float, bottom: float, top: float) -> Cells:
        columns = np.flatnonzero((self.x >= left) & (self.x <= right))
        rows = np.flatnonzero((self.y >= bottom) & (self.y <= top))
        if not len(columns) or not len(rows):
            return slice(0, 0), slice(0, 0)
        return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
