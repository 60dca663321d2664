"""Draws the things of a scene over the street, for the RGB and for the thermal camera."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from vif_perception.sim import figures, greenery, vehicles
from vif_perception.sim.light import Light, at_place
from vif_perception.sim.lamps import flare, lamp
from vif_perception.sim.scene import Scene, Thing
from vif_perception.sim.sprite import HEAT_STEP_K, HEAT_ZERO_K, Sprite
from vif_perception.sim.street import HAZE_M, Street, Textures
from vif_perception.sim.view import View


class Renderer:
    """Renders one camera's view of a scene.

    Args:
        view: the camera.
        scene: what is to be seen.
        textures: the street's surfaces, shared between cameras.
    """

    def __init__(self, view: View, scene: Scene, textures: Textures):
        self.view = view
        self.scene = scene
        self.street = Street(view, textures)

    def rgb(self, time_s: float, light: Light) -> tuple[np.ndarray, np.ndarray]:
        """Return linear light HxWx3 float32 and class ids HxW uint8."""
        width, height = self.view.size
        ego = self.scene.ego_z(time_s)
        frame = self.street.rgb(light, ego).reshape(height, width, 3)
        mask = self.street.mask(ego, self.view.size)
        flares = []
        for thing in self.scene.things(time_s):
            level = at_place(light, self.scene.style, thing.x, thing.z, ego)
            level = level * np.exp(-thing.z / HAZE_M)
            tile = self._tile(thing, light, level)
            if tile is not None:
                cells, color, alpha, label = tile
                frame[cells] *= 1 - alpha
                frame[cells] += color
                sure = alpha[..., 0] > 0.5
                mask[cells][sure] = label[sure] if isinstance(label, np.ndarray) else label
            if light.night > 0:
                flares += self._lights(thing)
        for place, depth, color, power in flares:
            flare(frame, place, self.view.focal / depth, color, power * light.night)
        return frame, mask

    def kelvin(self, time_s: float, light: Light) -> np.ndarray:
        """Return temperatures HxW float32, K."""
        width, height = self.view.size
        ego = self.scene.ego_z(time_s)
        frame = self.street.kelvin(light, ego).reshape(height, width)
        for thing in self.scene.things(time_s):
            tile = self._heat_tile(thing, light)
            if tile is not None:
                cells, kelvin, alpha = tile
                frame[cells] += alpha * (kelvin - frame[cells])
        return frame

    def _tile(self, thing: Thing, light: Light, level: np.ndarray):
        if thing.kind in ('car', 'rail'):
            body = _body(thing)
            self_light = light.night * thing.moving
            drawn = self._polygons(thing, body)
            if drawn is None:
                return None
            cells, index, shade = drawn
            lut = np.zeros((len(body.color) + 1, 4), np.float32)
            lut[1:, :3] = (body.color * shade[:, None]) ** 2 / 65025 * level
            lut[1:, :3] += self_light * body.glow ** 2 / 65025 * 1.2
            lut[1:, 3] = 1
            tile = _shrink(lut[index])
            return cells, tile[..., :3], tile[..., 3:], body.label
        sprite = _sprite(thing, self.scene)
        placed = self._place(thing, sprite)
        if placed is None:
            return None
        cells, size, box = placed
        color = np.asarray(sprite.color.resize(size, Image.Resampling.BILINEAR, box, 2.0))
        alpha = color[..., 3:].astype(np.float32) / 255
        value = color[..., :3].astype(np.float32)
        value *= value
        value *= alpha * (level / 65025).astype(np.float32)
        label = np.asarray(sprite.label.resize(size, Image.Resampling.NEAREST, box))
        return cells, value, alpha, label

    def _heat_tile(self, thing: Thing, light: Light):
        if thing.kind in ('car', 'rail'):
            body = _body(thing)
            drawn = self._polygons(thing, body)
            if drawn is None:
                return None
            cells, index, _ = drawn
            lut = np.zeros((len(body.color) + 1, 2), np.float32)
            heat = body.heat if thing.moving else body.rest
            lut[1:, 0] = light.air_k + light.contrast * heat
            lut[1:, 1] = 1
            tile = _shrink(lut[index])
            alpha = tile[..., 1]
            return cells, tile[..., 0] / np.maximum(alpha, 1e-3), alpha
        sprite = _sprite(thing, self.scene)
        placed = self._place(thing, sprite)
        if placed is None:
            return None
        cells, size, box = placed
        pair = np.asarray(sprite.heat.resize(size, Image.Resampling.BILINEAR, box, 2.0))
        heat = pair[..., 0] * np.float32(HEAT_STEP_K) - np.float32(HEAT_ZERO_K)
        return cells, light.air_k + light.contrast * heat, pair[..., 1].astype(np.float32) / 255

    def _place(self, thing: Thing, sprite: Sprite):
        """Return image cells, size in px and the sprite's box that fills them."""
        base = np.array([[thing.x, self.scene.style.camera_height_m, thing.z]])
        (foot,), (depth,) = self.view.project(base)
        if depth < 0.5:
            return None
        scale = self.view.focal / depth
        width, height = sprite.size_m[0] * scale, sprite.size_m[1] * scale
        left, top = foot[0] - width / 2, foot[1] - height
        x0, x1 = max(0, round(left)), min(self.view.size[0], round(left + width))
        y0, y1 = max(0, round(top)), min(self.view.size[1], round(top + height))
        if x1 <= x0 or y1 <= y0:
            return None
        sx, sy = sprite.color.width / width, sprite.color.height / height
        box = (max(0.0, (x0 - left) * sx), max(0.0, (y0 - top) * sy),
               min(sprite.color.width, (x1 - left) * sx), min(sprite.color.height, (y1 - top) * sy))
        return (slice(y0, y1), slice(x0, x1)), (x1 - x0, y1 - y0), box

    def _polygons(self, thing: Thing, body: vehicles.Body):
        """Return image cells, face indices at twice the resolution (0: none) and face shades."""
        c, s = np.cos(thing.yaw), np.sin(thing.yaw)
        turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        origin = np.array([thing.x, self.scene.style.camera_height_m, thing.z])
        corners = body.corners @ turn.T + origin
        normals = body.normals @ turn.T
        middle = corners.mean(axis=1)
        toward = ((self.view.center - middle) * normals).sum(axis=1)
        points, depth = self.view.project(corners.reshape(-1, 3))
        points = points.reshape(corners.shape[0], -1, 2)
        depth = depth.reshape(corners.shape[0], -1)
        plain = ~normals.any(axis=1)
        shown = ((toward > 0) | plain) & (depth.min(axis=1) > 0.4)
        if not shown.any():
            return None
        seen = points[shown].reshape(-1, 2)
        low = np.maximum(np.floor(seen.min(axis=0)).astype(int), 0)
        high = np.minimum(np.ceil(seen.max(axis=0)).astype(int) + 1, self.view.size)
        if (high <= low).any():
            return None
        width, height = (high - low).tolist()
        image = Image.new('L', (2 * width, 2 * height))
        draw = ImageDraw.Draw(image)
        local = (points - low) * 2
        reach = np.linalg.norm(middle - self.view.center, axis=1)
        # Parts laid on a panel come later in the list and must stay above it.
        for face in sorted(np.flatnonzero(shown), key=lambda f: (-round(reach[f] / 1.5), f)):
            draw.polygon(list(map(tuple, local[face].tolist())), fill=int(face) + 1)
        sun = np.array([-0.35, -0.85, -0.4])
        shade = np.where(plain, 1.0, 0.62 + 0.40 * np.clip(normals @ sun, -0.4, 1))
        cells = slice(low[1], high[1]), slice(low[0], high[0])
        return cells, np.asarray(image), shade.astype(np.float32)

    def _lights(self, thing: Thing) -> list[tuple]:
        height = self.scene.style.camera_height_m
        if thing.kind == 'lamp':
            spots = [((thing.x + thing.yaw * 1.2, height - 6.3, thing.z), 1.0)]
            color = self.scene.style.lamp_color
        elif thing.kind == 'car' and thing.moving:
            width, _, length = _body(thing).size_m
            front = abs(thing.yaw) > 1
            z = thing.z - length / 2
            spots = [((thing.x + side * width * 0.4, height - 0.7, z), 0.8 if front else 0.08)
                     for side in (-1, 1)]
            color = (1.0, 0.97, 0.88) if front else (1.0, 0.1, 0.06)
        else:
            return []
        found = []
        for place, power in spots:
            (px,), (depth,) = self.view.project(np.array([place]))
            if depth > 1:
                found.append((px, depth, color, power))
        return found


def _shrink(tile: np.ndarray) -> np.ndarray:
    return (tile[::2, ::2] + tile[1::2, ::2] + tile[::2, 1::2] + tile[1::2, 1::2]) * np.float32(.25)


def _body(thing: Thing) -> vehicles.Body:
    return vehicles.car(thing.variant) if thing.kind == 'car' else vehicles.rail(thing.variant)


def _sprite(thing: Thing, scene: Scene) -> Sprite:
    side = abs(np.sin(thing.yaw)) > 0.5
    if thing.kind in ('person', 'rider'):
        return figures.person(thing.variant % 64, thing.phase, bool(side), thing.kind == 'rider')
    if thing.kind == 'bike':
        return figures.bike(thing.variant % 32, 1 + int(thing.yaw * 3))
    if thing.kind == 'tree':
        return greenery.tree(thing.variant, scene.style.leaf)
    if thing.kind == 'shrub':
        return greenery.shrub(thing.variant, scene.style.leaf)
    if thing.kind == 'lamp':
        return lamp(int(thing.yaw))
    return {'cone': figures.cone, 'stop': figures.stop}[thing.kind](thing.variant)
