"""Sprites of people, bikes, cones and posts, each drawn once for an appearance and a phase."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from vif_perception.sim.sprite import Clay, Sprite

PERSON, BIKE, CAR_STOP, CONE = 2, 3, 5, 7
PHASES = 8

CLOTHES = ((45, 45, 50), (70, 72, 80), (40, 52, 80), (120, 60, 55), (160, 150, 135),
           (205, 205, 205), (85, 95, 70), (60, 85, 125), (185, 50, 45), (98, 78, 62))
SKIN = ((205, 165, 140), (180, 135, 105), (140, 98, 74), (222, 186, 162))


@lru_cache(maxsize=512)
def person(seed: int, phase: int, side: bool, rider: bool = False) -> Sprite:
    """Draw a walking person, or one on a bike, 120 px per metre.

    Args:
        seed: decides build, clothes and bags.
        phase: 0..PHASES-1 of the stride; negative: standing.
        side: seen from the side, else from the front or back.
        rider: sits on a bike.
    """
    rng = np.random.default_rng((seed, 11))
    clay = Clay((2.1 if rider else 1.1, 1.95), 120.0)
    top = np.float32(CLOTHES[rng.integers(len(CLOTHES))]) * rng.uniform(0.8, 1.15)
    trousers = np.float32(CLOTHES[rng.integers(4)]) * rng.uniform(0.8, 1.2)
    skin = SKIN[rng.integers(len(SKIN))]
    hair = ((28, 24, 22), (60, 44, 34), (110, 105, 100))[rng.integers(3)]
    warm_top, warm_legs = rng.uniform(6, 14), rng.uniform(7, 15)
    tall = rng.uniform(0.9, 1.05)
    build = rng.uniform(0.85, 1.15)
    facing = rng.random() < 0.5
    swing = 0.0 if phase < 0 else float(np.sin(2 * np.pi * phase / PHASES))
    lift = 0.0 if phase < 0 else float(np.cos(2 * np.pi * phase / PHASES))
    lean = 0.16 if rider else 0.0
    hip = np.array([-0.12 if rider else 0.0, 0.92 if rider else 0.9 * tall])
    neck = hip + (lean, 0.53 * tall)
    if rider:
        _bike(clay, rng)
    for sign in (-1, 1):  # legs
        if rider:
            pedal = np.array([0.05 + 0.15 * sign * swing, 0.3 + 0.15 * sign * lift])
            knee = (hip + pedal) / 2 + (0.2, 0.08)
        else:
            forward = 0.30 * swing * sign if side else 0.04 * swing * sign
            raised = 0.10 * max(0.0, lift * sign)
            pedal = np.array([(0.0 if side else 0.10 * sign * build) + forward, 0.06 + raised])
            knee = hip + (pedal - hip) * 0.5 + ((0.06 if side else 0.0), 0.02 + raised * 0.6)
        shade = 0.8 if sign < 0 else 1.0
        hips = hip + (0 if side or rider else 0.09 * sign * build, 0)
        clay.limb(tuple(hips), tuple(knee), (0.1 * build, 0.075), tuple(trousers * shade),
                  warm_legs, PERSON)
        clay.limb(tuple(knee), tuple(pedal), (0.075, 0.05), tuple(trousers * shade),
                  warm_legs * 0.9, PERSON)
        clay.limb(tuple(pedal + (0, -0.01)), tuple(pedal + (0.1 if side or rider else 0.01, -0.02)),
                  (0.045, 0.04), (38, 34, 32), 4.0, PERSON)
    _upper_body(clay, rng, hip, neck, side or rider, swing, build, top, skin, warm_top, rider)
    head = neck + (0.02 if side else 0, 0.22 * tall)
    clay.limb(tuple(neck), tuple(head), (0.055, 0.07), skin, 21.0, PERSON)
    clay.limb(tuple(head + (0, -0.03)), tuple(head + (0, 0.05)), (0.085, 0.095),
              skin if facing or side else hair, 22.0 if facing or side else 14.0, PERSON)
    clay.limb(tuple(head + (-0.02, 0.06)), tuple(head + (0.01, 0.09)), (0.095, 0.08), hair, 12.0,
              PERSON)
    return clay.sprite()


def _upper_body(clay: Clay, rng: np.random.Generator, hip: np.ndarray, neck: np.ndarray,
                side: bool, swing: float, build: float, top: np.ndarray,
                skin: tuple[float, float, float], warm: float, rider: bool) -> None:
    shoulder = (0.05 if side else 0.17) * build
    coat = rng.random() < 0.3 and not rider
    bare = rng.random() < 0.35
    bag = rng.random()
    for sign in (-1, 1):
        joint = neck + (sign * shoulder, -0.07)
        if rider:
            elbow, hand = neck + (0.2, -0.25), np.array([0.42, 1.02])
        else:
            reach = -0.22 * swing * sign if side else 0.03 * sign
            elbow = joint + (reach * 0.4 + (0 if side else 0.04 * sign), -0.27)
            hand = joint + (reach + (0 if side else 0.05 * sign), -0.52)
        clay.limb(tuple(joint), tuple(elbow), (0.062 * build, 0.05), tuple(top * 0.85), warm, PERSON)
        clay.limb(tuple(elbow), tuple(hand), (0.048, 0.04), skin if bare else tuple(top * 0.85),
                  19.0 if bare else warm * 0.9, PERSON)
        clay.limb(tuple(hand), tuple(hand + (0, -0.05)), (0.042, 0.035), skin, 17.0, PERSON)
        if sign < 0:  # the torso hides the far arm
            low = hip + (0, -0.02)
            wide = (0.10 if side else 0.13) * build
            clay.limb(tuple(low), tuple(neck + (0, -0.15)), (wide, wide * 1.15), tuple(top), warm,
                      PERSON)
            if not side:
                clay.limb(tuple(neck + (-shoulder, -0.07)), tuple(neck + (shoulder, -0.07)),
                          (0.075, 0.075), tuple(top), warm, PERSON)
            if coat:
                clay.patch((low[0] - wide * 1.3, low[0] + wide * 1.3, hip[1] - 0.4, hip[1] + 0.2),
                           tuple(top * 0.9), warm * 0.8, PERSON, 0.25)
            if side and bag < 0.35:
                clay.limb(tuple(neck + (-0.17, -0.4)), tuple(neck + (-0.17, -0.16)), (0.11, 0.1),
                          (50, 55, 75), 4.0, PERSON)
    if not rider and 0.35 < bag < 0.55:
        clay.patch((0.14, 0.36, hip[1] - 0.42, hip[1] - 0.12), (120, 70, 55), 3.0, PERSON, 0.1)


@lru_cache(maxsize=256)
def bike(seed: int, squeeze: int) -> Sprite:
    """Draw a parked bike, seen at an angle: squeeze 1 (side) .. 4 (nearly end on)."""
    rng = np.random.default_rng((seed, 12))
    clay = Clay((2.0 / squeeze + 0.3, 1.2), 110.0)
    _bike(clay, rng, 1.0 / squeeze)
    return clay.sprite()


def _bike(clay: Clay, rng: np.random.Generator, width: float = 1.0) -> None:
    paint = ((170, 175, 180), (150, 40, 40), (45, 60, 110), (40, 40, 42), (60, 120, 130)
             )[rng.integers(5)]
    rear, front, crank = -0.53 * width, 0.53 * width, -0.06 * width
    for centre in (rear, front):
        _wheel(clay, centre, width)
    saddle, bars = (-0.22 * width, 0.88), (0.40 * width, 1.02)
    for start, end, radius in (
        ((rear, 0.34), (crank, 0.3), 0.014), ((crank, 0.3), saddle, 0.018),
        ((rear, 0.34), (saddle[0], 0.75), 0.012), ((crank, 0.3), (bars[0] * 0.88, 0.82), 0.02),
        ((saddle[0], 0.72), (bars[0] * 0.88, 0.85), 0.018), ((front, 0.34), bars, 0.018),
    ):
        clay.limb(start, end, (radius, radius), paint, 2.0, BIKE)
    clay.limb((saddle[0] - 0.1 * width, 0.91), (saddle[0] + 0.1 * width, 0.92), (0.045, 0.03),
              (30, 28, 28), 2.5, BIKE)
    clay.limb((bars[0] - 0.1 * width, 1.03), (bars[0] + 0.04, 1.03), (0.02, 0.02), (40, 40, 40),
              2.0, BIKE)
    if rng.random() < 0.6:
        clay.patch((bars[0] - 0.02, bars[0] + 0.3 * width + 0.05, 0.76, 0.98), (120, 118, 112), 1.5,
                   BIKE, -0.15)
    if rng.random() < 0.5:
        clay.limb((rear - 0.15 * width, 0.74), (saddle[0] - 0.1 * width, 0.74), (0.02, 0.02),
                  (90, 90, 92), 2.0, BIKE)


def _wheel(clay: Clay, centre: float, width: float) -> None:
    x, y = (clay.x[None, :] - centre) / width, clay.y[:, None] - 0.34
    radius = np.sqrt(x * x + y * y)
    soft = clay.scale * width
    ring = np.clip((0.035 - np.abs(radius - 0.31)) * soft + 0.5, 0, 1)
    spokes = (np.abs(np.sin(np.arctan2(y, x) * 7)) < 0.14) & (radius < 0.3)
    cover = np.maximum(ring, spokes * 0.45)
    everywhere = (slice(None), slice(None))
    clay._lay(everywhere, cover, np.float32((34, 33, 34)) + 70 * (spokes & (ring < 0.5))[..., None],
              np.full(cover.shape, 2.2, np.float32), BIKE)
    clay.label[radius < 0.34] = BIKE  # data sets label the whole disc


@lru_cache(maxsize=64)
def cone(seed: int) -> Sprite:
    """Draw a traffic cone with reflecting bands."""
    rng = np.random.default_rng((seed, 13))
    clay = Clay((0.5, 0.78), 130.0)
    body = ((225, 70, 40), (215, 60, 60), (200, 80, 50))[rng.integers(3)]
    clay.patch((-0.2, 0.2, 0.0, 0.05), tuple(np.float32(body) * 0.7), 1.0, CONE)
    clay.patch((-0.15, 0.15, 0.05, 0.72), body, 1.6, CONE, 0.8)
    if rng.random() < 0.7:
        clay.patch((-0.105, 0.105, 0.26, 0.38), (235, 235, 232), 1.4, CONE, 0.2)
        clay.patch((-0.07, 0.07, 0.48, 0.57), (235, 235, 232), 1.4, CONE, 0.2)
    return clay.sprite()


@lru_cache(maxsize=64)
def stop(seed: int) -> Sprite:
    """Draw a car stop: a post or a hoop that keeps cars out (Japanese kuruma-dome)."""
    rng = np.random.default_rng((seed, 14))
    metal = ((190, 192, 195), (210, 175, 60), (150, 110, 80), (95, 98, 100))[rng.integers(4)]
    heat = float(rng.uniform(0.5, 2.5))
    if rng.random() < 0.6:
        clay = Clay((0.3, 0.95), 120.0)
        clay.limb((0, 0.02), (0, 0.8), (0.065, 0.06), metal, heat, CAR_STOP)
        clay.patch((-0.062, 0.062, 0.55, 0.63), (225, 225, 220), heat, CAR_STOP)
        return clay.sprite()
    clay = Clay((1.1, 0.85), 100.0)
    for start, end in (((-0.4, 0.0), (-0.4, 0.68)), ((-0.4, 0.68), (0.4, 0.68)),
                       ((0.4, 0.68), (0.4, 0.0)), ((-0.4, 0.35), (0.4, 0.35))):
        clay.limb(start, end, (0.038, 0.038), metal, heat, CAR_STOP)
    clay.label[(np.abs(clay.x)[None, :] < 0.42) & (clay.y < 0.7)[:, None]] = CAR_STOP
    return clay.sprite()
