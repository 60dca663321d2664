"""The ground of a street: asphalt and its markings, kerbs, sidewalks, grass, pools of light."""

from __future__ import annotations

import numpy as np

from vif_perception.sim.noise import noise
from vif_perception.sim.plane import Surface, packed
from vif_perception.sim.style import LAMPS, PERIOD_M, Style

GROUND_HALF_M = 10.24
ROWS, COLUMNS = 1024, 512
CURVE, BUMP = 4, 8
BUMP_M = 1.1
LEAF_TINTS = ((150, 110, 50), (170, 140, 70), (120, 80, 45))


def ground(style: Style, rng: np.random.Generator) -> Surface:
    """Draw the ground, PERIOD_M long and twice GROUND_HALF_M wide."""
    canvas = _Canvas(style, rng)
    canvas.markings()
    canvas.sides()
    canvas.kerbs()
    canvas.bumps()
    canvas.covers_and_leaves()
    canvas.shade()
    return canvas.surface()


class _Canvas:
    def __init__(self, style: Style, rng: np.random.Generator):
        self.style = style
        self.rng = rng
        self.x = (np.arange(COLUMNS) + 0.5) / COLUMNS * 2 * GROUND_HALF_M - GROUND_HALF_M
        self.z = (np.arange(ROWS) + 0.5) / ROWS * PERIOD_M
        self.blotch = noise(rng, (ROWS, COLUMNS), (16, 6), 5)
        self.rough = noise(rng, (ROWS, COLUMNS), (512, 256), 1)
        streaks = noise(rng, (ROWS, COLUMNS), (4, 24), 3)  # tyres darken the lanes
        road = style.asphalt * (1 + 0.045 * self.blotch + 0.03 * self.rough + 0.03 * streaks)
        self.color = road[..., None] * np.array(style.asphalt_tint, np.float32)
        self.heat = np.float32(style.road_heat) + 0.35 * self.blotch + 0.12 * self.rough
        self.heat += 0.2 * streaks
        self.label = np.zeros((ROWS, COLUMNS), np.uint8)

    def markings(self) -> None:
        """Paint lines and a crossing, worn off in places."""
        style, x, z = self.style, self.x, self.z
        lines = np.zeros((ROWS, COLUMNS), bool)
        if style.edge_lines:
            lines |= (np.abs(np.abs(x) - (style.road_half_m - 0.45)) < 0.07)[None, :]
        if style.centre_line:
            dash = (z % 8.0 < 4.5) if style.centre_line == 1 else np.ones(ROWS, bool)
            lines |= dash[:, None] & (np.abs(x - style.centre_m) < 0.07)[None, :]
        if style.zebra:
            inside = np.abs(x) < style.road_half_m - 0.5
            lines |= ((z > 44) & (z < 47.5))[:, None] & ((x % 0.9 < 0.45) & inside)[None, :]
            lines |= ((z > 42) & (z < 42.4))[:, None] & (inside & (x > style.centre_m))[None, :]
        rows, columns = np.nonzero(lines)
        wear = noise(self.rng, (ROWS, COLUMNS), (256, 64), 3)[rows, columns]
        worn = np.clip(wear * 0.3 + style.paint, 0, 1)[:, None]
        paint = np.array(style.paint_color, np.float32) * (
            1 + 0.05 * self.rough[rows, columns, None])
        self.color[rows, columns] += worn * (paint - self.color[rows, columns])
        self.heat[rows, columns] -= 0.5 * worn[:, 0]

    def sides(self) -> None:
        """Lay sidewalks, and grass or gravel beyond them."""
        style, z = self.style, self.z
        for part in self._strips(style.road_half_m, GROUND_HALF_M):
            shape = self.color[:, part].shape[:2]
            paving = style.paving * (1 + 0.05 * self.blotch[:, part] + 0.03 * self.rough[:, part])
            joints = (z % 0.6 < 0.07)[:, None] | (np.abs(self.x[part]) % 0.6 < 0.045)[None, :]
            paving = paving * (1 - 0.16 * joints)
            self.color[:, part] = paving[..., None] * np.array((1.0, 0.97, 0.92), np.float32)
            self.heat[:, part] = style.road_heat - 0.4 + 0.3 * self.blotch[:, part] \
                + 0.1 * self.rng.standard_normal(shape, np.float32)
        for part in self._strips(style.road_half_m + style.sidewalk_m, GROUND_HALF_M):
            leaf = 1 + 0.14 * self.rough[:, part] + 0.14 * self.blotch[:, part]
            self.color[:, part] = leaf[..., None] * np.array(style.grass, np.float32)
            self.heat[:, part] = 0.3 + 0.4 * self.rough[:, part] - 0.4 * self.blotch[:, part]

    def kerbs(self) -> None:
        """Set kerb stones: a lit top and a face in shade, both labelled."""
        style = self.style
        stone = np.array(style.kerb, np.float32)
        joints = 1 - 0.15 * (self.z % 1.0 < 0.07)[:, None, None]
        for side in style.kerbs:
            face = slice(*self._columns(side, -0.2, 0.0))
            top = slice(*self._columns(side, 0.0, 0.28))
            wear = 1 + 0.05 * self.blotch[:, top, None]
            self.color[:, top] = wear * stone * joints
            self.color[:, face] = (1 + 0.05 * self.blotch[:, face, None]) * stone * 0.66 * joints
            self.heat[:, top] = style.road_heat + 1.1 + 0.2 * self.blotch[:, top]
            self.heat[:, face] = style.road_heat + 0.4
            self.label[:, top] = self.label[:, face] = CURVE

    def bumps(self) -> None:
        """Build speed bumps across the road."""
        style, x, z = self.style, self.x, self.z
        inside = np.abs(x) < style.road_half_m - 0.2
        for place in style.bumps:
            along = (z > place) & (z < place + BUMP_M)
            cell = np.ix_(along, inside)
            rise = np.cos((z[along] - place) / BUMP_M * 2 * np.pi)[:, None]
            stripes = (x[inside] % 1.0 < 0.5)[None, :, None]
            light, dark = (np.array(color, np.float32) for color in style.bump_colors)
            wear = 1 + 0.06 * self.blotch[cell]
            body = np.where(stripes, light, dark) * wear[..., None]
            self.color[cell] = body * (0.9 + 0.22 * rise[..., None])
            self.heat[cell] = style.road_heat + 0.9 + 0.4 * rise
            self.label[cell] = BUMP

    def covers_and_leaves(self) -> None:
        """Put a manhole cover, patches of newer asphalt and fallen leaves on the ground."""
        rng, half = self.rng, self.style.road_half_m
        for _ in range(int(rng.integers(0, 4))):
            z0, x0 = rng.uniform(0, PERIOD_M - 8), rng.uniform(-half, half - 1)
            cell = np.ix_((self.z > z0) & (self.z < z0 + rng.uniform(1, 8)),
                          (self.x > x0) & (self.x < x0 + 0.8))
            self.color[cell] *= 0.85
        z0, x0 = rng.uniform(2, PERIOD_M - 2), rng.uniform(-half * 0.6, half * 0.6)
        disc = (self.z[:, None] - z0) ** 2 + (self.x[None, :] - x0) ** 2 < 0.14
        self.color[disc] *= 0.7
        self.heat[disc] += 1.5
        count = self.style.leaves
        rows, columns = rng.integers(0, ROWS, count), rng.integers(0, COLUMNS, count)
        self.color[rows, columns] = np.array(LEAF_TINTS, np.float32)[rng.integers(0, 3, count)]

    def shade(self) -> None:
        """Let trees throw dappled shadows on a sunny street."""
        style = self.style
        if style.sun > 0.3:
            dapple = noise(self.rng, (ROWS, COLUMNS), (28, 10), 4, 0.75) - np.float32(style.shade)
            dapple = np.clip(1.5 * dapple, 0, 1)
            self.color *= 1 - np.float32(0.32 * style.sun) * dapple[..., None]
            self.heat -= 0.7 * dapple

    def surface(self) -> Surface:
        """Return the finished maps, with the pools of light under the lamps."""
        pool = np.zeros((ROWS, COLUMNS), np.float32)
        for side, place in LAMPS:
            dz = (self.z - place + PERIOD_M / 2) % PERIOD_M - PERIOD_M / 2
            dx = self.x - side * (self.style.road_half_m + 0.6)
            pool += (1 + (dz[:, None] ** 2 + dx[None, :] ** 2) / 14.0) ** -1.5
        lamp = np.sqrt(np.array(self.style.lamp_color, np.float32))
        glow = self.color * (np.sqrt(pool)[..., None] * lamp)
        return Surface(packed(self.color), packed(glow), self.heat.astype(np.float32), self.label)

    def _strips(self, inner_m: float, outer_m: float) -> list[slice]:
        return [slice(*self._columns(side, inner_m - self.style.road_half_m,
                                     outer_m - self.style.road_half_m)) for side in (-1, 1)]

    def _columns(self, side: int, inner_m: float, outer_m: float) -> list[int]:
        """Return the column range between two distances outwards from the road's edge."""
        ends = [side * (self.style.road_half_m + d) for d in (inner_m, outer_m)]
        scale = COLUMNS / (2 * GROUND_HALF_M)
        return sorted(int(np.clip(round((end + GROUND_HALF_M) * scale), 0, COLUMNS))
                      for end in ends)
