"""Cars and guard rails as small polygon bodies, lit by their faces' normals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

CAR, GUARDRAIL = 1, 6
PAINTS = ((215, 216, 218), (235, 235, 235), (60, 62, 68), (32, 33, 36), (140, 30, 32),
          (44, 66, 120), (150, 152, 155), (110, 105, 95), (90, 120, 150))
GLASS, TYRE, BLACK = (38, 46, 54), (26, 26, 27), (30, 30, 32)

# station: place along the body 0..1 from the rear, roof height, belt height, share of width
SHAPES = {
    'sedan': (4.5, 1.75, ((0, .80, .80, .86), (.04, .98, .90, .96), (.17, 1.02, .92, 1), (.32, 1.42, .93, 1),
                          (.58, 1.45, .93, 1), (.74, .98, .92, 1), (.95, .80, .78, .95), (1, .66, .66, .85))),
    'hatch': (3.9, 1.68, ((0, .90, .88, .9), (.03, 1.05, .92, .97), (.14, 1.48, .94, 1), (.62, 1.52, .94, 1),
                          (.79, 1.02, .94, 1), (.96, .82, .80, .95), (1, .68, .68, .86))),
    'van': (4.7, 1.85, ((0, 1.0, .98, .95), (.02, 1.15, 1.0, .99), (.06, 1.90, 1.02, 1), (.70, 1.94, 1.02, 1),
                        (.86, 1.12, 1.05, 1), (.97, .95, .93, .96), (1, .75, .75, .9))),
    'suv': (4.5, 1.85, ((0, .95, .95, .92), (.03, 1.12, 1.02, .98), (.10, 1.66, 1.04, 1), (.60, 1.72, 1.04, 1),
                        (.74, 1.12, 1.04, 1), (.96, .95, .94, .95), (1, .75, .75, .88))),
}


@dataclass(frozen=True)
class Body:
    """Polygons of one vehicle, metres, origin on the ground in its middle.

    X right, Y down, Z forward (the driving direction).

    Attributes:
        corners: FxKx3, K corners per face (short faces repeat their last corner).
        normals: Fx3, pointing outwards; zero for faces that are always drawn.
        color: Fx3, sqrt reflectance 0..255; heat: F, K above air when driving.
        rest: F, K above air when parked; glow: Fx3, sqrt light of its lamps when lit.
        label: class id.
    """

    corners: np.ndarray
    normals: np.ndarray
    color: np.ndarray
    heat: np.ndarray
    rest: np.ndarray
    glow: np.ndarray
    label: int
    size_m: tuple[float, float, float]


class _Builder:
    def __init__(self) -> None:
        self.rows: list[tuple] = []

    def face(self, corners: list, color: tuple, heat: float, rest: float = 1.0,
             glow: tuple = (0, 0, 0), outward: tuple = (0, 0, 0)) -> None:
        points = np.array(corners, float)
        normal = np.zeros(3)
        if any(outward):
            normal = np.cross(points[1] - points[0], points[2] - points[0])
            normal /= np.linalg.norm(normal) + 1e-9
            if normal @ np.array(outward) < 0:
                normal = -normal
        self.rows.append((points, normal, color, heat, rest, glow))

    def body(self, label: int, size_m: tuple[float, float, float]) -> Body:
        most = max(len(row[0]) for row in self.rows)
        corners = np.array([
            np.concatenate([row[0], np.repeat(row[0][-1:], most - len(row[0]), axis=0)])
            for row in self.rows])
        columns = [np.array([row[i] for row in self.rows], np.float32) for i in range(1, 6)]
        return Body(corners, *columns, label, size_m)


@lru_cache(maxsize=64)
def car(seed: int) -> Body:
    """Build a car of a random shape and colour."""
    rng = np.random.default_rng((seed, 31))
    name = ('sedan', 'hatch', 'van', 'suv')[rng.integers(4)]
    length, width, stations = SHAPES[name]
    paint = tuple(np.float32(PAINTS[rng.integers(len(PAINTS))]) * rng.uniform(0.85, 1.05))
    build = _Builder()
    rest = float(rng.uniform(-0.5, 3.0))
    half = width / 2
    points = [(-length / 2 + s * length, -roof, -belt, half * share)
              for s, roof, belt, share in stations]
    sill = -0.28
    for i, (rear, front) in enumerate(zip(points, points[1:])):
        _segment(build, rear, front, sill, paint, rest, i, len(points))
    _ends(build, points, sill, paint, rest, width)
    for z in (-length * 0.30, length * 0.31):
        for sign in (-1, 1):
            _tyre(build, sign * half, z, rest)
    return build.body(CAR, (width, -min(p[1] for p in points), length))


def _segment(build: _Builder, rear: tuple, front: tuple, sill: float, paint: tuple, rest: float,
             index: int, count: int) -> None:
    z0, roof0, belt0, w0 = rear
    z1, roof1, belt1, w1 = front
    hood = 14.0 if index >= count - 3 else 3.0
    tall0, tall1 = belt0 - roof0 > 0.2, belt1 - roof1 > 0.2
    in0, in1 = w0 * (0.78 if tall0 else 0.98), w1 * (0.78 if tall1 else 0.98)
    slanted = tall0 != tall1
    top_heat = 1.0 if slanted else (hood if not (tall0 or tall1) else 1.5)
    top = [(-in0, roof0, z0), (in0, roof0, z0), (in1, roof1, z1), (-in1, roof1, z1)]
    build.face(top, GLASS if slanted else paint, top_heat, rest * (0.3 if slanted else 1),
               outward=(0, -1, 0))
    for sign in (-1, 1):
        low = [(sign * w0, sill, z0), (sign * w0, belt0, z0), (sign * w1, belt1, z1),
               (sign * w1, sill, z1)]
        build.face(low, paint, hood * 0.5, rest, outward=(sign, 0, 0))
        if tall0 or tall1:
            upper = [(sign * w0, belt0, z0), (sign * in0, roof0, z0), (sign * in1, roof1, z1),
                     (sign * w1, belt1, z1)]
            build.face(upper, paint, 2.0, rest, outward=(sign, -0.2, 0))
            window = _inset(upper, 0.10 if tall0 and tall1 else 0.16)
            build.face(window, GLASS, 0.6, rest * 0.3, outward=(sign, -0.2, 0))
    skirt = 0.10
    for sign in (-1, 1):
        build.face([(sign * w0, sill + skirt, z0), (sign * w0, sill - 0.02, z0),
                    (sign * w1, sill - 0.02, z1), (sign * w1, sill + skirt, z1)],
                   BLACK, 5.0, rest, outward=(sign, 0, 0))


def _inset(corners: list, share: float) -> list:
    middle = np.mean(corners, axis=0)
    return [tuple(np.array(c) + (middle - c) * share) for c in corners]


def _ends(build: _Builder, points: list, sill: float, paint: tuple, rest: float,
          width: float) -> None:
    for end, sign in ((points[0], -1), (points[-1], 1)):
        z, roof, belt, half = end
        out = (0, 0, sign)
        build.face([(-half, sill, z), (half, sill, z), (half, roof, z), (-half, roof, z)], paint,
                   6.0 if sign > 0 else 3.0, rest, outward=out)
        z += sign * 0.01
        build.face([(-half, sill + .1, z), (half, sill + .1, z), (half, sill - .16, z),
                    (-half, sill - .16, z)], BLACK, 12.0 if sign > 0 else 8.0, rest, outward=out)
        build.face([(-.26, -.52, z), (.26, -.52, z), (.26, -.40, z), (-.26, -.40, z)],
                   (225, 225, 215), 4.0, rest, outward=out)
        if sign > 0:
            build.face([(-half * .6, -.55, z), (half * .6, -.55, z), (half * .6, -.68, z),
                        (-half * .6, -.68, z)], BLACK, 18.0, rest, outward=out)
        glow = (255, 250, 225) if sign > 0 else (230, 22, 14)
        plain = (225, 228, 230) if sign > 0 else (150, 22, 20)
        top = max(roof, -.95)
        for side in (-1, 1):
            x0, x1 = side * half * .64, side * half * .98
            low, high = (top + .05, top + .18)
            build.face([(x0, low, z), (x1, low, z), (x1, high, z), (x0, high, z)], plain,
                       9.0 if sign > 0 else 5.0, rest, glow, outward=out)
        if sign < 0:
            build.face([(-.62, sill + .04, z), (-.48, sill + .04, z), (-.48, sill + .12, z),
                        (-.62, sill + .12, z)], BLACK, 34.0, rest, outward=out)


def _tyre(build: _Builder, x: float, z: float, rest: float) -> None:
    angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    sign = np.sign(x)
    for radius, out, color, heat in ((.345, .005, BLACK, 4.0), (.315, .012, TYRE, 13.0),
                                     (.195, .02, (120, 122, 125), 9.0), (.06, .03, BLACK, 10.0)):
        ring = [(x + sign * out, -.315 + radius * np.sin(a), z + radius * np.cos(a))
                for a in angles]
        build.face(ring, color, heat, rest, outward=(sign, 0, 0))
    for end in (-1, 1):  # tread seen from behind and ahead
        build.face([(x, 0, z + end * .3), (x - sign * .2, 0, z + end * .3),
                    (x - sign * .2, -.32, z + end * .3), (x, -.32, z + end * .3)],
                   TYRE, 11.0, rest, outward=(0, 0, end))


@lru_cache(maxsize=4)
def rail(seed: int) -> Body:
    """Build four metres of guard rail along the road."""
    rng = np.random.default_rng((seed, 32))
    grey = rng.uniform(150, 205)
    build = _Builder()
    for z in (-1.6, 0.4):
        build.face([(0, 0, z), (0, -.72, z), (0, -.72, z + .12), (0, 0, z + .12)],
                   (grey * .7,) * 3, .8)
    for low, high, shade, heat in ((-.42, -.5, .62, .6), (-.5, -.58, 1.0, 1.6),
                                   (-.58, -.64, .7, .8), (-.64, -.74, 1.02, 1.7)):
        build.face([(0, low, -2), (0, high, -2), (0, high, 2), (0, low, 2)],
                   (grey * shade,) * 3, heat)
    return build.body(GUARDRAIL, (0.1, 0.75, 4.0))
