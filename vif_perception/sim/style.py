"""The look of one street: everything that a seed decides and that does not move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Color = tuple[float, float, float]


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
    leaf: Color
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
    half = rng.uniform(3.2, 4.6)
    autumn = rng.random() < 0.35
    leaf = (120, 95, 45) if autumn else (rng.uniform(55, 80), rng.uniform(88, 115), 48)
    grey = rng.uniform(70, 112)
    green_lamp = rng.random() < 0.45
    return Style(
        road_half_m=half,
        centre_m=-half + 2 * half * rng.uniform(0.3, 0.4),
        sidewalk_m=rng.uniform(1.8, 3.2),
        camera_height_m=rng.uniform(1.1, 1.5),
        wall_m=(rng.uniform(9, 16), rng.uniform(9, 16)),
        kerbs=((-1, 1), (-1, 1), (-1,), (1,), ())[rng.integers(5)],
        bumps=tuple(rng.uniform(4, 60, int(rng.random() < 0.3))),
        zebra=bool(rng.random() < 0.4),
        edge_lines=bool(rng.random() < 0.6),
        centre_line=int(rng.integers(0, 3)),
        asphalt=grey,
        asphalt_tint=(0.97, 1.0, rng.uniform(1.0, 1.1)),
        paving=rng.uniform(115, 165),
        kerb=(rng.uniform(150, 185),) * 3,
        grass=(leaf[0] * 0.95, leaf[1], 46),
        leaf=leaf,
        paint=rng.uniform(0.5, 1.0),
        paint_color=((225, 225, 220), (225, 225, 220), (215, 170, 70))[rng.integers(3)],
        bump_colors=((205, 165, 45), (48, 46, 44)) if rng.random() < 0.6
        else ((150, 85, 65), (140, 80, 62)),
        leaves=rng.integers(0, 1500) if autumn else rng.integers(0, 200),
        sun=rng.uniform(0, 1),
        shade=rng.uniform(-0.2, 0.8),
        clouds=rng.uniform(-0.5, 0.6),
        sky_top=(100, 140, 205),
        sky_low=(205, 222, 238),
        cloud=(245, 245, 248),
        city_glow=(rng.uniform(8, 26), rng.uniform(10, 24), rng.uniform(10, 24)),
        built=rng.uniform(0.4, 1.0),
        lit_windows=rng.uniform(0.04, 0.4),
        far_trees=rng.uniform(0.3, 2.0),
        far_buildings=rng.uniform(0, 1.6),
        lamp_color=(0.85, 1.0, 0.72) if green_lamp else (1.0, 0.83, 0.55),
        road_heat=rng.uniform(-1.2, 1.6),
        trees=rng.uniform(0.1, 0.9),
        parked=rng.uniform(0, 0.5),
        people=rng.uniform(0.2, 1.0),
        bikes=rng.uniform(0, 0.6),
        cones=rng.uniform(0, 0.5),
        stops=rng.uniform(0, 0.5),
        rails=float(rng.random() < 0.2),
        traffic=rng.uniform(0.1, 0.8),
        lead=bool(rng.random() < 0.5),
    )
