"""Edge agreement of both cameras: found in spite of other brightness, and how far it slid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vif_perception.pipeline import registration_monitor
from vif_perception.pipeline.registration_monitor import ENOUGH, EVERY, RegistrationMonitor
from vif_perception.pipeline.view import View
from vif_perception.sensing import alignment
from vif_perception.types import Calibration

SIZE = (320, 240)


def scene(seed: int, shift: tuple[int, int] = (0, 0)) -> tuple[np.ndarray, np.ndarray]:
    """Return rgb and mono16 pictures of boxes; the thermal ones have other values, and noise."""
    random = np.random.default_rng(seed)
    width, height = SIZE
    rgb = np.full((height, width), 120.0)
    heat = np.full((height, width), 29_000.0)
    for _ in range(12):
        x, y = random.integers(40, width - 80), random.integers(40, height - 80)
        w, h = random.integers(10, 40, 2)
        rgb[y:y + h, x:x + w] = random.integers(0, 256)
        heat[y:y + h, x:x + w] = random.integers(28_000, 31_000)
    rgb += random.normal(0, 4, rgb.shape)
    heat = np.roll(heat, shift[::-1], (0, 1)) + random.normal(0, 20, heat.shape)
    colour = np.repeat(np.clip(rgb, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return colour, heat.astype(np.uint16)


def watched(
    shift: tuple[int, int], looks: int = ENOUGH, calibration: Calibration | None = None
) -> RegistrationMonitor:
    monitor = RegistrationMonitor()
    calibration = calibration or Calibration('rgb', SIZE, SIZE, None)
    for seed in range(looks):
        rgb, heat = scene(seed, shift)
        for _ in range(EVERY):
            monitor.keep(View(rgb, heat, False, (28_000, 31_000), calibration))
        monitor.look()
    return monitor


def test_nothing_is_known_before_the_first_look() -> None:
    monitor = RegistrationMonitor()
    monitor.look()
    assert (monitor.score, monitor.shift_px) == (None, None)


def test_aligned_cameras_agree() -> None:
    monitor = watched((0, 0))
    assert monitor.score is not None
    assert monitor.score > 0.2
    assert monitor.shift_px is None


@pytest.mark.parametrize('shift', [(8, 0), (-12, 6), (0, -20), (28, 14)])
def test_a_knocked_mount_is_found(shift: tuple[int, int]) -> None:
    monitor = watched(shift)
    assert monitor.shift_px == shift
    aligned = watched((0, 0)).score
    assert monitor.score is not None
    assert aligned is not None
    assert monitor.score < aligned / 2


def test_a_drift_is_not_told_from_a_few_looks() -> None:
    assert watched((12, 0), looks=ENOUGH - 1).shift_px is None


def test_pictures_with_nothing_in_common_say_nothing() -> None:
    monitor = RegistrationMonitor()
    calibration = Calibration('rgb', SIZE, SIZE, None)
    for seed in range(ENOUGH + 2):
        view = View(scene(seed)[0], scene(seed + 50)[1], False, (0, 1), calibration)
        for _ in range(EVERY):
            monitor.keep(view)
        monitor.look()
    assert monitor.score is not None
    assert monitor.score < 0.1
    assert monitor.shift_px is None


def test_a_calibration_that_undoes_the_shift_agrees() -> None:
    width, height = SIZE
    u, v = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    grid = np.stack((u + 16, v), axis=2)
    monitor = watched((16, 0), calibration=Calibration('rgb', SIZE, SIZE, grid))
    assert monitor.score is not None
    assert monitor.score > 0.2
    assert monitor.shift_px is None


def test_another_calibration_begins_afresh() -> None:
    monitor = watched((12, 0))
    rgb, heat = scene(1)
    monitor.keep(View(rgb, heat, False, (0, 1), Calibration('rgb', SIZE, SIZE, None)))
    assert (monitor.score, monitor.shift_px) == (None, None)
    monitor.look()
    assert monitor.score is not None


def test_one_camera_alone_and_uniform_pictures_are_left_out() -> None:
    monitor = RegistrationMonitor()
    calibration = Calibration('rgb', SIZE, SIZE, None)
    rgb, heat = scene(1)
    monitor.keep(View(rgb, None, False, (0, 1), calibration))
    monitor.keep(View(None, heat, False, (0, 1), calibration))
    monitor.look()
    monitor.keep(View(rgb, np.full_like(heat, 7), False, (0, 1), calibration))
    monitor.look()
    assert monitor.score is None


def test_only_one_of_many_outputs_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    monkeypatch.setattr(registration_monitor, '_surface', lambda view: looks.append(view))
    monitor = RegistrationMonitor()
    calibration = Calibration('rgb', SIZE, SIZE, None)
    view = View(*scene(1), False, (0, 1), calibration)
    for _ in range(3 * EVERY):
        monitor.keep(view)
        monitor.look()
        monitor.look()
    assert len(looks) == 3


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_any_size_is_sampled(width: int, height: int, kind: int) -> None:
    image = np.arange(width * height, dtype=np.uint16).reshape(height, width)
    size = (width * 10, height * 10) if kind else (width, height)
    grid = None
    if kind:
        u, v = np.meshgrid(np.linspace(-2, width + 1, size[0]), np.linspace(0, height, size[1]))
        grid = np.stack((u, v), axis=2).astype(np.float32)
    small = alignment.sampled(image, grid, size)
    assert max(small.shape) <= alignment.SIDE
    surface = alignment.correlation(small, small)
    if surface is not None:
        assert surface[0, 0] == pytest.approx(1, abs=1e-3)
