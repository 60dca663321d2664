"""The part of a picture that does not move by itself: sky, ground and building fronts.

Every pixel's ray meets one plane at a fixed place ahead of the car; driving only shifts the
texture along the road. So a frame costs one table look-up for each pixel.
"""

from __future__ import annotations

import numpy as np

from vif_perception.sim.light import Light, beam
from vif_perception.sim.style import Style
from vif_perception.sim.texture import (
    GROUND_HALF_M, PERIOD_M, WALL_HEIGHT_M, WALL_PERIOD_M, Surface, backdrop, facade, ground,
)
from vif_perception.sim.view import View

HAZE_M = 260.0
FAR_M = 160.0


class Textures:
    """The surfaces of one street, shared by both cameras."""

    def __init__(self, style: Style, seed: int):
        self.style = style
        self.seed = seed
        self.ground = ground(style, np.random.default_rng((seed, 2)))
        self.walls = tuple(
            facade(style, np.random.default_rng((seed, 3, side))) for side in (0, 1)
        )
        rng = np.random.default_rng((seed, 4))
        self.grain = rng.normal(1.0, 0.05, (512, 512)).astype(np.float32)


class _Patch:
    """Pixels that see one plane at one level of detail."""

    def __init__(self, pixels: np.ndarray, along: np.ndarray, across: np.ndarray, rows: int):
        self.pixels = pixels
        self.along = along
        self.across = across
        self.rows = rows

    def index(self, shift: float, columns: int) -> np.ndarray:
        row = (self.along + np.float32(shift)).astype(np.int32) & (self.rows - 1)
        return row * columns + self.across


class _Plane:
    """All pixels of one view that see one plane, grouped by level of detail."""

    def __init__(self, surface: Surface, period_m: float, pixels: np.ndarray, along_m: np.ndarray,
                 across: np.ndarray, foot: tuple[np.ndarray, np.ndarray]):
        rows, columns = surface.label.shape
        self.texel_m = period_m / rows
        self.label = surface.label.reshape(-1)
        self.pixels = pixels
        levels = [np.clip(np.log2(np.maximum(size, 1e-6) + 0.01).round(), 0, limit).astype(int)
                  for size, limit in zip((foot[0] / self.texel_m, foot[1]), (8, 6))]
        self.groups = []
        for down, right in sorted(set(zip(*levels))):
            here = np.flatnonzero((levels[0] == down) & (levels[1] == right))
            self.groups.append((here, down, right))
        self.order = np.concatenate([g[0] for g in self.groups]) if self.groups else pixels[:0]
        self.pixels = pixels[self.order]
        self.patches = []
        for here, down, right in self.groups:
            patch = _Patch(pixels[here],
                           (along_m[here] / (self.texel_m * 2 ** down)).astype(np.float32),
                           (across[here].astype(np.int32) >> right), rows >> down)
            self.patches.append((patch, down, right, columns >> right))
        self.fine = _Patch(self.pixels, (along_m[self.order] / self.texel_m).astype(np.float32),
                           across[self.order].astype(np.int32), rows)
        self.columns = columns

    def sample(self, surface: Surface, name: str, ego_z: float) -> np.ndarray:
        """Look one map of a surface up for all pixels of the plane, in its pixel order."""
        out = []
        for patch, down, right, columns in self.patches:
            level = surface.level(name, down, right)
            shift = ego_z / (self.texel_m * 2 ** down) % patch.rows
            out.append(level.take(patch.index(shift, columns)))
        return np.concatenate(out) if out else np.zeros(0, np.float32)

    def labels(self, ego_z: float) -> np.ndarray:
        """Look the class ids up, in the plane's pixel order."""
        return self.label.take(self.fine.index(ego_z / self.texel_m % self.fine.rows, self.columns))


class Street:
    """Renders the street's planes for one view."""

    def __init__(self, view: View, textures: Textures):
        style = textures.style
        self.textures = textures
        width, height = view.size
        rays = view.rays().reshape(-1, 3)
        sky = backdrop(rays.reshape(height, width, 3), style,
                       np.random.default_rng((textures.seed, 8)))
        self.sky_color, self.sky_glow = (part.reshape(-1, 3) ** 2 / 65025 for part in sky[:2])
        self.sky_heat = sky[2].reshape(-1)
        best = np.full(len(rays), FAR_M)
        hits = []
        center = view.center
        with np.errstate(divide='ignore', invalid='ignore'):
            ways = [(style.camera_height_m - center[1]) / rays[:, 1]]
            ways += [(sign * wall - center[0]) / rays[:, 0]
                     for sign, wall in zip((-1, 1), style.wall_m)]
        owner = np.full(len(rays), -1)
        for index, way in enumerate(ways):
            up = style.camera_height_m - center[1] - way * rays[:, 1]
            good = np.isfinite(way) & (way > 0) & (way * rays[:, 2] < best)
            if index:
                good &= (up >= 0) & (up < WALL_HEIGHT_M)
            best[good] = (way * rays[:, 2])[good]
            owner[good] = index
        self.depth = best
        for index in range(3):
            pixels = np.flatnonzero(owner == index)
            way = ways[index][pixels]
            point = center + way[:, None] * rays[pixels]
            hits.append(self._plane(index, pixels, point, view))
        self.ground, *self.walls = hits
        spot = self.ground.pixels
        point = center + ways[0][spot][:, None] * rays[spot]
        self.beam = beam(point[:, 0], point[:, 2])[:, None]
        self.grain_at = (point[:, 2] / 0.009).astype(np.float32), (
            (point[:, 0] / 0.009).astype(np.int32) & 511)
        near = np.clip(1.6 - point[:, 2] / 12.0, 0, 1).astype(np.float32)
        self.grain_near = np.flatnonzero(near > 0)
        self.grain_weight = near[self.grain_near]
        self.haze = np.exp(-self.depth / HAZE_M).astype(np.float32)[:, None]

    def _plane(self, index: int, pixels: np.ndarray, point: np.ndarray, view: View) -> _Plane:
        z = point[:, 2]
        height = self.textures.style.camera_height_m
        if index == 0:
            surface, period = self.textures.ground, PERIOD_M
            scale = surface.label.shape[1] / (2 * GROUND_HALF_M)
            across = (point[:, 0] + GROUND_HALF_M) * scale
            foot_along = z * z / (view.focal * height)
        else:
            surface, period = self.textures.walls[index - 1], WALL_PERIOD_M
            scale = surface.label.shape[1] / WALL_HEIGHT_M
            across = (height - point[:, 1]) * scale
            foot_along = z * z / (view.focal * np.abs(point[:, 0]))
        across = np.clip(across, 0, surface.label.shape[1] - 1)
        return _Plane(surface, period, pixels, z, across, (foot_along, z / view.focal * scale))

    def rgb(self, light: Light, ego_z: float) -> np.ndarray:
        """Return (H*W)x3 float32 linear light."""
        frame = self.sky_color * light.ambient + light.night * self.sky_glow
        horizon = light.ambient * np.float32(0.55)
        for name, plane in self._planes():
            surface = self._surface(name)
            color = plane.sample(surface, 'color', ego_z).view(np.uint8).reshape(-1, 4)
            value = color[:, :3].astype(np.float32)
            if name == 'ground':
                value[self.grain_near] *= self._grain(ego_z)
            value *= value
            level = light.ambient
            if name == 'ground' and light.heads > 0:
                level = level + light.heads * self.beam * np.float32((1.0, 0.97, 0.88))
            value *= level / 65025
            if light.night > 0:
                glow = plane.sample(surface, 'glow', ego_z).view(np.uint8).reshape(-1, 4)
                shine = glow[:, :3].astype(np.float32)
                value += shine * shine * np.float32(
                    light.night * (0.30 if name == 'ground' else 0.8) / 65025)
            haze = self.haze[plane.pixels]
            value = value * haze + horizon * (1 - haze)
            if name != 'ground':
                cover = color[:, 3:].astype(np.float32) / 255
                value = cover * value + (1 - cover) * frame[plane.pixels]
            frame[plane.pixels] = value
        return frame

    def kelvin(self, light: Light, ego_z: float) -> np.ndarray:
        """Return H*W float32 K."""
        heat = self.sky_heat.copy()
        for name, plane in self._planes():
            surface = self._surface(name)
            value = plane.sample(surface, 'heat', ego_z)
            if name == 'ground':
                value[self.grain_near] += 4 * (self._grain(ego_z)[:, 0] - 1)
            else:
                color = plane.sample(surface, 'color', ego_z).view(np.uint8).reshape(-1, 4)
                value = np.where(color[:, 3] > 127, value, heat[plane.pixels])
            heat[plane.pixels] = value
        return light.air_k + light.contrast * heat

    def mask(self, ego_z: float, size: tuple[int, int]) -> np.ndarray:
        """Return HxW uint8 class ids of the ground."""
        mask = np.zeros(size[0] * size[1], np.uint8)
        mask[self.ground.pixels] = self.ground.labels(ego_z)
        return mask.reshape(size[1], size[0])

    def _grain(self, ego_z: float) -> np.ndarray:
        along, across = self.grain_at
        row = (along[self.grain_near] + np.float32(ego_z / 0.009 % 512)).astype(np.int32) & 511
        grain = self.textures.grain.take(row * 512 + across[self.grain_near])
        return (1 + (grain - 1) * self.grain_weight)[:, None]

    def _planes(self) -> list[tuple[str, _Plane]]:
        return [('left', self.walls[0]), ('right', self.walls[1]), ('ground', self.ground)]

    def _surface(self, name: str) -> Surface:
        if name == 'ground':
            return self.textures.ground
        return self.textures.walls[0 if name == 'left' else 1]
