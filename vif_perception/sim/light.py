"""The light and the air temperature at a time, and the light that reaches a place at night."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vif_perception.sim.style import LAMPS, PERIOD_M, Style

HEADLIGHT = np.array((1.0, 0.97, 0.88), np.float32)


@dataclass(frozen=True)
class Light:
    """Linear light levels, 1 renders white as white.

    Attributes:
        ambient: 3, light of the sky.
        night: 0..1, how far lamps and lit windows are on.
        heads: strength of our own headlights.
        air_k: air temperature, K; contrast: factor on all heat differences.
    """

    ambient: np.ndarray
    night: float
    heads: float
    air_k: float
    contrast: float


def light_at(daylight: float, style: Style, *, heads: float = 1.0, exposure: float = 1.0,
             floor: float = 0.006, air_k: float | None = None, contrast: float = 1.0) -> Light:
    """Return the light for daylight 0..1; exposure scales the day, floor is the night's sky."""
    dusk = np.array((1.0, 0.86 + 0.14 * daylight, 0.80 + 0.2 * daylight), np.float32)
    day = np.float32(daylight ** 2.2 * exposure) * dusk
    night = float(np.clip((0.45 - daylight) / 0.35, 0, 1))
    ambient = day + np.float32(floor) * np.array((0.8, 1.0, 0.95), np.float32)
    air = air_k if air_k is not None else 280.4 + 2.2 * daylight
    return Light(ambient, night, heads * night, air, contrast)


def at_places(light: Light, style: Style, x: np.ndarray, z: np.ndarray, ego_z: float
              ) -> np.ndarray:
    """Return Nx3 linear light on upright objects at N places (x, z) ahead of us."""
    total = np.repeat(light.ambient[None], len(x), axis=0)
    if light.night > 0:
        pool = np.zeros(len(x))
        for sign, place in LAMPS:
            dz = (z + ego_z - place + PERIOD_M / 2) % PERIOD_M - PERIOD_M / 2
            squared = dz * dz + (x - sign * (style.road_half_m + 0.6)) ** 2
            pool += 1 / (1 + squared / 14.0) ** 1.5
        total += style.lamp_level * light.night * pool[:, None] * np.array(style.lamp_color)
        total += light.heads * beam(x, z)[:, None] * HEADLIGHT
    return total


def beam(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the light of our own headlights at (x, z) on the ground or just above."""
    spread = np.exp(-((x / (0.32 * np.abs(z) + 1.2)) ** 2))
    return (0.55 * spread * np.clip(z / 5.0, 0, 1) / (1 + (z / 11.0) ** 2)).astype(np.float32)
