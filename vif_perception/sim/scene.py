"""What is where on the street at a time: a pure function of seed and time, without an end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import cos, floor, pi, sin

import numpy as np

from vif_perception.sim.people import PHASES
from vif_perception.sim.style import LAMPS, PERIOD_M, Style, draw_style

SIGHT_M = 75.0
SHRUB_SIGHT_M = 40.0  # farther ones melt into the woods
NEAR_M = 2.4
CHUNK_M = 8.0
CYCLE_S = 24.0
WALK_M_S, RIDE_M_S, DRIVE_M_S = 1.3, 4.2, 8.0


@dataclass(frozen=True)
class Thing:
    """One object on the street.

    Attributes:
        kind: car, person, rider, bike, cone, stop, rail, tree, shrub or lamp.
        variant: appearance seed.
        x, z: place on the ground, m, right of and ahead of the RGB camera.
        yaw: heading, rad; 0 is away from the camera, pi/2 to the right.
        phase: stride of a walker, -1 standing.
        moving: engine and lamps are on.
        speed: m/s along the road.
    """

    kind: str
    variant: int
    x: float
    z: float
    yaw: float = 0.0
    phase: int = -1
    moving: bool = False
    speed: float = 0.0


class Scene:
    """A street with traffic, seen from a car that drives along it.

    Args:
        seed: decides everything.
        time_of_day: day, night, or cycle (day fades to night and back every CYCLE_S).
    """

    def __init__(self, seed: int, time_of_day: str = 'day', style: Style | None = None):
        self.seed = seed
        self.time_of_day = time_of_day
        self.style = style or draw_style(np.random.default_rng((seed, 1)))
        self._chunk = lru_cache(maxsize=64)(self._build_chunk)
        self._slot = lru_cache(maxsize=1024)(self._draw_slot)

    def daylight(self, time_s: float) -> float:
        """Return 1 at day, 0 at night."""
        if self.time_of_day != 'cycle':
            return float(self.time_of_day == 'day')
        return float(np.clip(0.5 + 1.1 * cos(2 * pi * (time_s + 1.0) / CYCLE_S), 0, 1))

    def ego_z(self, time_s: float) -> float:
        """Return the way driven, m."""
        return 5.0 * time_s + 4.0 * (1 - cos(0.3 * time_s))

    def ego_speed(self, time_s: float) -> float:
        """Return the derivative of ego_z, m/s."""
        return 5.0 + 1.2 * sin(0.3 * time_s)

    def things(self, time_s: float) -> list[Thing]:
        """Return what is in sight, farthest first."""
        ego = self.ego_z(time_s)
        found = list(self._standing(ego))
        found += self._streams(ego, time_s)
        found += self._ahead(ego, time_s)
        found += self._lamps(ego)
        seen = [thing for thing in found
                if NEAR_M < thing.z < (SHRUB_SIGHT_M if thing.kind == 'shrub' else SIGHT_M)]
        return sorted(seen, key=lambda thing: -thing.z)

    def _standing(self, ego: float) -> list[Thing]:
        first = floor(ego / CHUNK_M)
        return [
            replace(t, z=t.z - ego)
            for k in range(first, first + floor(SIGHT_M / CHUNK_M) + 2) for t in self._chunk(k)
        ]

    def _lamps(self, ego: float) -> list[Thing]:
        first = floor(ego / PERIOD_M)
        return [
            Thing('lamp', self.seed, sign * (self.style.road_half_m + 0.6),
                  (first + k) * PERIOD_M + place - ego, yaw=-sign * pi / 2)
            for k in (0, 1, 2) for sign, place in LAMPS
        ]

    def _build_chunk(self, index: int) -> list[Thing]:
        rng = np.random.default_rng((self.seed, 5, index + (1 << 20)))
        found: list[Thing] = []
        for side in (-1, 1):
            z = index * CHUNK_M + rng.uniform(0, 4)
            kerbside = self._kerbside(rng, side, z, index * CHUNK_M)
            sidewalk = self._sidewalk(rng, side, z)
            found += self._verge(rng, side, z) + kerbside
            if not any(thing.kind == 'car' for thing in kerbside):
                found += sidewalk
        return found

    def _verge(self, rng: np.random.Generator, side: int, z: float) -> list[Thing]:
        """Return trees and shrubs behind the sidewalk."""
        verge = self.style.road_half_m + self.style.sidewalk_m
        tree = Thing('tree', int(rng.integers(1 << 16)), side * (verge + rng.uniform(1.2, 2.2)), z)
        found = [tree] if rng.random() < self.style.trees else []
        for _ in range(int(rng.integers(0, 3))):
            x, place = side * (verge + rng.uniform(0.8, 2.8)), z + rng.uniform(0, 8)
            found.append(Thing('shrub', int(rng.integers(1 << 16)), x, place))
        return found

    def _kerbside(self, rng: np.random.Generator, side: int, z: float, start: float
                  ) -> list[Thing]:
        """Return what stands at the edge of the road: one kind of thing for each stretch."""
        style = self.style
        edge = style.road_half_m
        draw, variant = rng.random(), int(rng.integers(1 << 16))
        count = int(rng.integers(2, 5))
        # Fewer cars on the left: there the oncoming traffic needs the room.
        parked = style.parked * (1.0 if side > 0 else 0.7)
        cones, stops = 0.5 * style.cones, 0.4 * style.stops
        if style.rails and side > 0:
            return [Thing('rail', self.seed, edge + 0.4, start + d) for d in (2.0, 6.0)]
        if draw < parked:
            x, yaw = side * (edge + rng.uniform(0.7, 1.1)), 0.0 if rng.random() < 0.7 else pi
            return [Thing('car', variant, x, z, yaw)]
        if draw > 1 - cones:
            return [Thing('cone', self.seed + variant % 2, side * (edge - 0.3 + 0.1 * d),
                          z + 2.2 * d) for d in range(count - 1)]
        if draw > 1 - cones - stops:
            return [Thing('stop', self.seed, side * (edge + 0.45), z + 1.5 * d)
                    for d in range(count)]
        return []

    def _sidewalk(self, rng: np.random.Generator, side: int, z: float) -> list[Thing]:
        """Return parked bikes, or someone who stands about."""
        style = self.style
        draw, variant = rng.random(), int(rng.integers(1 << 16))
        x = side * (style.road_half_m + rng.uniform(0.7, 1.3))
        if draw < 0.45 * style.bikes:
            turn = rng.random() ** 1.6
            return [Thing('bike', variant + d, x + 0.1 * side * d, z + 0.6 * d, turn)
                    for d in range(int(rng.integers(1, 7)))]
        if draw > 1 - 0.15 * style.people:
            return [Thing('person', variant, x, z, rng.uniform(0, 6))]
        return []

    def _draw_slot(self, stream: int, slot: int) -> tuple[np.ndarray, int]:
        rng = np.random.default_rng((self.seed, 6, stream, slot + (1 << 20)))
        return rng.random(6), int(rng.integers(1 << 30))

    def _streams(self, ego: float, time_s: float) -> list[Thing]:
        style = self.style
        lane = (style.centre_m - style.road_half_m) / 2
        found: list[Thing] = []
        # Parked cars stand half on the sidewalk, people pass behind them; without cars they walk
        # on the road.
        inner = style.road_half_m + (2.1 if style.parked else 0.4 if style.traffic else -2.0)
        outer = style.road_half_m + style.sidewalk_m + 0.5
        for stream, (side, way) in enumerate(((-1, -1), (-1, 1), (1, -1), (1, 1))):
            for draws, variant, z in self._moving(stream, way * WALK_M_S, 7.0, ego, time_s):
                if draws[0] > 0.6 * style.people:
                    continue
                x = side * (inner + draws[2] * (outer - inner))
                phase = int((WALK_M_S * time_s / 1.4 + draws[3]) * PHASES) % PHASES
                yaw = 0.0 if way > 0 else pi
                found.append(Thing('person', variant, x, z, yaw, phase))
                if draws[4] < 0.3:
                    found.append(Thing('person', variant + 1, x + 0.55, z + 0.3, yaw,
                                       (phase + 3) % PHASES))
            for draws, variant, z in self._moving(stream + 4, way * RIDE_M_S, 30.0, ego, time_s):
                if draws[0] < 0.5 * style.bikes:
                    found.append(Thing('rider', variant, side * (style.road_half_m - 0.55), z,
                                       0.0 if way > 0 else pi, int(time_s * 8 + variant) % PHASES))
        for draws, variant, z in self._moving(9, -DRIVE_M_S, 28.0, ego, time_s):
            if draws[0] < style.traffic:
                found.append(Thing('car', variant, lane + 0.3 * draws[2], z, pi, moving=True,
                                   speed=-DRIVE_M_S))
        return found

    def _moving(self, stream: int, speed: float, gap_m: float, ego: float, time_s: float):
        """Yield draws, variant and place of the slots of a stream that are in sight."""
        shift = speed * time_s
        first = floor((ego - shift) / gap_m) - 1
        for slot in range(first, first + floor(SIGHT_M / gap_m) + 3):
            draws, variant = self._slot(stream, slot)
            yield draws, variant, slot * gap_m + draws[1] * gap_m * 0.8 + shift - ego

    def _ahead(self, ego: float, time_s: float) -> list[Thing]:
        """Return the car in front, or people who cross the road in front of ours."""
        style = self.style
        if style.lead:
            gap = 15.0 + 6.0 * sin(0.21 * time_s + self.seed)
            variant = self.seed + 4000 + floor(time_s / 300)
            return [Thing('car', variant, 0.3 + 0.2 * sin(0.3 * time_s), gap, moving=True,
                          speed=5.0)]
        found = []
        first = floor(ego / 40.0)
        for block in range(first, first + 3):
            draws, variant = self._slot(12, block)
            gap = block * 40.0 + 20 + 15 * draws[1] - ego
            side = 1 if draws[2] < 0.5 else -1
            if draws[0] < 0.75 * style.people:
                share = (40.0 - gap) / 32.0
                x = side * (style.road_half_m + 1.0) * (2 * share - 1)
                kind = 'rider' if draws[3] < 0.4 * style.bikes else 'person'
                phase = int(abs(x) / 1.4 * PHASES) % PHASES if 0 < share < 1 else -1
                if not 0 < share < 1:
                    x = side * (style.road_half_m + 1.0) * (1 if share >= 1 else -1)
                found.append(Thing(kind, variant, x, gap, side * pi / 2, phase))
        return found
