"""Sprites of people who stand, walk or ride a bike."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from vif_perception.sim.bikes import draw_bike
from vif_perception.sim.noise import noise
from vif_perception.sim.sprite import Clay, Sprite

PERSON = 2
PHASES = 8
VARIANTS = 32
PX_PER_M = 95.0

CLOTHES = ((45, 45, 50), (70, 72, 80), (40, 52, 80), (120, 60, 55), (160, 150, 135),
           (205, 205, 205), (85, 95, 70), (60, 85, 125), (185, 50, 45), (98, 78, 62))
TROUSERS = ((42, 42, 46), (62, 64, 72), (44, 54, 80), (96, 84, 70), (34, 36, 44),
            (140, 128, 108))
SKIN = ((205, 165, 140), (180, 135, 105), (140, 98, 74), (222, 186, 162))
HAIR = ((28, 24, 22), (60, 44, 34), (110, 105, 100))
SHOE = (38, 34, 32)


@lru_cache(maxsize=256)
def person(variant: int, phase: int, side: bool, rider: bool = False) -> Sprite:
    """Draw a person.

    Args:
        variant: decides build, clothes and bags.
        phase: 0..PHASES-1 of the stride; negative: standing.
        side: seen from the side, walking to the right, else from the front or back.
        rider: sits on a bike.
    """
    rng = np.random.default_rng((variant, 11))
    clay = Clay((2.1 if rider and side else 1.1, 1.95), PX_PER_M)
    wear = _Wardrobe(rng)
    swing, lift = (0.0, 0.0) if phase < 0 else (
        float(np.sin(2 * np.pi * phase / PHASES)), float(np.cos(2 * np.pi * phase / PHASES)))
    hip = np.array([-0.14 if rider and side else 0.0, 0.95 if rider else 0.90 * wear.tall])
    neck = _moved(hip, 0.17 if rider and side else 0.015 * side, 0.50 * wear.tall)
    if rider:
        draw_bike(clay, rng, 1.0 if side else 0.13)
    step = (side, rider, swing, lift)
    _leg(clay, wear, hip, -1, step)
    _arm(clay, wear, neck, -1, step)
    _leg(clay, wear, hip, 1, step)
    _torso(clay, wear, hip, neck, side, rider)
    _arm(clay, wear, neck, 1, step)
    _head(clay, wear, neck, side)
    return clay.sprite(0.0 if rider else 0.3, _folds(clay.alpha.shape))


@lru_cache(maxsize=2)
def _folds(shape: tuple[int, int]) -> np.ndarray:
    return noise(np.random.default_rng(11), shape, (30, 16), 3)


class _Wardrobe:
    """What someone looks like and how warm they come out."""

    def __init__(self, rng: np.random.Generator):
        self.top = np.array(CLOTHES[rng.integers(len(CLOTHES))]) * rng.uniform(0.8, 1.15)
        self.legs = np.array(TROUSERS[rng.integers(len(TROUSERS))]) * rng.uniform(0.8, 1.2)
        self.skin = SKIN[rng.integers(len(SKIN))]
        self.hair = HAIR[rng.integers(len(HAIR))]
        self.top_heat, self.leg_heat = rng.uniform(8, 18), rng.uniform(8, 18)
        self.tall = rng.uniform(0.9, 1.06)
        self.build = rng.uniform(0.85, 1.2)
        self.facing = rng.random() < 0.5
        self.coat = rng.random() < 0.3
        self.skirt = rng.random() < 0.2
        self.short_sleeves = rng.random() < 0.35
        self.pack = rng.random() < 0.3
        self.bag = rng.random() < 0.25
        self.long_hair = rng.random() < 0.35


def _moved(point: np.ndarray, dx: float, dy: float) -> np.ndarray:
    return point + np.array((dx, dy))


def _leg(clay: Clay, wear: _Wardrobe, hip: np.ndarray, sign: int, step: tuple) -> None:
    side, rider, swing, lift = step
    if rider:
        foot = np.array([0.02 + 0.15 * sign * swing if side else 0.13 * sign,
                         0.30 + 0.15 * sign * lift])
        knee = _moved((hip + foot) / 2, *((0.22, 0.10) if side else (0.08 * sign, 0.02)))
    else:
        raised = 0.10 * max(0.0, lift * sign)
        spread = 0.33 * swing * sign if side else 0.09 * sign * wear.build
        foot = np.array([hip[0] + spread, 0.07 + raised])
        knee = _moved((hip + foot) / 2, 0.06 if side else 0.0, 0.02 + 0.6 * raised)
    start = _moved(hip, 0.0 if side else 0.085 * sign * wear.build, -0.03)
    cloth = wear.legs * (0.8 if sign < 0 else 1.0)
    bare = wear.skirt and not rider
    shin = np.array(wear.skin, np.float32) if bare else cloth
    clay.limb(start, knee, (0.095 * wear.build, 0.072), cloth, wear.leg_heat, PERSON)
    clay.limb(knee, foot, (0.068, 0.045), shin,
              17.0 if bare else 0.9 * wear.leg_heat, PERSON)
    toe = _moved(foot, *((0.13, -0.025) if side else (0.01, -0.03)))
    clay.limb(_moved(foot, 0.0, -0.02), toe, (0.045, 0.036), SHOE, 4.0, PERSON)


def _torso(clay: Clay, wear: _Wardrobe, hip: np.ndarray, neck: np.ndarray, side: bool,
           rider: bool) -> None:
    wide = (0.115 if side else 0.185) * wear.build
    waist = (0.105 if side else 0.145) * wear.build
    low = hip[1] - 0.06
    outline = [(low, waist), (hip[1] + 0.15, waist), (neck[1] - 0.16, wide),
               (neck[1] - 0.07, wide * 0.97), (neck[1] - 0.01, wide * 0.55),
               (neck[1] + 0.03, 0.05)]
    middle = (float(hip[0]), float(neck[0]))
    if wear.skirt and not rider:
        clay.trunk([(low - 0.35, waist * 1.35), (low + 0.06, waist)], wear.legs, wear.leg_heat,
                   PERSON, (middle[0], middle[0]))
    if wear.coat and not rider:
        outline[0] = (low - 0.32, waist * 1.3)
    clay.trunk(outline, wear.top, wear.top_heat * (0.75 if wear.coat else 1), PERSON, middle)
    if wear.pack and side:
        clay.limb((middle[0] - 0.2, neck[1] - 0.42), (middle[1] - 0.18, neck[1] - 0.16),
                  (0.12, 0.10), (50, 55, 75), 4.0, PERSON)
    elif wear.pack and not wear.facing:
        clay.trunk([(neck[1] - 0.5, 0.12), (neck[1] - 0.2, 0.14), (neck[1] - 0.05, 0.08)],
                   (50, 55, 75), 4.0, PERSON, middle)


def _arm(clay: Clay, wear: _Wardrobe, neck: np.ndarray, sign: int, step: tuple) -> None:
    side, rider, swing, _ = step
    joint = _moved(neck, (0.01 if side else 0.185 * wear.build) * sign, -0.085)
    if rider:
        elbow = _moved(neck, *((0.18, -0.27) if side else (0.27 * sign, -0.28)))
        hand = np.array([0.42, 1.04]) if side else np.array([0.24 * sign, 1.06])
    else:
        reach = -0.24 * swing * sign if side else 0.05 * sign
        elbow = _moved(joint, 0.4 * reach + (0.0 if side else 0.03 * sign), -0.27)
        hand = _moved(joint, reach + (0.05 if side else 0.0), -0.51)
    cloth = wear.top * np.float32(0.78 if sign < 0 else 0.9)
    clay.limb(joint, elbow, (0.062 * wear.build, 0.05), cloth, wear.top_heat, PERSON)
    clay.limb(elbow, hand, (0.047, 0.037),
              wear.skin if wear.short_sleeves else cloth,
              19.0 if wear.short_sleeves else 0.9 * wear.top_heat, PERSON)
    clay.limb(hand, _moved(hand, 0.0, -0.06), (0.04, 0.035), wear.skin, 17.0, PERSON)
    if wear.bag and sign > 0 and not rider:
        clay.trunk([(hand[1] - 0.42, 0.11), (hand[1] - 0.12, 0.1)], (120, 70, 55), 3.0, PERSON,
                   (float(hand[0]), float(hand[0])))


def _head(clay: Clay, wear: _Wardrobe, neck: np.ndarray, side: bool) -> None:
    x, chin = float(neck[0]) + 0.02 * side, float(neck[1]) + 0.06
    axis = (x, x)
    if wear.long_hair:
        clay.trunk([(chin - 0.12, 0.06), (chin + 0.1, 0.105), (chin + 0.2, 0.1)], wear.hair, 11.0,
                   PERSON, axis)
    clay.limb((x, neck[1] - 0.03), (x, chin + 0.06), (0.055, 0.055), wear.skin, 23.0, PERSON)
    face = wear.facing or side
    half = 0.088 if side else 0.08
    clay.trunk([(chin, 0.035), (chin + 0.03, 0.062), (chin + 0.12, half),
                (chin + 0.18, half * 0.9), (chin + 0.225, 0.05), (chin + 0.235, 0.01)],
               wear.skin if face else wear.hair, 24.0 if face else 13.0, PERSON, axis)
    bottom = chin + (0.15 if face else 0.07)
    hair_axis = (x - 0.025 * side, x - 0.01 * side)
    clay.trunk([(bottom, half * 0.98), (chin + 0.19, half), (chin + 0.235, 0.065),
                (chin + 0.252, 0.02)], wear.hair, 12.0, PERSON, hair_axis)
