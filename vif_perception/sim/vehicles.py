"""Cars, lofted from cross-sections, and guard rails."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vif_perception.sim.body import Body, BodyBuilder, Color, Corner

CAR, GUARDRAIL = 1, 6
PAINTS = ((215, 216, 218), (235, 235, 235), (60, 62, 68), (32, 33, 36), (140, 30, 32),
          (44, 66, 120), (150, 152, 155), (110, 105, 95), (90, 120, 150))
GLASS, TYRE, BLACK, RIM = (34, 40, 46), (26, 26, 27), (30, 30, 32), (125, 127, 130)
SILL_M = 0.22
BELT, ROOF = 4, 5  # ring points between which the side windows are


@dataclass(frozen=True)
class _Shape:
    """Length and width, and stations from the rear: place 0..1, roof, belt, share of width."""

    length: float
    width: float
    stations: tuple[tuple[float, float, float, float], ...]


SHAPES = (
    _Shape(4.5, 1.75, (  # saloon
        (0, .82, .80, .84), (.015, .94, .90, .93), (.05, 1.00, .93, .98), (.17, 1.04, .94, 1),
        (.31, 1.40, .95, 1), (.40, 1.45, .95, 1), (.54, 1.45, .95, 1), (.60, 1.42, .95, 1),
        (.76, 1.00, .94, 1), (.90, .88, .84, .98), (.975, .76, .74, .93), (1, .64, .62, .84))),
    _Shape(3.9, 1.68, (  # hatchback
        (0, .86, .84, .86), (.02, 1.0, .94, .94), (.05, 1.06, .96, .98), (.17, 1.46, .96, 1),
        (.35, 1.53, .96, 1), (.56, 1.52, .96, 1), (.63, 1.48, .96, 1), (.80, 1.04, .96, 1),
        (.91, .92, .88, .98), (.98, .78, .76, .93), (1, .66, .64, .85))),
    _Shape(4.7, 1.8, (  # minivan
        (0, .95, .93, .90), (.012, 1.08, 1.0, .96), (.03, 1.18, 1.02, .99), (.08, 1.82, 1.02, 1),
        (.25, 1.92, 1.02, 1), (.60, 1.92, 1.02, 1), (.68, 1.86, 1.02, 1), (.86, 1.14, 1.04, 1),
        (.93, 1.02, .98, .98), (.985, .84, .82, .94), (1, .70, .68, .86))),
    _Shape(4.5, 1.84, (  # SUV
        (0, .92, .90, .88), (.015, 1.08, 1.02, .95), (.04, 1.14, 1.04, .98), (.13, 1.62, 1.04, 1),
        (.30, 1.70, 1.04, 1), (.55, 1.70, 1.04, 1), (.61, 1.65, 1.04, 1), (.75, 1.14, 1.05, 1),
        (.91, 1.02, .98, .98), (.98, .86, .84, .94), (1, .72, .70, .86))),
)
VARIANTS = len(SHAPES) * len(PAINTS)


@lru_cache(maxsize=VARIANTS)
def car(variant: int) -> Body:
    """Build a car; variant 0..VARIANTS-1 decides its shape and colour."""
    rng = np.random.default_rng((variant, 31))
    shape = SHAPES[variant % len(SHAPES)]
    paint = np.array(PAINTS[variant // len(SHAPES)]) * rng.uniform(0.9, 1.05)
    rest = float(rng.uniform(-0.5, 3.0))
    build = BodyBuilder()
    _shadow(build, shape)
    _shell(build, shape, paint, rest)
    _end(build, shape, -1, paint, rest)
    _end(build, shape, 1, paint, rest)
    for place in (-0.30, 0.31):
        for sign in (-1, 1):
            _wheel(build, sign * shape.width / 2, place * shape.length, rest)
    return build.body(CAR, (shape.width, max(s[1] for s in shape.stations), shape.length))


def _shadow(build: BodyBuilder, shape: _Shape) -> None:
    for reach, alpha in ((0.28, 0.2), (0.1, 0.36), (-0.1, 0.46)):
        x, z = shape.width / 2 + reach, shape.length / 2 + reach
        cut = 0.3
        outline = [(-x + cut, -z), (x - cut, -z), (x, -z + cut), (x, z - cut), (x - cut, z),
                   (-x + cut, z), (-x, z - cut), (-x, -z + cut)]
        build.face([(px, -0.01, pz) for px, pz in outline], (0, 0, 0), 0.0, 0.0, layer=-3,
                   alpha=alpha)


def _ring(shape: _Shape, station: tuple[float, float, float, float], sign: int) -> list[Corner]:
    """Return the right (1) or left (-1) half of a cross-section, from the sill to the middle."""
    place, roof, belt, share = station
    z = (place - 0.5) * shape.length
    half = shape.width / 2 * share
    cabin = np.clip((roof - belt) / 0.3, 0, 1)
    top = half * (0.93 - 0.15 * cabin)
    points = ((0.92 * half, SILL_M), (half, 0.38), (half, 0.62), (0.985 * half, belt - 0.07),
              (0.95 * half, belt), (top, roof - 0.02 - 0.06 * cabin),
              (0.86 * top, roof - 0.008), (0.0, roof))
    return [(sign * x, -y, z) for x, y in points]


def _shell(build: BodyBuilder, shape: _Shape, paint: Color, rest: float) -> None:
    count = len(shape.stations)
    for index in range(count - 1):
        rear, front = shape.stations[index], shape.stations[index + 1]
        tall = [station[1] - station[2] > 0.3 for station in (rear, front)]
        bonnet = rear[0] > 0.7
        for sign in (-1, 1):
            a, b = _ring(shape, rear, sign), _ring(shape, front, sign)
            for i in range(len(a) - 1):
                quad = [a[i], a[i + 1], b[i + 1], b[i]]
                out = (sign, 0, 0) if i < ROOF else (0.01 * sign, -1, 0)
                screen = i >= ROOF and tall[0] != tall[1]
                color, shine, heat = paint, 0.45, 2.0
                if i == 0:
                    color, shine, heat = BLACK, 0.0, 5.0
                elif screen:
                    color, shine, heat = GLASS, 0.4, 0.5
                elif bonnet:
                    heat = 13.0 if i >= BELT else 7.0
                build.face(quad, color, heat, 0.3 * rest if screen else rest, outward=out,
                           shine=shine)
            if any(tall):
                _window(build, (a, b), sign, tall, rest)


def _window(build: BodyBuilder, rings: tuple[list[Corner], list[Corner]], sign: int,
            tall: list[bool], rest: float) -> None:
    a, b = (np.array(ring) for ring in rings)
    low, high = 0.12, 0.88
    corners = [a[BELT] + (a[ROOF] - a[BELT]) * low, a[BELT] + (a[ROOF] - a[BELT]) * high,
               b[BELT] + (b[ROOF] - b[BELT]) * high, b[BELT] + (b[ROOF] - b[BELT]) * low]
    if not all(tall):  # the triangle beside a slanted screen keeps a wide pillar
        middle = np.mean(corners, axis=0)
        corners = [corner + 0.22 * (middle - corner) for corner in corners]
    build.face([tuple(corner) for corner in corners], GLASS, 0.6, 0.3 * rest,
               outward=(sign, -0.2, 0), layer=1, shine=0.7)


def _end(build: BodyBuilder, shape: _Shape, sign: int, paint: Color, rest: float) -> None:
    """Close the rear (-1) or the front (1) and put lamps, plate, grille and exhaust on it."""
    station = shape.stations[0] if sign < 0 else shape.stations[-1]
    right, left = _ring(shape, station, 1), _ring(shape, station, -1)
    out = (0, 0, sign)
    front = sign > 0
    for i in range(len(right) - 1):
        color = BLACK if i == 0 else np.array(paint) * (0.92 + 0.04 * (i % 2))
        build.face([right[i], right[i + 1], left[i + 1], left[i]], color, 7.0 if front else 3.0,
                   rest, outward=out, shine=0.2)
    z = right[0][2] + sign * 0.01
    half, top = right[2][0], -right[-1][1]

    def panel(x0: float, x1: float, y0: float, y1: float, color: Color, heat: float,
              glow: Color = (0, 0, 0), depth: float = 0.0) -> None:
        build.face([(x0, -y0, z + depth), (x1, -y0, z + depth), (x1, -y1, z + depth),
                    (x0, -y1, z + depth)], color, heat, rest, outward=out, layer=2, glow=glow)

    panel(-0.8 * half, 0.8 * half, SILL_M, 0.34, BLACK, 11.0 if front else 7.0)
    panel(-0.26, 0.26, 0.42, 0.54, (228, 228, 218), 4.0)
    if front:
        panel(-0.55 * half, 0.55 * half, top - 0.14, top - 0.03, BLACK, 17.0)
    else:
        panel(-0.62, -0.5, 0.24, 0.31, (60, 60, 60), 34.0)
    lamp, plain = ((255, 250, 225), (232, 235, 238)) if front else ((235, 24, 14), (165, 24, 22))
    low, high = (top - 0.14, top - 0.02) if front else (top - 0.22, top - 0.04)
    for side in (-1, 1):
        panel(side * half * 0.60, side * half * 0.99, low, high, plain, 9.0 if front else 5.0,
              lamp)
        # The lamp goes round the corner.
        corner = [(side * half * 0.99, -low, z), (side * half * 0.99, -high, z),
                  (side * half * 1.16, -high, z - sign * 0.22),
                  (side * half * 1.16, -low, z - sign * 0.22)]
        build.face(corner, plain, 5.0, rest, outward=(side, 0, 0), layer=2, glow=lamp)


def _wheel(build: BodyBuilder, x: float, z: float, rest: float) -> None:
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    sign = 1.0 if x > 0 else -1.0
    discs = ((0.37, 0.005, BLACK, 4.0), (0.315, 0.012, TYRE, 13.0), (0.205, 0.02, RIM, 9.0),
             (0.15, 0.022, (70, 71, 74), 10.0), (0.05, 0.03, RIM, 10.0))
    for order, (radius, out, color, heat) in enumerate(discs):
        ring = [(x + sign * out, min(-0.315 + radius * np.sin(a), 0.0), z + radius * np.cos(a))
                for a in angles]
        build.face(ring, color, heat, rest, outward=(sign, 0, 0), layer=1 + order)
    for end in (-1, 1):  # tread, seen from behind and from ahead
        inner, place = x - sign * 0.2, z + end * 0.3
        build.face([(x, 0, place), (inner, 0, place), (inner, -0.32, place), (x, -0.32, place)],
                   TYRE, 11.0, rest, outward=(0, 0, end), layer=-1)


@lru_cache(maxsize=4)
def rail(variant: int) -> Body:
    """Build four metres of guard rail along the road."""
    rng = np.random.default_rng((variant, 32))
    grey = rng.uniform(150, 205)
    build = BodyBuilder()
    for z in (-1.6, 0.4):
        build.face([(0, 0, z), (0, -.72, z), (0, -.72, z + .12), (0, 0, z + .12)],
                   (grey * .7,) * 3, .8)
    for low, high, shade, heat in ((-.42, -.5, .62, .6), (-.5, -.58, 1.0, 1.6),
                                   (-.58, -.64, .7, .8), (-.64, -.74, 1.02, 1.7)):
        build.face([(0, low, -2), (0, high, -2), (0, high, 2), (0, low, 2)],
                   (grey * shade,) * 3, heat, layer=1)
    return build.body(GUARDRAIL, (0.1, 0.75, 4.0))
