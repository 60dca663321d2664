"""Draws the things of a scene over the street, for the RGB and for the thermal camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from vif_perception.sim import bikes, greenery, people, roadside, vehicles
from vif_perception.sim.body import Body
from vif_perception.sim.drawing import draw_body, place_sprite, smear
from vif_perception.sim.glare import add_glare
from vif_perception.sim.light import Light, at_places
from vif_perception.sim.scene import Scene, Thing
from vif_perception.sim.sprite import HEAT_STEP_K, HEAT_ZERO_K, Cells, Sprite, covered, heat_code
from vif_perception.sim.street import HAZE_M, Street, Textures
from vif_perception.sim.view import View

THERMAL_EXPOSURE_S = 0.009
Label = int | np.ndarray
Palette = Callable[[Body, Thing], np.ndarray]


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
        """Return linear light 3xHxW float32 and class ids HxW uint8."""
        width, height = self.view.size
        ego = self.scene.ego_z(time_s)
        things = self.scene.things(time_s)
        levels = self._levels(things, light, ego)
        frame = self.street.rgb(light, ego).reshape(3, height, width)
        mask = self.street.mask(ego)

        def palette(body: Body, thing: Thing) -> np.ndarray:
            lamps = light.night * thing.moving
            color = np.sqrt(body.color ** 2 * levels[id(thing)] + lamps * 1.2 * body.glow ** 2)
            return covered(np.column_stack([np.minimum(color, 255), 255 * body.alpha]))

        exposure_s = 0.004 + 0.022 * light.night
        for thing, cells, tile, label in self._tiles(things, time_s, exposure_s, palette, False):
            level = levels[id(thing)] if not _is_solid(thing) else np.ones(3, np.float32)
            sure = tile[..., 3] > 127
            clear = tile[..., 3].astype(np.float32)
            clear *= np.float32(-1 / 255)
            clear += 1
            for channel in range(3):
                value = tile[..., channel].astype(np.float32)
                value *= value
                value *= level[channel] / np.float32(65025)
                part = frame[channel][cells]
                part *= clear
                part += value
            mask[cells][sure] = label[sure] if isinstance(label, np.ndarray) else label
            if light.night > 0:
                for place, scale, tint, power in self._lights(thing):
                    add_glare(frame, place, scale, tint, power * light.night)
        return frame, mask

    def kelvin(self, time_s: float, light: Light) -> np.ndarray:
        """Return temperatures HxW float32, K."""
        width, height = self.view.size
        frame = self.street.kelvin(light, self.scene.ego_z(time_s)).reshape(height, width)
        things = self.scene.things(time_s)
        step, zero = light.contrast * HEAT_STEP_K, light.air_k - light.contrast * HEAT_ZERO_K
        for _, cells, tile, _ in self._tiles(things, time_s, THERMAL_EXPOSURE_S, _heat_palette,
                                             True):
            cover = tile[..., -1].astype(np.float32) / 255
            part = frame[cells]
            part *= 1 - cover
            part += cover * np.float32(zero) + tile[..., 0] * np.float32(step)
        return frame

    def _levels(self, things: list[Thing], light: Light, ego: float) -> dict[int, np.ndarray]:
        """Return the linear light (3) on each thing, by its id."""
        x, z = (np.array([getattr(thing, axis) for thing in things]) for axis in 'xz')
        levels = at_places(light, self.scene.style, x, z, ego) * np.exp(-z / HAZE_M)[:, None]
        return {id(thing): level.astype(np.float32)
                for thing, level in zip(things, levels, strict=True)}

    def _tiles(self, things: list[Thing], time_s: float, exposure_s: float, palette: Palette,
               heat: bool) -> Iterator[tuple[Thing, Cells, np.ndarray, Label]]:
        """Yield thing, cells, premultiplied pixels and label, farthest first."""
        if not things:
            return
        height = self.scene.style.camera_height_m
        origins = np.array([(thing.x, height, thing.z) for thing in things])
        feet, depths = self.view.project(origins)
        speed = self.scene.ego_speed(time_s)
        for thing, origin, foot, depth in zip(things, origins, feet, depths, strict=True):
            if depth < 0.5:
                continue
            scale = self.view.focal / depth
            if _is_solid(thing):
                body = _body(thing)
                drawn = draw_body(body, thing.yaw, origin, self.view, palette(body, thing))
                label: Label = body.label
            else:
                drawn, label = self._draw_sprite(thing, foot, scale, heat)
            if drawn is None:
                continue
            cells, tile = drawn
            way = scale * abs(thing.x) / depth * abs(speed - thing.speed) * exposure_s
            if way >= 2 and not isinstance(label, np.ndarray):
                cells, tile = smear(cells, tile, int(way), self.view.size[0])
            yield thing, cells, tile, label

    def _draw_sprite(self, thing: Thing, foot: np.ndarray, scale: float, heat: bool
                     ) -> tuple[tuple[Cells, np.ndarray] | None, Label]:
        sprite = _sprite(thing, self.scene)
        place = place_sprite(foot, scale, sprite.size_m, sprite.size, self.view.size)
        if place is None:
            return None, 0
        turn, box = 1, place.box
        if np.sin(thing.yaw) < -0.5:  # sprites look to the right
            turn, box = -1, (sprite.size[0] - box[2], box[1], sprite.size[0] - box[0], box[3])
        if heat:
            return (place.cells, sprite.heat(place.size, box)[:, ::turn]), 0
        label: Label | None = sprite.single_label
        if label is None:
            label = sprite.label(place.size, box)[:, ::turn]
        return (place.cells, sprite.color(place.size, box)[:, ::turn]), label

    def _lights(self, thing: Thing) -> Iterator[tuple[np.ndarray, float, tuple, float]]:
        """Yield place in px, px per metre, colour and power of a thing's light sources."""
        height = self.scene.style.camera_height_m
        if thing.kind == 'lamp':
            reach, up = roadside.LAMP_HEAD_M
            spots = [(thing.x + np.sin(thing.yaw) * reach, height - up, thing.z)]
            color, power = self.scene.style.lamp_color, 0.6 + 0.8 * self.scene.style.lamp_level
        elif thing.kind == 'car' and thing.moving:
            width, _, length = _body(thing).size_m
            spots = [(thing.x + side * width * 0.38, height - 0.72, thing.z - length / 2)
                     for side in (-1, 1)]
            front = abs(thing.yaw) > 1
            color, power = ((1.0, 0.97, 0.88), 1.5) if front else ((1.0, 0.1, 0.06), 0.06)
        else:
            return
        places, depths = self.view.project(np.array(spots))
        for place, depth in zip(places, depths, strict=True):
            if depth > 1:
                yield place, self.view.focal / depth, color, power


def _heat_palette(body: Body, thing: Thing) -> np.ndarray:
    solid = body.alpha > 0.5  # shadows are not cold
    code = heat_code(body.heat if thing.moving else body.rest) * solid
    return np.column_stack([code, code, code, 255 * solid]).astype(np.uint8)


def _is_solid(thing: Thing) -> bool:
    return thing.kind in ('car', 'rail')


def _body(thing: Thing) -> Body:
    if thing.kind == 'car':
        return vehicles.car(thing.variant % vehicles.VARIANTS)
    return vehicles.rail(thing.variant % 4)


def _sprite(thing: Thing, scene: Scene) -> Sprite:
    if thing.kind in ('person', 'rider'):
        side = abs(np.sin(thing.yaw)) > 0.5
        return people.person(thing.variant % people.VARIANTS, thing.phase, bool(side),
                             thing.kind == 'rider')
    if thing.kind == 'bike':
        return bikes.bike(thing.variant % bikes.VARIANTS, int(thing.yaw * bikes.SQUEEZES))
    if thing.kind == 'tree':
        return greenery.tree(thing.variant % greenery.TREES, scene.style.leaf)
    if thing.kind == 'shrub':
        return greenery.shrub(thing.variant % greenery.SHRUBS, scene.style.leaf)
    if thing.kind == 'lamp':
        return roadside.lamp()
    draw = {'cone': roadside.cone, 'stop': roadside.stop}[thing.kind]
    return draw(thing.variant % roadside.VARIANTS)
