"""Independent labelled pictures for training: another street, hour and weather for each seed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vif_perception.sim.light import light_at
from vif_perception.sim.render import Renderer
from vif_perception.sim.scene import Scene
from vif_perception.sim.sensors import ColorSensor, ThermalSensor
from vif_perception.sim.street import Textures
from vif_perception.sim.view import View
from vif_perception.types import CameraModel

WINDOW_K = (278.0, 318.0)


def training_sample(seed: int, size: tuple[int, int] = (640, 480)
                    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Render one aligned pair (no parallax, no distortion) with its mask.

    Args:
        seed: decides everything; the same seed gives the same bytes.
        size: (width, height), px.

    Returns:
        rgb HxWx3 uint8, thermal HxW uint8 (0..255 is 278..318 K), mask HxW uint8 (MFNet ids).
    """
    return next(still_exposures(seed, 1, size))


def still_exposures(seed: int, count: int, size: tuple[int, int] = (640, 480), *,
                    night: bool | None = None
                    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Expose a scene in which nothing moves again and again: only the sensors' noise differs.

    Args:
        seed, size: as of ``training_sample``, which is the first exposure.
        count: of exposures; night: time of day, by default the seed's.
    """
    rng = np.random.default_rng((seed, 51))
    drawn = rng.random() < 0.5
    night = bool(drawn) if night is None else night
    scene = Scene(seed, 'night' if night else 'day')
    view = View(_camera(size, rng), np.eye(4))
    renderer = Renderer(view, scene, Textures(scene.style, seed))
    light = light_at(
        float(not night), scene.style, heads=rng.choice([0.0, rng.uniform(0.1, 1.0)]),
        exposure=rng.uniform(0.45, 1.4), floor=rng.uniform(0.001, 0.012),
        air_k=rng.normal(281.0, 1.3) + (0.0 if night else 1.2), contrast=rng.uniform(0.7, 1.6),
    )
    time_s = float(rng.uniform(0, 60))
    linear, mask = renderer.rgb(time_s, light)
    color = ColorSensor(size, seed, rng.uniform(0.8, 3.0))
    heat = ThermalSensor(size, seed, rng.uniform(0.03, 0.15))
    scene_k = renderer.kelvin(time_s, light)
    low, high = WINDOW_K
    for index in range(count):
        kelvin = heat.kelvin(scene_k, index)
        thermal = np.clip((kelvin - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
        yield color.expose(linear, index), thermal, mask


def _camera(size: tuple[int, int], rng: np.random.Generator) -> CameraModel:
    width, height = size
    focal = width * rng.uniform(0.95, 1.8)
    matrix = np.array([[focal, 0, width / 2], [0, focal, height * rng.uniform(0.44, 0.54)],
                       [0, 0, 1.0]])
    return CameraModel(size, matrix, np.zeros(5))
