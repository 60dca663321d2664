"""What is where on the street at a time: a pure function of seed and time, without an end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import cos, floor, pi, sin

import numpy as np

from vif_perception.sim.figures import PHASES
from vif_perception.sim.style import Style, draw_style
from vif_perception.sim.texture import LAMPS, PERIOD_M

SIGHT_M = 75.0
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
        yaw: heading, rad; 0 drives away from the camera, pi/2 to the right.
        phase: stride of a walker, -1 standing.
        moving: engine and lamps are on.
    """

    kind: str
    variant: int
    x: float
    z: float
    yaw: float = 0.0
    phase: int = -1
    moving: bool = False


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

    def things(self, time_s: float) -> list[Thing]:
        """Return what is in sight, farthest first."""
        ego = self.ego_z(time_s)
        found = list(self._standing(ego))
        found += self._streams(ego, time_s)
        found += self._ahead(ego, time_s)
        found += [t for t in self._lamps(ego)]
        seen = [thing for thing in found if NEAR_M < thing.z < SIGHT_M]
        return sorted(seen, key=lambda thing: -thing.z)

    def _standing(self, ego: float) -> list[Thing]:
        first = floor(ego / CHUNK_M)
        return [
            Thing(t.kind, t.variant, t.x, t.z - ego, t.yaw, t.phase, t.moving)
            for k in range(first, first + floor(SIGHT_M / CHUNK_M) + 2) for t in self._chunk(k)
        ]

    def _lamps(self, ego: float) -> list[Thing]:
        first = floor(ego / PERIOD_M)
        return [
            Thing('lamp', self.seed, sign * (self.style.road_half_m + 0.6),
                  (first + k) * PERIOD_M + place - ego, yaw=-sign)
            for k in (0, 1, 2) for sign, place in LAMPS
        ]

    def _build_chunk(self, index: int) -> list[Thing]:
        style = self.style
        rng = np.random.default_rng((self.seed, 5, index + (1 << 20)))
        found: list[Thing] = []
        for sign in (-1, 1):
            z = index * CHUNK_M + rng.uniform(0, 4)
            kerb = style.road_half_m
            verge = kerb + style.sidewalk_m
            variant = int(rng.integers(1 << 30))
            draws = rng.random(8)
            if draws[0] < style.trees:
                found.append(Thing('tree', variant % 6 + self.seed * 7, sign * (verge + 1.2 + draws[1]), z))
            for _ in range(int(rng.integers(0, 3))):
                found.append(Thing('shrub', int(rng.integers(6)) + self.seed * 7,
                                   sign * (verge + 0.8 + rng.uniform(0, 2)), z + rng.uniform(0, 8)))
            if style.rails and sign > 0:
                found += [Thing('rail', self.seed, sign * (kerb + 0.4), index * CHUNK_M + d)
                          for d in (2.0, 6.0)]
            elif draws[2] < style.parked * (1.0 if sign > 0 else 0.7):
                found.append(Thing('car', variant, sign * (kerb + 0.35 + 0.6 * draws[3]), z,
                                   yaw=0.0 if draws[4] < 0.7 else pi))
            elif draws[2] > 1 - 0.5 * style.cones:
                found += [Thing('cone', self.seed + int(draws[5] * 2), sign * (kerb - 0.5 + 0.2 * d), z + 2.2 * d)
                          for d in range(int(rng.integers(1, 4)))]
            elif draws[2] > 1 - 0.5 * style.cones - 0.4 * style.stops:
                found += [Thing('stop', self.seed, sign * (kerb + 0.45), z + 1.5 * d)
                          for d in range(int(rng.integers(2, 5)))]
            if draws[6] < 0.45 * style.bikes:
                found += [Thing('bike', variant + d, sign * (verge - 0.3 + 0.1 * d), z + 0.6 * d,
                                yaw=draws[7]) for d in range(int(rng.integers(1, 7)))]
            elif draws[6] > 1 - 0.15 * style.people:
                found.append(Thing('person', variant, sign * (kerb + 0.6 + draws[7]), z, yaw=draws[5] * 6))
        return found

    def _draw_slot(self, stream: int, slot: int) -> tuple[np.ndarray, int]:
        rng = np.random.default_rng((self.seed, 6, stream, slot + (1 << 20)))
        return rng.random(6), int(rng.integers(1 << 30))

    def _streams(self, ego: float, time_s: float) -> list[Thing]:
        style = self.style
        lane = (style.centre_m - style.road_half_m) / 2
        found: list[Thing] = []
        for stream, (side, way) in enumerate(((-1, -1), (-1, 1), (1, -1), (1, 1))):
            for draws, variant, z in self._moving(stream, way * WALK_M_S, 7.0, ego, time_s):
                if draws[0] > 0.6 * style.people:
                    continue
                x = side * (style.road_half_m - 0.9 + draws[2] * (style.sidewalk_m + 0.4))
                phase = int((WALK_M_S * time_s / 1.4 + draws[3]) * PHASES) % PHASES
                yaw = 0.0 if way > 0 else pi
                found.append(Thing('person', variant, x, z, yaw, phase))
                if draws[4] < 0.3:
                    found.append(Thing('person', variant + 1, x + 0.55, z + 0.3, yaw,
                                       (phase + 3) % PHASES))
            for draws, variant, z in self._moving(stream + 4, way * RIDE_M_S, 30.0, ego, time_s):
                if draws[0] < 0.5 * style.bikes:
                    found.append(Thing('rider', variant, side * (style.road_half_m - 0.7), z,
                                       0.0 if way > 0 else pi, int(time_s * 8 + variant) % PHASES))
        for draws, variant, z in self._moving(9, -DRIVE_M_S, 28.0, ego, time_s):
            if draws[0] < style.traffic:
                found.append(Thing('car', variant, lane + 0.3 * draws[2], z, pi, moving=True))
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
            return [Thing('car', variant, 0.3 + 0.2 * sin(0.3 * time_s), gap, moving=True)]
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
