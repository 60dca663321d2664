"""The part of a picture that does not move by itself: sky, ground and building fronts.

Every pixel's ray meets one plane at a fixed place ahead of the car; driving only shifts the
texture along the road. So a frame costs one table look-up for each pixel.
"""

from __future__ import annotations

import numpy as np

from vif_perception.sim.drawing import place_sprite
from vif_perception.sim.facade import WALL_HEIGHT_M, WALL_PERIOD_M, facade
from vif_perception.sim.ground import GROUND_HALF_M, ground
from vif_perception.sim.horizon import backdrop
from vif_perception.sim.light import HEADLIGHT, Light, beam
from vif_perception.sim.plane import Plane
from vif_perception.sim.sprite import HEAT_STEP_K, HEAT_ZERO_K
from vif_perception.sim.style import PERIOD_M, Style
from vif_perception.sim.view import View

HAZE_M = 260.0
FAR_M = 160.0
GRAIN_M, GRAIN_SIZE = 0.009, 512
WINDOW_LEVEL = 1.4


class Textures:
    """The surfaces of one street, shared by both cameras."""

    def __init__(self, style: Style, seed: int):
        self.style = style
        self.seed = seed
        self.ground = ground(style, np.random.default_rng((seed, 2)))
        self.fronts = tuple(
            facade(style, np.random.default_rng((seed, 3, side))) for side in (0, 1)
        )
        rng = np.random.default_rng((seed, 4))
        self.grain = rng.standard_normal((GRAIN_SIZE, GRAIN_SIZE), np.float32) * np.float32(0.05)
        self.grain += 1


class Street:
    """Renders the street's planes for one view."""

    def __init__(self, view: View, textures: Textures):
        self.view = view
        self.textures = textures
        rays = view.rays()
        sky = backdrop(rays, textures.style, textures.seed)
        self._sky_color, self._sky_glow = (
            np.ascontiguousarray(part.reshape(-1, 3).T) ** 2 / np.float32(65025)
            for part in sky[:2])
        self._sky_heat = sky[2].reshape(-1)
        self._build_planes(rays.reshape(-1, 3))
        self._lit: tuple[tuple, np.ndarray, list] | None = None

    def _build_planes(self, rays: np.ndarray) -> None:
        style, view = self.textures.style, self.view
        drop = style.camera_height_m - view.center[1]
        with np.errstate(divide='ignore', invalid='ignore'):
            ways = [drop / rays[:, 1]] + [
                (side * wall - view.center[0]) / rays[:, 0]
                for side, wall in zip((-1, 1), style.wall_m, strict=True)]
        nearest = np.full(len(rays), FAR_M)
        owner = np.full(len(rays), -1)
        for index, way in enumerate(ways):
            depth = way * rays[:, 2]
            good = np.isfinite(way) & (way > 0) & (depth < nearest)
            if index:
                up = drop - way * rays[:, 1]
                good &= (up >= 0) & (up < WALL_HEIGHT_M)
            nearest[good] = depth[good]
            owner[good] = index
        planes = []
        for index, way in enumerate(ways):
            pixels = np.flatnonzero(owner == index)
            point = view.center + way[pixels, None] * rays[pixels]
            planes.append(self._plane(index, pixels, point))
        self._ground, *self._fronts = planes
        point = view.center + ways[0][self._ground.pixels, None] * rays[self._ground.pixels]
        self._beam = beam(point[:, 0], point[:, 2])
        close = np.clip(1.6 - point[:, 2] / 12.0, 0, 1).astype(np.float32)
        self._grainy = np.flatnonzero(close > 0)
        self._grain_weight = close[self._grainy]
        self._grain_row = (point[self._grainy, 2] / GRAIN_M).astype(np.float32)
        self._grain_column = (point[self._grainy, 0] / GRAIN_M).astype(np.int32) % GRAIN_SIZE
        self._clear = [np.exp(-nearest[plane.pixels] / HAZE_M).astype(np.float32)
                       for plane in planes]

    def _plane(self, index: int, pixels: np.ndarray, point: np.ndarray) -> Plane:
        """Build the look-up of the ground (0), the left (1) or the right (2) fronts."""
        z = point[:, 2]
        height = self.textures.style.camera_height_m
        if index == 0:
            surface, period = self.textures.ground, PERIOD_M
            across = (point[:, 0] + GROUND_HALF_M) / (2 * GROUND_HALF_M)
            across_m, slant = 2 * GROUND_HALF_M, height
        else:
            surface, period = self.textures.fronts[index - 1].surface, WALL_PERIOD_M
            across = (height - point[:, 1]) / WALL_HEIGHT_M
            across_m, slant = WALL_HEIGHT_M, np.abs(point[:, 0])
        foot = z * z / (self.view.focal * slant), z / self.view.focal
        return Plane(surface, (period, across_m), pixels, (z, across), foot)

    def rgb(self, light: Light, ego_z: float) -> np.ndarray:
        """Return 3x(H*W) float32 linear light."""
        sky, levels = self._levels(light)
        frame = sky.copy()
        self._gables(frame.reshape(3, self.view.size[1], self.view.size[0]), light, ego_z)
        for index in (1, 2, 0):
            plane = (self._ground, *self._fronts)[index]
            level, haze = levels[index]
            color = plane.sample('color', ego_z).view(np.uint8).reshape(-1, 4)
            value = color[:, :3].T.astype(np.float32, order='C')
            if index == 0:
                value[:, self._grainy] *= self._grain(ego_z)
            value *= value
            value *= level
            value += haze
            if light.night > 0:
                glow = plane.sample('glow', ego_z).view(np.uint8).reshape(-1, 4)
                shine = glow[:, :3].T.astype(np.float32, order='C')
                shine *= shine
                strength = WINDOW_LEVEL if index else self.textures.style.lamp_level
                shine *= np.float32(light.night * strength / 65025)
                value += shine
            if index:
                gap = color[:, 3] < 128
                value[:, gap] = frame[:, plane.pixels[gap]]
            frame[:, plane.pixels] = value
        return frame

    def kelvin(self, light: Light, ego_z: float) -> np.ndarray:
        """Return H*W float32 K."""
        heat = self._sky_heat.copy()
        self._gables(heat.reshape(self.view.size[1], self.view.size[0]), None, ego_z)
        for plane in self._fronts:
            value = plane.sample('heat', ego_z)
            color = plane.sample('color', ego_z).view(np.uint8).reshape(-1, 4)
            wall = color[:, 3] > 127
            heat[plane.pixels[wall]] = value[wall]
        value = self._ground.sample('heat', ego_z)
        value[self._grainy] += 4 * (self._grain(ego_z) - 1)
        heat[self._ground.pixels] = value
        heat *= np.float32(light.contrast)
        heat += np.float32(light.air_k)
        return heat

    def mask(self, ego_z: float) -> np.ndarray:
        """Return HxW uint8 class ids of the ground."""
        width, height = self.view.size
        mask = np.zeros(width * height, np.uint8)
        mask[self._ground.pixels] = self._ground.labels(ego_z)
        return mask.reshape(height, width)

    def _levels(self, light: Light) -> tuple[np.ndarray, list]:
        """Return the lit sky and, per plane, factor and offset; kept while the light stays."""
        key = (*light.ambient.tolist(), light.night, light.heads)
        if self._lit is None or self._lit[0] != key:
            ambient = light.ambient[:, None]
            sky = self._sky_color * ambient + np.float32(light.night) * self._sky_glow
            horizon = ambient * np.float32(0.55)
            levels = []
            for index, clear in enumerate(self._clear):
                level = ambient
                if index == 0 and light.heads > 0:
                    level = level + np.float32(light.heads) * self._beam * HEADLIGHT[:, None]
                levels.append((level * clear / np.float32(65025), horizon * (1 - clear)))
            self._lit = key, sky, levels
        return self._lit[1], self._lit[2]

    def _gables(self, frame: np.ndarray, light: Light | None, ego_z: float) -> None:
        """Draw the end walls of buildings, farthest first: light, or heat without a light."""
        height = self.textures.style.camera_height_m
        found = []
        for side, wall, front in zip((-1, 1), self.textures.style.wall_m, self.textures.fronts,
                                     strict=True):
            for start, sprite in front.gables:
                z = (start - ego_z) % WALL_PERIOD_M
                if 4.0 < z < 0.7 * FAR_M:
                    found.append((z, side * (wall + sprite.size_m[0] / 2), sprite))
        for z, x, sprite in sorted(found, key=lambda item: -item[0]):
            (foot,), (depth,) = self.view.project(np.array([[x, height, z]]))
            place = place_sprite(foot, self.view.focal / depth, sprite.size_m, sprite.size,
                                 self.view.size)
            if place is None:
                continue
            if light is None:
                code = sprite.heat(place.size, place.box)[..., 0]
                frame[place.cells] = code * np.float32(HEAT_STEP_K) - np.float32(HEAT_ZERO_K)
            else:
                clear = np.float32(np.exp(-z / HAZE_M))
                color = sprite.color(place.size, place.box)
                for channel, ambient in enumerate(light.ambient):
                    value = color[..., channel].astype(np.float32)
                    frame[channel][place.cells] = value * value * (ambient * clear / 65025) \
                        + ambient * np.float32(0.55) * (1 - clear)

    def _grain(self, ego_z: float) -> np.ndarray:
        """Return the factor of the finest structure for the nearest ground pixels."""
        row = (self._grain_row + np.float32(ego_z / GRAIN_M % GRAIN_SIZE)).astype(np.int32)
        index = (row & (GRAIN_SIZE - 1)) * GRAIN_SIZE + self._grain_column
        return 1 + (self.textures.grain.take(index) - 1) * self._grain_weight
