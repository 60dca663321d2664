"""The synthetic rig: an RGB and a thermal camera side by side on a car that drives for ever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from vif_perception.config import RegistrationConfig, ThermalConfig
from vif_perception.errors import InputError
from vif_perception.sensing.registration import calibrate
from vif_perception.sim.faults import Fault, FaultInjector
from vif_perception.sim.light import light_at
from vif_perception.sim.render import Renderer
from vif_perception.sim.scene import Scene
from vif_perception.sim.sensors import ColorSensor, ThermalSensor
from vif_perception.sim.street import Textures
from vif_perception.sim.view import View
from vif_perception.types import Calibration, CameraModel, Frame

TimeOfDay = Literal['day', 'night', 'cycle']
START_NS = 1_750_000_000_000_000_000
SKEW_S, SKEW_JITTER_S, STAMP_JITTER_S = 0.010, 0.0012, 0.0004
SMALLEST, LARGEST = (160, 120), (1920, 1080)


@dataclass(frozen=True)
class Sample:
    """What the rig delivers for one RGB exposure.

    Attributes:
        index: counts from 0.
        stamp_ns: of the RGB exposure, as its frame carries it or would have carried it.
        rgb, thermal: rgb8 HxWx3 uint8 and mono16 HxW uint16 in centikelvin; None when lost.
        mask: HxW uint8 MFNet ids, in the RGB camera's geometry.
        rgb_received_ns, thermal_received_ns: when the frames arrive.
    """

    index: int
    stamp_ns: int
    rgb: Frame | None
    thermal: Frame | None
    mask: np.ndarray
    rgb_received_ns: int
    thermal_received_ns: int


class Rig:
    """Renders a drive through a street.

    Args:
        seed: decides the street, the traffic, jitter and noise; the same seed, the same bytes.
        size: (width, height) of the RGB images, 160x120 to 1920x1080.
        thermal_size: the same for the thermal images.
        rate_hz: exposures per second.
        time_of_day: day, night, or cycle (fades from day to night and back).
        faults: what goes wrong with the cameras.

    Attributes:
        rgb_camera, thermal_camera: camera models.
        t_rgb_thermal: 4x4, X_rgb = T X_thermal, metres.
        registration: configuration from which the calibration can be made.
        thermal: configuration of the thermal window: the street is 280 to 285 K and its people up
            to 300 K, which the general default would show nearly black.

    Raises:
        InputError: a size, rate, seed or time of day outside the range.
    """

    def __init__(self, seed: int = 0, *, size: tuple[int, int] = (640, 480),
                 thermal_size: tuple[int, int] = (640, 480), rate_hz: float = 15.0,
                 time_of_day: TimeOfDay = 'day', faults: Sequence[Fault] = ()):
        _check(seed, size, thermal_size, rate_hz, time_of_day)
        self.rate_hz = rate_hz
        self._seed = seed
        self._faults = tuple(faults)
        self.rgb_camera, self.thermal_camera = camera_models(size, thermal_size)
        self.t_rgb_thermal = _mounting()
        self.registration = RegistrationConfig(
            source='camera_info', plane_distance_m=16.0,
            t_rgb_thermal=tuple(map(float, self.t_rgb_thermal.ravel())),
        )
        self.thermal = ThermalConfig(window_min_k=272.0, window_max_k=302.0)
        self._scene = Scene(seed, time_of_day)
        textures = Textures(self._scene.style, seed)
        self._rgb = Renderer(View(self.rgb_camera, np.eye(4)), self._scene, textures)
        self._thermal = Renderer(
            View(self.thermal_camera, self.t_rgb_thermal), self._scene, textures)
        self._color_sensor = ColorSensor(size, seed)
        self._thermal_sensor = ThermalSensor(thermal_size, seed)

    @cached_property
    def calibration(self) -> Calibration:
        """How thermal pixels are found from RGB pixels, made from ``registration``."""
        return calibrate(self.registration, 'rgb', self.rgb_camera.size, self.thermal_camera.size,
                         self.rgb_camera, self.thermal_camera)

    def samples(self, count: int) -> Iterator[Sample]:
        """Yield the first ``count`` samples; each call starts again at the same first frame."""
        injector = FaultInjector(self._faults, self._seed)
        chance = np.random.default_rng((self._seed, 71))
        for index in range(count):
            yield self._sample(index, injector, chance)

    def _sample(self, index: int, injector: FaultInjector, chance: np.random.Generator) -> Sample:
        draws = chance.standard_normal(4)
        rgb_s = index / self.rate_hz + STAMP_JITTER_S * float(np.clip(draws[0], -3, 3))
        rgb_s = max(rgb_s, 0.0)
        thermal_s = rgb_s + SKEW_S + SKEW_JITTER_S * float(np.clip(draws[1], -3, 3))
        color, mask = self._rgb.rgb(rgb_s, self._light(rgb_s))
        kelvin = self._thermal.kelvin(thermal_s, self._light(thermal_s))
        rgb = Frame(START_NS + round(rgb_s * 1e9), self.rgb_camera.frame_id,
                    self._color_sensor.expose(color, index), 'rgb8')
        thermal = Frame(START_NS + round(thermal_s * 1e9), self.thermal_camera.frame_id,
                        self._thermal_sensor.centikelvin(kelvin, index), 'mono16')
        delays_ns = (np.array([14e6, 7e6]) + 1.5e6 * np.abs(draws[2:])).round().astype(int)
        altered_rgb, rgb_ns = injector.alter('rgb', rgb, rgb.stamp_ns + int(delays_ns[0]))
        altered_thermal, thermal_ns = injector.alter(
            'thermal', thermal, thermal.stamp_ns + int(delays_ns[1]))
        stamp_ns = rgb.stamp_ns if altered_rgb is None else altered_rgb.stamp_ns
        return Sample(index, stamp_ns, altered_rgb, altered_thermal, mask, rgb_ns, thermal_ns)

    def _light(self, time_s: float):
        return light_at(self._scene.daylight(time_s), self._scene.style, heads=0.8)


def _check(seed: int, size: tuple[int, int], thermal_size: tuple[int, int], rate_hz: float,
           time_of_day: str) -> None:
    low, high = 'x'.join(map(str, SMALLEST)), 'x'.join(map(str, LARGEST))
    for name, (width, height) in (('size', size), ('thermal_size', thermal_size)):
        if not (SMALLEST[0] <= width <= LARGEST[0] and SMALLEST[1] <= height <= LARGEST[1]):
            raise InputError(f'{name} is {width}x{height}', where='sim',
                             accepted=f'{low} to {high}')
    if not 0.1 <= rate_hz <= 240:
        raise InputError(f'rate_hz is {rate_hz}', where='sim', accepted='0.1 to 240')
    if seed < 0:
        raise InputError(f'seed is {seed}', where='sim', accepted='0 or more')
    if time_of_day not in get_args(TimeOfDay):
        raise InputError(f'time of day is {time_of_day!r}', where='sim',
                         accepted=', '.join(get_args(TimeOfDay)))


def camera_models(size: tuple[int, int], thermal_size: tuple[int, int]
                  ) -> tuple[CameraModel, CameraModel]:
    """Return the models of the RGB and the thermal camera for (width, height) in px."""
    focal = 1.1 * size[0]
    rgb = np.array([[focal, 0, size[0] * 0.502], [0, focal, size[1] * 0.497], [0, 0, 1]])
    # The thermal lens is a little wider, so that it covers what the RGB camera sees.
    focal *= 0.93 * min(thermal_size[0] / size[0], thermal_size[1] / size[1])
    thermal = np.array([[focal, 0, thermal_size[0] * 0.497], [0, focal, thermal_size[1] * 0.503],
                        [0, 0, 1]])
    return (
        CameraModel(size, rgb, np.array([-0.06, 0.012, 0.0004, -0.0003, 0.0]),
                    'rgb_optical_frame'),
        CameraModel(thermal_size, thermal, np.array([-0.11, 0.025, -0.0003, 0.0005, 0.0]),
                    'thermal_optical_frame'),
    )


def _mounting() -> np.ndarray:
    """Return T with X_rgb = T X_thermal: 12 cm to the right, not quite parallel."""
    yaw, pitch, roll = np.radians((0.35, -0.25, 0.2))
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)],
                        [0, np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0],
                        [0, 0, 1]])
    transform = np.eye(4)
    transform[:3, :3] = about_y @ about_x @ about_z
    transform[:3, 3] = (0.12, -0.02, 0.005)
    return transform
