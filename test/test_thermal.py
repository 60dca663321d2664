from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vif_perception.config import ThermalConfig
from vif_perception.errors import InputError
from vif_perception.sensing.profiles import PROFILES
from vif_perception.sensing.thermal import ThermalWindow, to_kelvin
from vif_perception.types import Frame

RAW16 = Path(__file__).resolve().parents[1].parent / 'shared' / 'data' / 'raw16' / 'thermal'
SECOND = 1_000_000_000


def frame(data, stamp_ns=0):
    encodings = {'uint8': 'mono8', 'uint16': 'mono16', 'float32': '32FC1'}
    return Frame(stamp_ns, 'thermal', data, encodings[data.dtype.name])


def scene(middle, spread, dtype=np.uint16, seed=0):
    """A gradient with texture, values about middle +- spread."""
    random = np.random.default_rng(seed)
    ramp = np.linspace(-1, 1, 80)[None, :] * 0.8 + random.uniform(-0.2, 0.2, (60, 80))
    return (middle + spread * ramp).astype(dtype)


def shown(data, window):
    return np.clip((data - window[0]) / (window[1] - window[0]), 0, 1)


def test_every_profile_is_a_choice_of_the_configuration():
    choices = ThermalConfig.model_fields['profile'].annotation.__args__
    assert set(choices) == set(PROFILES) | {'auto'}


@pytest.mark.parametrize('profile, dtype, raw, kelvin', [
    ('lepton_tlinear', np.uint16, 30015, 300.15),
    ('optris', np.uint16, 1000, 273.15),
    ('optris', np.uint16, 1365, 309.65),
    ('gazebo_l16', np.uint16, 28815, 288.15),
    ('gazebo_l8', np.uint8, 100, 300.0),
    ('kelvin', np.float32, 310.5, 310.5),
    ('celsius', np.float32, -10.0, 263.15),
])
def test_kelvin_and_the_fixed_window_agree(profile, dtype, raw, kelvin):
    data = np.full((2, 3), raw, dtype)
    found = to_kelvin(profile, data)
    assert found.dtype == np.float32
    assert found == pytest.approx(kelvin, abs=1e-3)
    window = ThermalWindow(ThermalConfig(
        profile=profile, window_min_k=kelvin - 10, window_max_k=kelvin + 30,
    ))
    assert shown(data.astype(float), window.update(frame(data))) == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize('profile, dtype', [
    ('boson_raw', np.uint16), ('counts', np.uint16), ('agc8', np.uint8),
])
def test_kelvin_of_values_without_unit_is_refused(profile, dtype):
    with pytest.raises(InputError, match=r'no temperature unit.*lepton_tlinear.*thermal.profile'):
        to_kelvin(profile, np.zeros((2, 2), dtype))


@pytest.mark.parametrize('profile, dtype', [
    ('lepton_tlinear', np.uint8), ('kelvin', np.uint16), ('agc8', np.uint16),
    ('gazebo_l8', np.uint16), ('boson_raw', np.float32), ('optris', np.float32),
])
def test_profile_that_cannot_describe_the_values_is_refused(profile, dtype):
    window = ThermalWindow(ThermalConfig(profile=profile))
    with pytest.raises(InputError, match=f'{profile} cannot describe'):
        window.update(frame(np.ones((4, 4), dtype)))
    with pytest.raises(InputError, match=f'{profile} cannot describe'):
        to_kelvin(profile, np.ones((4, 4), dtype))


@pytest.mark.parametrize('data, profile', [
    (scene(120, 90, np.uint8), 'agc8'),
    (scene(29_500, 1500), 'lepton_tlinear'),
    (scene(8_000, 400), 'counts'),
    (scene(18_300, 300), 'counts'),
    (scene(50_000, 900), 'counts'),
    (scene(295, 15, np.float32), 'kelvin'),
    (scene(20, 15, np.float32), 'celsius'),
    (scene(0.5, 0.4, np.float32), 'counts'),
    (scene(9000, 400, np.float32), 'counts'),
    (scene(24_000, 300), 'counts'),  # 240 K: with the default window all black, so show counts
])
def test_auto_profile(data, profile):
    window = ThermalWindow(ThermalConfig())
    assert window.profile == 'auto'
    low, high = window.update(frame(data))
    assert window.profile == profile
    picture = shown(data.astype(float), (low, high))
    assert picture.max() - picture.min() > 0.3


def test_auto_overlooks_dead_pixels_and_missing_values():
    data = scene(295, 15, np.float32)
    data[:4], data[4:6], data[6, :10] = np.nan, np.inf, 0.0
    window = ThermalWindow(ThermalConfig())
    assert window.update(frame(data)) == (278.0, 318.0)
    assert window.profile == 'kelvin'


@pytest.mark.parametrize('useless', [
    np.full((6, 8), 29_500, np.uint16), np.full((6, 8), np.nan, np.float32),
    np.zeros((6, 8), np.float32),
])
def test_auto_is_decided_on_the_first_frame_that_shows_something(useless):
    window = ThermalWindow(ThermalConfig())
    low, high = window.update(frame(useless))
    assert np.isfinite((low, high)).all()
    assert low < high
    assert window.profile == 'auto'
    window.update(frame(scene(8000, 400), SECOND))
    assert window.profile == 'counts'


def test_auto_is_kept_until_reset():
    window = ThermalWindow(ThermalConfig())
    window.update(frame(scene(8000, 400)))
    window.update(frame(scene(29_500, 1500), SECOND))
    assert window.profile == 'counts'
    with pytest.raises(InputError, match=r'counts cannot describe mono8.*reset'):
        window.update(frame(scene(120, 90, np.uint8), SECOND))
    window.reset()
    window.update(frame(scene(29_500, 1500)))
    assert window.profile == 'lepton_tlinear'


def test_8_bit_is_shown_as_the_camera_made_it_unless_asked():
    data = scene(120, 20, np.uint8)
    assert ThermalWindow(ThermalConfig()).update(frame(data)) == (0.0, 255.0)
    asked = ThermalWindow(ThermalConfig(gain='per_frame_minmax'))
    assert asked.update(frame(data)) == (float(data.min()), float(data.max()))
    colour = Frame(0, '', np.repeat(data[..., None], 3, axis=2), 'rgb8')
    assert ThermalWindow(ThermalConfig()).update(colour) == (0.0, 255.0)


@pytest.mark.parametrize('gain', ['percentile', 'per_frame_minmax'])
@pytest.mark.parametrize('data', [
    np.full((3, 4), 9000, np.uint16), np.zeros((1, 1), np.uint16),
    np.full((3, 4), 65535, np.uint16), np.full((3, 4), 1e9, np.float32),
    np.full((3, 4), np.nan, np.float32), np.full((3, 4), -np.inf, np.float32),
])
def test_flat_images_give_a_valid_window(gain, data):
    window = ThermalWindow(ThermalConfig(profile='counts', gain=gain))
    for index in range(3):
        low, high = np.float32(window.update(frame(data, index * SECOND)))
        assert np.isfinite((low, high)).all()
        assert low < high


def test_percentiles_leave_out_the_configured_tails():
    data = np.arange(10_000, dtype=np.uint16).reshape(100, 100)
    window = ThermalWindow(ThermalConfig(profile='counts', percentile_low=5, percentile_high=90))
    assert window.update(frame(data)) == pytest.approx((500, 9000), abs=2)


def test_a_hot_object_changes_the_picture_slowly():
    window = ThermalWindow(ThermalConfig(profile='counts', smoothing_s=2.0))
    calm = scene(8000, 400)
    hot = calm.copy()
    hot[:6, :40] = 12_000
    start = window.update(frame(calm))
    following = [window.update(frame(hot, index * SECOND // 10)) for index in range(1, 101)]
    assert following[0][1] - start[1] == pytest.approx(
        (1 - np.exp(-0.05)) * (12_000 - start[1]), rel=0.01
    )
    assert following[19][1] == pytest.approx(
        12_000 - (12_000 - start[1]) * np.exp(-1), rel=0.01
    )
    assert following[-1][1] == pytest.approx(12_000, rel=0.01)
    changes = [np.abs(shown(calm, w) - shown(calm, v)).max()
               for w, v in zip(following, [start, *following], strict=False)]
    assert max(changes) < 0.2


@pytest.mark.parametrize('change', [
    lambda data: data + 3000, lambda data: data - 3000, lambda data: data * 2.5,
    lambda data: data * 0.5 + 1000,
])
def test_a_gain_step_of_the_camera_does_not_flash(change):
    window = ThermalWindow(ThermalConfig(profile='counts', smoothing_s=2.0))
    for index in range(20):
        data = scene(8000, 400, seed=index)
        before = shown(data, window.update(frame(data, index * SECOND // 10)))
    for index in range(20, 40):
        data = scene(8000, 400, seed=index)
        stepped = change(data.astype(float)).astype(np.uint16)
        after = shown(stepped, window.update(frame(stepped, index * SECOND // 10)))
        # neither the whole picture nor its contrast changes
        assert abs(after.mean() - before.mean()) < 0.02
        assert abs(after.std() - before.std()) < 0.02


def test_a_shutter_frame_does_not_disturb_the_gain():
    window = ThermalWindow(ThermalConfig(profile='counts', smoothing_s=2.0))
    data = scene(8000, 400)
    before = window.update(frame(data))
    assert window.update(frame(np.full_like(data, 7000), SECOND // 10)) == before
    noise = np.random.default_rng(0).integers(7000, 7004, data.shape).astype(np.uint16)
    low, high = window.update(frame(noise, 2 * SECOND // 10))
    assert low < high
    assert window.update(frame(data, 3 * SECOND // 10)) == pytest.approx(before, abs=20)


@pytest.mark.parametrize('stamps', [[0] * 200, list(range(200 * SECOND, 0, -SECOND))])
def test_frozen_and_backward_stamps_still_converge(stamps):
    window = ThermalWindow(ThermalConfig(profile='counts', smoothing_s=1.0))
    window.update(frame(scene(8000, 400), stamps[0]))
    wanted = ThermalWindow(ThermalConfig(profile='counts')).update(frame(scene(8040, 500)))
    for stamp_ns in stamps[1:]:
        found = window.update(frame(scene(8040, 500), stamp_ns))
        assert found[0] < found[1]
    assert found == pytest.approx(wanted, abs=5)


def test_no_smoothing_and_a_huge_gap_take_the_frame_as_it_is():
    target = ThermalWindow(ThermalConfig(profile='counts')).update(frame(scene(8040, 500)))
    for smoothing_s, gap_ns in ((0.0, 1), (2.0, 10**18)):
        window = ThermalWindow(ThermalConfig(profile='counts', smoothing_s=smoothing_s))
        window.update(frame(scene(8000, 400)))
        assert window.update(frame(scene(8040, 500), gap_ns)) == pytest.approx(target)


def test_per_frame_minmax_on_request_uses_every_pixel():
    data = scene(8000, 400)
    data[17, 31], data[18, 33] = 100, 60_000
    window = ThermalWindow(ThermalConfig(profile='counts', gain='per_frame_minmax'))
    assert window.update(frame(data)) == (100.0, 60_000.0)


@pytest.mark.skipif(not RAW16.is_dir(), reason=f'REAL DATA MISSING: no {RAW16}')
def test_real_counts_are_counts_and_use_the_picture_range():
    files = sorted(RAW16.glob('*.png'))
    assert files
    for path in files:
        data = np.asarray(Image.open(path)).astype(np.uint16)
        window = ThermalWindow(ThermalConfig())
        picture = shown(data.astype(float), window.update(frame(data)))
        assert window.profile == 'counts', path.name
        assert picture.std() > 0.1, path.name
