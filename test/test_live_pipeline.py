"""What live doors need of the pipeline: warm-up, other settings, errors of their own, pictures."""

from __future__ import annotations

import numpy as np
import pytest

from fakes import FakeEngine
from vif_perception.config import load_config
from vif_perception.labels import MFNET
from vif_perception.pipeline import Pipeline, pictures
from vif_perception.pipeline.view import View
from vif_perception.types import Calibration, Frame, Mode, Perception

MS = 1_000_000


def frames(seed: int, stamp_ns: int, skew_ns: int = 0) -> tuple[Frame, Frame]:
    random = np.random.default_rng(seed)
    rgb = random.integers(0, 256, (48, 64, 3), np.uint8)
    thermal = random.integers(29_000, 31_000, (48, 64)).astype(np.uint16)
    return (
        Frame(stamp_ns, 'rgb_optical', rgb, 'rgb8'),
        Frame(stamp_ns + skew_ns, 'thermal_optical', thermal, 'mono16'),
    )


def test_warming_up_runs_the_engine_and_counts_nothing() -> None:
    engine = FakeEngine()
    pipeline = Pipeline(load_config(), engine)
    pipeline.warm_up()
    assert len(engine.calls) == 1
    assert pipeline.health(0).processed == 0
    engine.fail.append(MemoryError('none left'))
    with pytest.raises(MemoryError):
        pipeline.warm_up()


def test_other_settings_hold_from_the_next_frame_on() -> None:
    pipeline = Pipeline(load_config(sets=['sync.max_skew_ms=5']), FakeEngine())
    assert pipeline.offer('rgb', frames(1, 1000 * MS)[0], 0) == []
    pipeline.reconfigure(load_config(sets=[
        'sync.max_skew_ms=50', 'sync.thermal_offset_ms=-20', 'fallback.stale_ms=7',
        'thermal.profile=kelvin',
    ]))
    assert pipeline.health(0).drops == {'reset': 1}
    assert pipeline.thermal_profile == 'kelvin'
    rgb, thermal = frames(2, 2000 * MS, 20 * MS)
    pipeline.offer('rgb', rgb, 0)
    (pair,) = pipeline.offer('thermal', thermal, 0) or pipeline.flush()
    assert pair.skew_ns == 0
    assert pipeline.health(8 * MS).mode is Mode.STALE


def test_errors_of_a_door_are_told_until_the_next_output() -> None:
    pipeline = Pipeline(load_config(), FakeEngine())
    assert pipeline.report(OSError('no route'))
    assert not pipeline.report(OSError('no route'))
    health = pipeline.health(0)
    assert (health.mode, health.errors, health.last_error) == (Mode.ERROR, 2, 'OSError: no route')
    rgb, thermal = frames(1, 1000 * MS)
    pipeline.offer('rgb', rgb, 0)
    for pair in pipeline.offer('thermal', thermal, 0) or pipeline.flush():
        pipeline.process(pair)
    assert pipeline.health(0).mode is Mode.FUSED


def test_a_registration_score_comes_with_the_first_pair() -> None:
    pipeline = Pipeline(load_config(), FakeEngine())
    assert pipeline.health(0).registration_score is None
    rgb, thermal = frames(1, 1000 * MS)
    pipeline.offer('rgb', rgb, 0)
    for pair in pipeline.offer('thermal', thermal, 0) or pipeline.flush():
        pipeline.process(pair)
    health = pipeline.health(0)
    assert health.registration_score is not None
    assert 0 <= health.registration_score < 0.2  # noise has nothing in common with noise
    pipeline.reset()
    assert pipeline.health(0).registration_score is None


def view(**changes: object) -> View:
    rgb, thermal = frames(1, 0)
    fields = {
        'rgb': rgb.data, 'thermal': thermal.data, 'bgr': False, 'window': (29_000.0, 31_000.0),
        'calibration': Calibration('rgb', (64, 48), (64, 48), None), **changes,
    }
    return View(**fields)  # type: ignore[arg-type]


def test_the_overlay_shows_classes_over_the_fused_picture() -> None:
    mask = np.zeros((2, 3), np.uint8)
    mask[0] = 1, 255, 8
    fused = np.full((2, 3, 3), 100, np.uint8)
    result = Perception(0, '', fused, mask, mask, {}, Mode.FUSED)
    picture = pictures.overlay(result, MFNET)
    np.testing.assert_array_equal(picture[0, 0], np.array(MFNET.colors[1]) // 2 + 50)
    np.testing.assert_array_equal(picture[0, 2], np.array(MFNET.colors[8]) // 2 + 50)
    assert (picture[0, 1] == 100).all()  # 255: not labelled
    assert (picture[1] == 100).all()


def test_the_registration_picture_needs_both_cameras() -> None:
    picture = pictures.registration(view())
    assert picture is not None
    assert (picture.shape, picture.dtype) == ((48, 64, 3), np.uint8)
    np.testing.assert_array_equal(picture[..., 1], picture[..., 2])
    assert pictures.registration(view(rgb=None)) is None
    assert pictures.registration(view(thermal=None)) is None


def test_kelvin_are_given_where_they_are_known() -> None:
    thermal = frames(1, 0)[1].data
    whole = pictures.kelvin(view(), 'lepton_tlinear')
    assert whole is not None
    np.testing.assert_allclose(whole, thermal / 100, rtol=1e-6)
    assert pictures.kelvin(view(), 'counts') is None
    assert pictures.kelvin(view(thermal=None), 'lepton_tlinear') is None
    u, v = np.meshgrid(np.arange(64, dtype=np.float32), np.arange(48, dtype=np.float32))
    grid = np.stack((u + 10, v), axis=2)
    moved = pictures.kelvin(
        view(calibration=Calibration('rgb', (64, 48), (64, 48), grid)), 'lepton_tlinear'
    )
    assert moved is not None
    np.testing.assert_array_equal(moved[:, :54], whole[:, 10:])
    assert np.isnan(moved[:, 54:]).all()
