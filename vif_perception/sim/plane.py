"""Textured planes along the road, and how the pixels of a view look them up."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np

Map = Literal['color', 'glow', 'heat']


@dataclass
class Surface:
    """Texture maps of one plane, first axis along the road, second across or upwards.

    Both sizes are powers of two.

    Attributes:
        color: RxCx4 uint8, square root of linear reflectance, and coverage.
        glow: RxCx4 uint8, square root of light that is there at night; the fourth is unused.
        heat: RxC float32, K above air.
        label: RxC uint8 class ids.
    """

    color: np.ndarray
    glow: np.ndarray
    heat: np.ndarray
    label: np.ndarray
    _levels: dict[tuple[str, int, int], np.ndarray] = field(default_factory=dict)

    def level(self, name: Map, down: int, right: int) -> np.ndarray:
        """Return a map averaged over 2**down rows and 2**right columns, flat.

        Colours come as uint32, four bytes each, so that one look-up fetches a texel.
        """
        level = self._level(name, down, right).reshape(-1)
        return level.view(np.uint32) if level.dtype == np.uint8 else level

    def _level(self, name: Map, down: int, right: int) -> np.ndarray:
        key = name, down, right
        if down == right == 0:
            return getattr(self, name)
        if key not in self._levels:
            if right:
                finer = self._level(name, down, right - 1)
                first, second = finer[:, 0::2], finer[:, 1::2]
            else:
                finer = self._level(name, down - 1, 0)
                first, second = finer[0::2], finer[1::2]
            if finer.dtype == np.uint8:
                mean = (first >> 1) + (second >> 1) + (first & second & 1)
            else:
                mean = (first + second) * np.float32(0.5)
            self._levels[key] = mean
        return self._levels[key]


def packed(color: np.ndarray, cover: np.ndarray | float = 1.0) -> np.ndarray:
    """Return RxCx3 colours 0..255 and coverage 0..1 as the RxCx4 uint8 of a Surface."""
    out = np.empty((*color.shape[:2], 4), np.uint8)
    out[..., :3] = np.clip(color, 0, 255)
    out[..., 3] = 255 * np.asarray(cover)
    return out


class Plane:
    """All pixels of one view that see one surface, grouped by the detail they resolve.

    Args:
        surface: what they see; it repeats along the road.
        extent_m: length and width (or height) of the surface, m.
        pixels: N flat pixel indices.
        where: N positions along the road in m at the start, and across as 0..1.
        foot_m: N sizes of the pixel on the plane, along and across, m.

    Attributes:
        pixels: reordered; all results are in this order.
    """

    def __init__(self, surface: Surface, extent_m: tuple[float, float], pixels: np.ndarray,
                 where: tuple[np.ndarray, np.ndarray], foot_m: tuple[np.ndarray, np.ndarray]):
        rows, columns = surface.label.shape
        self._surface = surface
        self._texel_m = extent_m[0] / rows
        texels = (extent_m[0] / rows, extent_m[1] / columns)
        down, right = (
            np.clip(np.round(np.log2(foot / texel + 1e-6)), 0, limit).astype(int)
            for foot, texel, limit in zip(foot_m, texels, (7, 6), strict=True))
        order = np.lexsort((right, down))
        self.pixels = pixels[order]
        along = (where[0][order] / self._texel_m).astype(np.float32)
        across = np.clip(where[1][order] * columns, 0, columns - 1).astype(np.int32)
        kind = (down * 16 + right)[order]
        edges = [0, *(np.flatnonzero(np.diff(kind)) + 1).tolist(), len(kind)]
        self._groups = []
        for start, stop in pairwise(edges):
            if stop > start:
                d, r = divmod(int(kind[start]), 16)
                self._groups.append((slice(start, stop), d, r, along[start:stop] / 2 ** d,
                                     across[start:stop] >> r))
        self._along, self._across = along, across

    def sample(self, name: Map, ego_z: float) -> np.ndarray:
        """Look a map up for all pixels: N uint32 (four bytes of colour) or N float32."""
        rows, columns = self._surface.label.shape
        out = np.empty(len(self.pixels), np.float32 if name == 'heat' else np.uint32)
        for part, down, right, along, across in self._groups:
            shift = np.float32(ego_z / self._texel_m / 2 ** down % (rows >> down))
            row = (along + shift).astype(np.int32) & ((rows >> down) - 1)
            index = row * (columns >> right) + across
            self._surface.level(name, down, right).take(index, out=out[part], mode='clip')
        return out

    def labels(self, ego_z: float) -> np.ndarray:
        """Look the class ids up: N uint8."""
        rows, columns = self._surface.label.shape
        shift = np.float32(ego_z / self._texel_m % rows)
        row = (self._along + shift).astype(np.int32) & (rows - 1)
        return self._surface.label.reshape(-1).take(row * columns + self._across)
