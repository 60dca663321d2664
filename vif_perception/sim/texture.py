"""Procedural surfaces: noise, the ground with its markings, building fronts, sky and skyline."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from vif_perception.sim.style import Style

PERIOD_M = 64.0          # the ground repeats after this way, and so do the street lamps
GROUND_HALF_M = 10.24    # half width of the textured strip
WALL_PERIOD_M = 128.0
WALL_HEIGHT_M = 20.0
LAMPS = ((-1, 8.0), (1, 24.0), (-1, 40.0), (1, 56.0))  # side and place within the period

CURVE, BUMP = 4, 8


@dataclass
class Surface:
    """Texture maps of one plane, first axis along the road, second across or upwards.

    Attributes:
        color: RxCx4 uint8, square root of linear reflectance, and coverage.
        glow: RxCx4 uint8, square root of light that is there at night, and unused.
        heat: RxC float32 K above air.
        label: RxC uint8 class ids.
    """

    color: np.ndarray
    glow: np.ndarray
    heat: np.ndarray
    label: np.ndarray
    _levels: dict[tuple[str, int, int], np.ndarray] = field(default_factory=dict)

    def level(self, name: str, down: int, right: int) -> np.ndarray:
        """Return a map averaged over 2**down rows and 2**right columns, flat.

        Colours come as uint32, four bytes each, so that one look-up fetches a texel.
        """
        level = self._level(name, down, right).reshape(-1)
        return level.view(np.uint32) if level.dtype == np.uint8 else level

    def _level(self, name: str, down: int, right: int) -> np.ndarray:
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


def noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int],
          octaves: int = 4, fade: float = 0.55) -> np.ndarray:
    """Return fractal value noise, float32, mean about 0, standard deviation about 1.

    Periodic along the first axis, so that the road has no seam.
    """
    total = np.zeros(shape, np.float32)
    weight, square = 1.0, 0.0
    rows, columns = cells
    for _ in range(octaves):
        grid = rng.standard_normal((rows, columns), dtype=np.float32)
        grid = np.concatenate([grid[-2:], grid, grid[:2]])
        step = shape[0] / rows
        image = Image.fromarray(grid).resize(
            (shape[1], round(shape[0] + 4 * step)), Image.Resampling.BICUBIC
        )
        start = round(2 * step)
        total += weight * np.asarray(image)[start:start + shape[0]]
        square += weight * weight
        weight *= fade
        rows, columns = min(rows * 2, shape[0]), min(columns * 2, shape[1])
    return total / np.float32(np.sqrt(square) * 0.7)


def ground(style: Style, rng: np.random.Generator) -> Surface:
    """Draw road, markings, kerbs, sidewalks, grass, bumps and the lamps' pools of light."""
    rows, columns = 1024, 512
    x = (np.arange(columns) + 0.5) / columns * 2 * GROUND_HALF_M - GROUND_HALF_M
    z = (np.arange(rows) + 0.5) / rows * PERIOD_M
    half = style.road_half_m
    blotch = noise(rng, (rows, columns), (16, 6), 4)
    grain = noise(rng, (rows, columns), (512, 256), 1)
    road = np.float32(style.asphalt) * (1 + 0.05 * blotch + 0.04 * grain)
    color = np.repeat(road[..., None], 3, axis=2) * np.float32(style.asphalt_tint)
    heat = style.road_heat + 0.35 * blotch + 0.15 * grain
    label = np.zeros((rows, columns), np.uint8)

    _markings(color, heat, x, z, style, rng, 1 + 0.12 * grain)
    side = np.abs(x) > half
    paving = np.float32(style.paving) * (1 + 0.05 * blotch + 0.06 * grain)
    joints = ((z % 0.6 < 0.03)[:, None] | (np.abs(x) % 0.6 < 0.025)[None, :])
    paving *= 1 - 0.18 * joints
    color[:, side] = (paving[..., None] * np.float32((1.0, 0.97, 0.92)))[:, side]
    heat[:, side] = (style.road_heat - 0.4 + 0.3 * blotch)[:, side]
    grass = np.abs(x) > half + style.sidewalk_m
    leaf = 1 + 0.16 * grain + 0.12 * blotch
    color[:, grass] = (leaf[..., None] * np.float32(style.grass))[:, grass]
    heat[:, grass] = (0.3 + 0.5 * grain - 0.3 * blotch)[:, grass]
    _kerbs(color, heat, label, x, style, 1 + 0.08 * grain)
    _bumps(color, heat, label, x, z, style, rng, 1 + 0.1 * grain)
    _leaves(color, style, rng)
    if style.sun > 0.3:
        dapple = np.clip(noise(rng, (rows, columns), (20, 8), 3) - style.shade, 0, 1)
        color *= 1 - 0.3 * style.sun * dapple[..., None]
        heat -= 0.5 * dapple
    color = np.clip(color, 0, 255)
    pool = np.zeros((rows, columns), np.float32)
    for sign, place in LAMPS:
        dz = (z - place + PERIOD_M / 2) % PERIOD_M - PERIOD_M / 2
        squared = dz[:, None] ** 2 + (x[None, :] - sign * (half + 0.6)) ** 2
        pool += 1 / (1 + squared / 14.0) ** 1.5
    glow = color * np.sqrt(pool)[..., None] * np.float32(np.sqrt(style.lamp_color))
    return Surface(_rgba(color, np.ones((rows, columns))), _rgba(glow, pool * 0), heat, label)


def _markings(color: np.ndarray, heat: np.ndarray, x: np.ndarray, z: np.ndarray, style: Style,
              rng: np.random.Generator, wear: np.ndarray) -> None:
    worn = np.clip(noise(rng, wear.shape, (256, 64), 3) * 0.35 + style.paint, 0, 1)
    lines = np.zeros(wear.shape, bool)
    edge = np.abs(np.abs(x) - (style.road_half_m - 0.45)) < 0.07
    if style.edge_lines:
        lines |= edge[None, :]
    if style.centre_line:
        dash = (z % 8.0 < 4.5) if style.centre_line == 1 else np.ones(len(z), bool)
        lines |= dash[:, None] & (np.abs(x - style.centre_m) < 0.07)[None, :]
    inside = np.abs(x) < style.road_half_m - 0.5
    if style.zebra:
        lines |= ((z > 44) & (z < 47.5))[:, None] & ((x % 0.9 < 0.45) & inside)[None, :]
    paint = np.float32(style.paint_color) * wear[..., None]
    blend = (lines * worn)[..., None]
    color += blend * (paint - color)
    heat -= 0.5 * blend[..., 0]


def _kerbs(color: np.ndarray, heat: np.ndarray, label: np.ndarray, x: np.ndarray, style: Style,
           wear: np.ndarray) -> None:
    for sign in style.kerbs:
        out = sign * x - style.road_half_m  # metres outwards from the kerb's face
        top = (out > -0.02) & (out < 0.2)
        face = (out > -0.16) & (out <= -0.02)
        color[:, top] = (wear[..., None] * np.float32(style.kerb))[:, top]
        color[:, face] = (wear[..., None] * np.float32(style.kerb) * 0.62)[:, face]
        heat[:, top] = style.road_heat + 1.2
        heat[:, face] = style.road_heat + 0.4
        label[:, top | face] = CURVE


def _bumps(color: np.ndarray, heat: np.ndarray, label: np.ndarray, x: np.ndarray, z: np.ndarray,
           style: Style, rng: np.random.Generator, wear: np.ndarray) -> None:
    inside = np.abs(x) < style.road_half_m - 0.2
    for place in style.bumps:
        along = (z > place) & (z < place + 0.55)
        cell = np.ix_(along, inside)
        shape = np.cos((z[along] - place) / 0.55 * np.pi)[:, None]
        stripes = (x[inside] % 1.0 < 0.5)[None, :, None]
        body = np.where(stripes, np.float32(style.bump_colors[0]), np.float32(style.bump_colors[1]))
        color[cell] = body * wear[cell][..., None] * (0.9 + 0.22 * shape[..., None])
        heat[cell] = style.road_heat + 0.9 + 0.4 * shape
        label[cell] = BUMP


def _leaves(color: np.ndarray, style: Style, rng: np.random.Generator) -> None:
    count = int(style.leaves)
    rows = rng.integers(0, color.shape[0] - 2, count)
    columns = rng.integers(0, color.shape[1] - 3, count)
    tints = np.float32(((150, 110, 50), (170, 140, 70), (120, 80, 45)))[rng.integers(0, 3, count)]
    for dr, dc in ((0, 0), (1, 0), (0, 1), (1, 2)):
        color[rows + dr, columns + dc] = tints


def facade(style: Style, rng: np.random.Generator) -> Surface:
    """Draw the building fronts of one side of the street, with gaps, windows and lit rooms."""
    rows, columns = 2048, 256
    z = (np.arange(rows) + 0.5) / rows * WALL_PERIOD_M
    y = (np.arange(columns) + 0.5) / columns * WALL_HEIGHT_M
    color = np.zeros((rows, columns, 3), np.float32)
    glow = np.zeros_like(color)
    heat = np.zeros((rows, columns), np.float32)
    cover = np.zeros((rows, columns), np.float32)
    dirt = 1 + 0.06 * noise(rng, (rows, columns), (64, 8), 4)
    start = rng.uniform(0, 6)
    while start < WALL_PERIOD_M - 8:
        end = min(start + rng.uniform(12, 34), WALL_PERIOD_M)
        height = rng.uniform(5, WALL_HEIGHT_M)
        if rng.random() < style.built:
            where = np.ix_((z > start) & (z < end), y < height)
            part = paint_facade(z[(z > start) & (z < end)] - start, y[y < height], style, rng)
            color[where], glow[where], heat[where] = part
            cover[where] = 1
        start = end + rng.choice([0.0, rng.uniform(3, 14)])
    color *= dirt[..., None]
    return Surface(_rgba(color, cover), _rgba(glow, cover), heat,
                   np.zeros((rows, columns), np.uint8))


def paint_facade(z: np.ndarray, y: np.ndarray, style: Style, rng: np.random.Generator
                 ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return color, glow (len(z) x len(y) x 3) and heat of one building front."""
    wall = np.float32(WALLS[rng.integers(len(WALLS))]) * rng.uniform(0.75, 1.1)
    storey, bay = rng.uniform(2.9, 3.6), rng.uniform(1.8, 3.6)
    wide, high = rng.uniform(0.45, 0.85), rng.uniform(0.35, 0.62)
    fz, fy = z / bay % 1, (y - 0.3) / storey % 1
    window = ((np.abs(fz - 0.5) < wide / 2)[:, None]
              & ((fy > 0.3) & (fy < 0.3 + high))[None, :] & (y > 0.6)[None, :])
    frame = window & ~((np.abs(fz - 0.5) < wide / 2 - 0.03)[:, None]
                       & ((fy > 0.33) & (fy < 0.27 + high))[None, :]
                       & (np.abs(fz - 0.5) > 0.015)[:, None])
    cell = (z / bay).astype(int)[:, None] * 31 + ((y - 0.3) / storey).astype(int)[None, :]
    draw = rng.random(cell.max() + 2).astype(np.float32)[cell]
    color = np.broadcast_to(wall, (len(z), len(y), 3)).copy()
    if rng.random() < 0.4:  # bricks or tiles
        courses = ((y % 0.25 < 0.06)[None, :] | (z % 0.5 < 0.06)[:, None])
        color *= 1 - 0.12 * courses[..., None]
    color *= (0.86 + 0.14 * np.clip(y / 3, 0, 1))[None, :, None]  # grime near the ground
    ledge = (fy < 0.07)[None, :, None]
    color *= 1 - 0.22 * ledge
    sky = np.float32((105, 125, 145)) * (0.35 + 0.75 * draw[..., None])
    color = np.where(window[..., None], sky, color)
    color = np.where(frame[..., None], wall * 0.55, color)
    lit = window & (draw > 1 - style.lit_windows)
    warm = np.where((draw * 997 % 1 < 0.5)[..., None],
                    np.float32((255, 226, 170)), np.float32((225, 255, 225)))
    glow = np.where((lit & ~frame)[..., None], warm * (0.5 + 0.5 * (draw[..., None] * 89 % 1)), 0)
    heat = np.where(window, -0.8 + 3.0 * (draw - 0.4), rng.uniform(0.2, 2.2))
    heat = heat + 0.9 * np.broadcast_to(ledge[..., 0], heat.shape) + 0.8 * frame
    return color, glow, heat.astype(np.float32)


WALLS = ((188, 182, 170), (150, 120, 100), (205, 200, 190), (130, 125, 120), (165, 150, 128),
         (120, 92, 78), (176, 178, 180), (210, 205, 185))


def backdrop(rays: np.ndarray, style: Style, rng: np.random.Generator
             ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return color HxWx3, glow HxWx3 (sqrt encoded, float32) and heat HxW of what is far away."""
    height, width = rays.shape[:2]
    up = -(rays[..., 1] / rays[..., 2]).astype(np.float32)
    azimuth = (rays[..., 0] / rays[..., 2]).astype(np.float32)
    # Clouds and skyline live on a fixed angular panorama, so that both cameras see the same.
    pano = noise(rng, (512, 1024), (6, 6), 6)
    lookup = np.clip((up * 300).astype(int) + 20, 0, 511), np.clip(
        (azimuth * 400).astype(int) + 512, 0, 1023)
    cloud = np.clip(0.5 + 0.4 * pano[lookup] + style.clouds, 0, 1)[..., None]
    blue = np.float32(style.sky_top) + (np.float32(style.sky_low) - np.float32(style.sky_top)) \
        * np.exp(-np.clip(up, 0, None) * 6)[..., None]
    color = blue * (1 - cloud) + np.float32(style.cloud) * cloud
    heat = -18 - 12 * np.clip(up, 0, 1) + 9 * cloud[..., 0]
    glow = np.float32(style.city_glow) * np.exp(-np.clip(up, 0, None) * 5)[..., None]
    glow = np.broadcast_to(glow, color.shape).copy()

    line = noise(rng, (1024, 1), (40, 1), 5)[:, 0]
    trees = 0.045 * style.far_trees * (1.4 + 0.5 * line)
    blocks = np.repeat(rng.uniform(0, 0.11 * style.far_buildings, 103), 10)[:1024]
    column = lookup[1]
    texture = noise(rng, (512, 1024), (96, 192), 3)[lookup]
    house = up < blocks[column]
    tint = np.repeat(rng.uniform(0.55, 1.0, 103), 10)[:1024][column][..., None]
    color = np.where(house[..., None], np.float32((150, 148, 150)) * tint, color)
    heat = np.where(house, 0.6 + 0.4 * texture, heat)
    grid = ((up * 160 % 1 > 0.4) & (azimuth * 110 % 1 > 0.35) & house)
    color = np.where(grid[..., None], color * 0.75, color)
    lit = grid & (rng.random((200, 400))[(np.clip(up, 0, 1) * 160).astype(int) % 200,
                                         (azimuth * 110).astype(int) % 400] < style.lit_windows)
    glow = np.where(house[..., None], 4.0, glow)
    glow = np.where(lit[..., None], np.float32((190, 180, 140)), glow)
    wood = up < trees[column]
    green = np.float32(style.leaf) * (0.75 + 0.22 * texture[..., None])
    color = np.where(wood[..., None], green, color)
    heat = np.where(wood, 0.8 + 0.6 * texture, heat)
    glow = np.where(wood[..., None], 3.0, glow)
    return np.clip(color, 0, 255).astype(np.float32), glow.astype(np.float32), \
        heat.astype(np.float32)


def _rgba(color: np.ndarray, cover: np.ndarray) -> np.ndarray:
    packed = np.concatenate([np.clip(color, 0, 255), 255 * cover[..., None]], axis=2)
    return np.ascontiguousarray(packed.astype(np.uint8))
