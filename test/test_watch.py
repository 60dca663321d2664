from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vif_perception.config import FallbackConfig
from vif_perception.sensing.watch import FrameWatch
from vif_perception.types import Frame

DATA = Path(__file__).resolve().parents[1].parent / 'shared' / 'data'
needs_data = pytest.mark.skipif(
    not (DATA / 'msrs361').is_dir(), reason=f'REAL DATA MISSING: no {DATA / "msrs361"}'
)


def thermal(data):
    encodings = {'uint8': 'mono8', 'uint16': 'mono16', 'float32': '32FC1'}
    return Frame(0, '', data, encodings[data.dtype.name])


def rgb(level, noise=8, seed=0, shape=(48, 64, 3)):
    random = np.random.default_rng(seed)
    data = random.normal(level, noise, shape).clip(0, 255).astype(np.uint8)
    return Frame(0, '', data, 'rgb8' if len(shape) == 3 else 'mono8')


def counts(seed=0, middle=29_500, noise=200.0):
    data = np.random.default_rng(seed).normal(middle, noise, (48, 64))
    return thermal(data.astype(np.uint16))


def judge(camera, frames, **config):
    watch = FrameWatch(camera, FallbackConfig(**config))
    return [watch.check(frame) for frame in frames]


def test_live_frames_are_usable():
    assert judge('thermal', [counts(seed) for seed in range(3)]) == [''] * 3
    assert judge('rgb', [rgb(100, seed=seed) for seed in range(3)]) == [''] * 3


def test_a_repeated_image_is_frozen_and_the_next_new_one_is_not():
    one, two = counts(1), counts(2)
    again = Frame(5, '', one.data.copy(), 'mono16')
    assert judge('thermal', [one, again, again, two, one]) == ['', 'frozen', 'frozen', '', '']


def test_a_single_different_pixel_anywhere_is_not_frozen():
    # large enough that the quick comparison leaves most pixels out
    large = np.random.default_rng(0).integers(0, 60_000, (480, 640), dtype=np.uint16)
    for row, column in ((0, 0), (0, 1), (479, 639), (201, 333)):
        other = large.copy()
        other[row, column] ^= 1
        assert judge('thermal', [thermal(large), thermal(other)]) == ['', '']
    assert judge('thermal', [thermal(large), thermal(large.copy())]) == ['', 'frozen']


def test_frozen_ignores_padding_and_sees_missing_values():
    padded = np.zeros((48, 70), np.uint16)
    padded[:, :64] = counts(1).data
    assert judge('thermal', [counts(1), thermal(padded[:, :64])]) == ['', 'frozen']
    kelvin = counts(1).data.astype(np.float32) / 100
    kelvin[3:9] = np.nan
    assert judge('thermal', [thermal(kelvin), thermal(kelvin.copy())]) == ['', 'frozen']


def test_change_of_size_or_type_is_not_frozen():
    small = np.ascontiguousarray(counts(1).data[:20, :30])
    assert judge('thermal', [counts(1), thermal(small), thermal(small.astype(np.float32))]) == [
        '', '', ''
    ]


@pytest.mark.parametrize('data', [
    np.full((48, 64), 29_500, np.uint16), np.zeros((48, 64), np.uint8), np.ones((1, 1), np.uint8),
    np.full((48, 64), 300, np.float32), np.full((48, 64), np.nan, np.float32),
    counts(0, noise=4).data, counts(0, middle=8000, noise=4).data,
    counts(0, noise=5).data.astype(np.float32) / 100,
])
def test_uniform_thermal_frames_are_blank_from_the_first_on(data):
    assert judge('thermal', [thermal(data), thermal(data + 1)]) == ['blank', 'blank']


@pytest.mark.parametrize('data', [
    counts(0, noise=16).data, counts(0, noise=60).data.astype(np.float32) / 100,
    np.random.default_rng(0).uniform(0.4, 0.6, (48, 64)).astype(np.float32),
    np.random.default_rng(0).integers(90, 110, (48, 64), dtype=np.uint8),
])
def test_flat_but_real_thermal_scenes_are_usable(data):
    assert judge('thermal', [thermal(data)]) == ['']


def test_shutter_closes_and_opens_without_hysteresis():
    closed = thermal(np.full((48, 64), 30_000, np.uint16))
    assert judge('thermal', [counts(1), closed, closed, counts(2)]) == ['', 'blank', 'blank', '']


def test_dark_and_overexposed_need_good_frames_in_a_row():
    dark, bright = rgb(1, 1), rgb(254, 1)
    good = [rgb(100, seed=seed) for seed in range(10)]
    assert judge('rgb', [good[0], dark, good[1], good[2], good[3]], recover_frames=3) == [
        '', 'dark', 'dark', 'dark', ''
    ]
    assert judge('rgb', [bright, good[1], good[1], good[2], good[3], good[4]],
                 recover_frames=3) == [
        'overexposed', 'overexposed', 'frozen', 'overexposed', 'overexposed', ''
    ]
    assert judge('rgb', [dark, good[1], bright, good[2]], recover_frames=1) == [
        'dark', '', 'overexposed', ''
    ]


def test_night_with_lamps_is_not_dark():
    night = rgb(4, 3).data.copy()
    night[10:14, 10:20] = 250
    assert judge('rgb', [Frame(0, '', night, 'rgb8')]) == ['']


def test_light_is_judged_alike_in_every_order_and_for_grey():
    data = rgb(100).data
    found = []
    for encoding, image in (('rgb8', data), ('bgr8', data[..., ::-1].copy()),
                            ('mono8', rgb(100, shape=(48, 64)).data)):
        watch = FrameWatch('rgb', FallbackConfig())
        assert watch.check(Frame(0, '', image, encoding)) == ''
        found.append(watch.exposure)
    assert found == pytest.approx([100 / 255] * 3, abs=0.01)


def test_thermal_camera_is_never_dark():
    assert judge('thermal', [thermal(rgb(3, 2, shape=(48, 64)).data)]) == ['']


def test_exposure_meter_rises_with_light():
    watch = FrameWatch('rgb', FallbackConfig())
    assert watch.exposure == 0
    found = []
    for level in (0, 40, 120, 220, 255):
        watch.check(rgb(level, 0))
        found.append(watch.exposure)
    assert found == pytest.approx([0, 40 / 255, 120 / 255, 220 / 255, 1])


def test_reset_forgets_the_previous_frame_and_the_darkness():
    watch = FrameWatch('rgb', FallbackConfig())
    assert watch.check(rgb(1, 1)) == 'dark'
    watch.reset()
    assert watch.check(rgb(100)) == ''
    watch.reset()
    assert watch.check(rgb(100)) == ''


@needs_data
@pytest.mark.parametrize('camera, folder, encoding', [('rgb', 'vi', 'rgb8'),
                                                      ('thermal', 'ir', 'mono8')])
def test_no_real_road_frame_counts_as_unusable(camera, folder, encoding):
    files = sorted((DATA / 'msrs361').glob(f'*/{folder}/*'))
    assert len(files) == 289
    watch = FrameWatch(camera, FallbackConfig())
    for path in files:
        image = np.asarray(Image.open(path).convert('RGB' if camera == 'rgb' else 'L'))
        assert watch.check(Frame(0, '', image, encoding)) == '', path.name


@needs_data
def test_no_real_16_bit_frame_counts_as_blank():
    files = sorted((DATA / 'raw16' / 'thermal').glob('*.png'))
    assert files
    watch = FrameWatch('thermal', FallbackConfig())
    for path in files:
        assert watch.check(thermal(np.asarray(Image.open(path)).astype(np.uint16))) == '', path
