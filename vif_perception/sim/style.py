"""The look of one street: everything that a seed decides and that does not move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Color = tuple[float, float, float]

PERIOD_M = 64.0  # ground and street lamps repeat after this way
LAMPS = ((-1, 8.0), (1, 24.0), (-1, 40.0), (1, 56.0))  # side, and place within the period

#: Colours of leaves: spring to autumn.
LEAVES = ((66, 96, 44), (58, 82, 46), (84, 104, 56), (50, 70, 44), (126, 104, 52), (112, 82, 48))
AUTUMN = 4


@dataclass(frozen=True)
class Style:
    """Layout, colours and temperatures of a street. Colours are 0..255, heat is K above air."""

    road_half_m: float
    centre_m: float
    sidewalk_m: float
    camera_height_m: float
    wall_m: tuple[float, float]
    kerbs: tuple[int, ...]
    bumps: tuple[float, ...]
    zebra: bool
    edge_lines: bool
    centre_line: int
    asphalt: float
    asphalt_tint: Color
    paving: float
    kerb: Color
    grass: Color
    leaf: int
    leaf_color: Color
    paint: float
    paint_color: Color
    bump_colors: tuple[Color, Color]
    leaves: int
    sun: float
    shade: float
    clouds: float
    sky_top: Color
    sky_low: Color
    cloud: Color
    city_glow: Color
    built: float
    lit_windows: float
    far_trees: float
    far_buildings: float
    lamp_color: Color
    lamp_level: float
    sky_heat: float
    road_heat: float
    trees: float
    parked: float
    people: float
    bikes: float
    cones: float
    stops: float
    rails: float
    traffic: float
    lead: bool


def draw_style(rng: np.random.Generator) -> Style:
    """Draw a street at random."""
    half = rng.uniform(4.1, 5.2)
    leaf = int(rng.integers(len(LEAVES)))
    leaf_color = LEAVES[leaf]
    autumn = leaf >= AUTUMN
    grey = rng.uniform(70, 112)
    zebra = bool(rng.random() < 0.4)
    yellow = not zebra and rng.random() < 0.4
    green_lamp = rng.random() < 0.45
    return Style(
        road_half_m=half,
        centre_m=rng.uniform(-1.8, -1.4),
        sidewalk_m=rng.uniform(2.4, 3.6),
        camera_height_m=rng.uniform(1.1, 1.5),
        wall_m=(rng.uniform(10, 16), rng.uniform(10, 16)),
        kerbs=((-1, 1), (-1, 1), (-1,), (1,), ())[rng.integers(5)],
        bumps=tuple(rng.uniform(4, 60, int(rng.random() < 0.35))),
        zebra=zebra,
        edge_lines=bool(rng.random() < 0.6),
        centre_line=int(rng.integers(0, 3)),
        asphalt=grey,
        asphalt_tint=(0.97, 1.0, rng.uniform(1.0, 1.1)),
        paving=rng.uniform(115, 165),
        kerb=(rng.uniform(150, 185),) * 3,
        grass=(leaf_color[0] * 0.95, leaf_color[1], 46),
        leaf=leaf,
        leaf_color=leaf_color,
        paint=rng.uniform(0.5, 1.0),
        paint_color=(215, 170, 70) if yellow else (225, 225, 220),
        bump_colors=((205, 165, 45), (48, 46, 44)) if rng.random() < 0.6
        else ((150, 85, 65), (140, 80, 62)),
        leaves=int(rng.integers(0, 1500 if autumn else 200)),
        sun=rng.uniform(0, 1),
        shade=rng.uniform(-0.2, 0.8),
        clouds=rng.uniform(-0.5, 0.6),
        sky_top=(100, 140, 205),
        sky_low=(205, 222, 238),
        cloud=(245, 245, 248),
        city_glow=(rng.uniform(8, 26), rng.uniform(10, 24), rng.uniform(10, 24)),
        built=rng.uniform(0.4, 1.0),
        lit_windows=rng.uniform(0.04, 0.5),
        far_trees=rng.uniform(0.3, 2.0),
        far_buildings=rng.uniform(0, 1.6),
        lamp_color=(0.85, 1.0, 0.72) if green_lamp else (1.0, 0.83, 0.55),
        lamp_level=rng.uniform(0.25, 1.1),
        sky_heat=rng.uniform(-24, -8),
        road_heat=rng.uniform(-1.2, 1.6),
        trees=rng.uniform(0.1, 0.9),
        parked=float(rng.random() < 0.6) * rng.uniform(0.1, 0.5),
        people=rng.uniform(0.2, 1.0),
        bikes=rng.uniform(0, 0.6),
        cones=rng.uniform(0, 0.5),
        stops=rng.uniform(0, 0.5),
        rails=float(rng.random() < 0.2),
        traffic=float(rng.random() < 0.7) * rng.uniform(0.1, 0.8),
        lead=bool(rng.random() < 0.35),
    )
