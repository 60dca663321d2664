"""The raw-in raw-out module and the torch engine around it."""

import numpy as np
import pytest
import torch

from vif_perception.config import InferenceConfig
from vif_perception.errors import InputError
from vif_perception.inference.torch_engine import TorchEngine
from vif_perception.inference.weights import Card
from vif_perception.labels import MFNET
from vif_perception.models.deploy import Deployed
from vif_perception.models.registry import build
from vif_perception.types import Calibration

WINDOW = (0.0, 255.0)


def make_engine(precision='fp32', **changes) -> TorchEngine:
    torch.manual_seed(3)
    card = Card(
        schema=1, name='test', network='rt', preset='n', classes=MFNET.names,
        colors=MFNET.colors, entities=MFNET.names[1:], sha256='0' * 64, **changes,
    )
    network = build('rt', 'n').eval()
    return TorchEngine(network, card, InferenceConfig(precision=precision, device='cpu'))


def identity(width: int, height: int) -> Calibration:
    return Calibration('rgb', (width, height), (width, height), None)


def images(width: int, height: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    rgb = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return rgb, random.integers(0, 256, (height, width), dtype=np.uint8)


@pytest.mark.parametrize('size', [(1, 1), (7, 5), (31, 33), (97, 131), (128, 96)])
def test_outputs_have_the_reference_size_exactly(size):
    rgb, thermal = images(*size)
    out = make_engine().run(rgb, thermal, bgr=False, window=WINDOW, calibration=identity(*size))
    width, height = size
    assert out.fused.shape == (height, width, 3)
    assert out.mask.shape == out.confidence.shape == (height, width)
    assert {a.dtype for a in (out.fused, out.mask, out.confidence)} == {np.dtype(np.uint8)}
    assert all(a.flags.c_contiguous for a in (out.fused, out.mask, out.confidence))
    assert out.mask.max() < len(MFNET)
    assert out.entities.shape == (8,)
    assert ((out.entities >= 0) & (out.entities <= 1)).all()


def test_rgb_only_gives_the_very_rgb_image_back():
    rgb, _ = images(64, 48)
    engine = make_engine()
    out = engine.run(rgb, None, bgr=False, window=WINDOW, calibration=identity(64, 48))
    np.testing.assert_array_equal(out.fused, rgb)


def test_thermal_only_gives_the_windowed_grey_image():
    _, thermal = images(64, 48)
    out = make_engine().run(None, thermal, bgr=False, window=WINDOW, calibration=identity(64, 48))
    np.testing.assert_array_equal(out.fused, np.repeat(thermal[..., None], 3, 2))


@pytest.mark.parametrize('window', [(1.0, 1.0), (2.0, 1.0), (0.0, np.inf), (np.nan, 1.0)])
def test_thermal_window_without_a_width_is_refused(window):
    rgb, thermal = images(64, 48)
    with pytest.raises(InputError, match=r'thermal window.*black below white'):
        make_engine().run(rgb, thermal, bgr=False, window=window, calibration=identity(64, 48))


def test_bgr_equals_rgb_with_swapped_channels():
    rgb, thermal = images(64, 48)
    engine = make_engine()
    one = engine.run(rgb, thermal, bgr=False, window=WINDOW, calibration=identity(64, 48))
    two = engine.run(
        np.ascontiguousarray(rgb[..., ::-1]), thermal, bgr=True, window=WINDOW,
        calibration=identity(64, 48),
    )
    np.testing.assert_array_equal(one.fused, two.fused)
    np.testing.assert_array_equal(one.mask, two.mask)


@pytest.mark.parametrize('dtype', [np.uint16, np.float32])
def test_thermal_types_agree_when_the_window_does(dtype):
    rgb, thermal = images(64, 48)
    engine = make_engine()
    raw = (thermal.astype(np.float64) * 16 + 4096).astype(dtype)
    calibration = identity(64, 48)
    one = engine.run(rgb, thermal, bgr=False, window=WINDOW, calibration=calibration)
    two = engine.run(
        rgb, raw, bgr=False, window=(4096.0, 4096.0 + 255 * 16), calibration=calibration
    )
    assert np.abs(one.fused.astype(int) - two.fused).max() <= 1
    assert (one.mask == two.mask).mean() > 0.999


def test_nan_and_infinite_thermal_pixels_are_black_or_white():
    rgb, thermal = images(64, 48)
    raw = thermal.astype(np.float32)
    raw[:4], raw[4:8] = np.nan, np.inf
    out = make_engine().run(None, raw, bgr=False, window=WINDOW, calibration=identity(64, 48))
    assert not out.fused[:4].any()
    assert (out.fused[4:8] == 255).all()
    pair = make_engine().run(rgb, raw, bgr=False, window=WINDOW, calibration=identity(64, 48))
    assert np.isfinite(pair.entities).all()


def test_padded_and_read_only_views_are_taken_as_they_are():
    rgb, thermal = images(64, 48)
    engine = make_engine()
    wide = np.zeros((48, 80), np.uint8)
    wide[:, :64] = thermal
    view = wide[:, :64]
    view.flags.writeable = False
    calibration = identity(64, 48)
    one = engine.run(rgb, thermal, bgr=False, window=WINDOW, calibration=calibration)
    two = engine.run(rgb, view, bgr=False, window=WINDOW, calibration=calibration)
    np.testing.assert_array_equal(one.mask, two.mask)


def test_grid_moves_the_other_camera_and_leaves_unseen_pixels_alone():
    rgb, thermal = images(64, 48)
    columns, rows = np.meshgrid(np.arange(64.0), np.arange(48.0))
    grid = np.stack([columns + 40, rows], -1).astype(np.float32)
    calibration = Calibration('rgb', (64, 48), (64, 48), grid)
    out = make_engine().run(rgb, thermal, bgr=False, window=WINDOW, calibration=calibration)
    np.testing.assert_array_equal(out.fused[:, 25:], rgb[:, 25:])
    only = make_engine().run(None, thermal, bgr=False, window=WINDOW, calibration=calibration)
    np.testing.assert_array_equal(only.fused[:, :24, 0], thermal[:, 40:])
    assert not only.fused[:, 25:].any()


def test_thermal_reference_gives_the_thermal_size():
    rgb, thermal = images(64, 48)
    small = np.ascontiguousarray(thermal[:24, :32])
    columns, rows = np.meshgrid(np.arange(32.0), np.arange(24.0))
    grid = np.stack([columns * 2 + 0.5, rows * 2 + 0.5], -1).astype(np.float32)
    calibration = Calibration('thermal', (32, 24), (64, 48), grid)
    out = make_engine().run(rgb, small, bgr=False, window=WINDOW, calibration=calibration)
    assert out.fused.shape == (24, 32, 3)


def test_bf16_agrees_with_fp32():
    rgb, thermal = images(128, 96)
    calibration = identity(128, 96)
    one, two = (
        make_engine(precision).run(
            rgb, thermal, bgr=False, window=WINDOW, calibration=calibration
        )
        for precision in ('fp32', 'bf16')
    )
    assert (one.mask == two.mask).mean() > 0.97
    assert np.abs(one.fused.astype(int) - two.fused).max() <= 3


def test_temperature_lowers_confidence_but_keeps_the_mask():
    rgb, thermal = images(64, 48)
    calibration = identity(64, 48)
    sharp, soft = (
        make_engine(temperature=value).run(
            rgb, thermal, bgr=False, window=WINDOW, calibration=calibration
        )
        for value in (1.0, 3.0)
    )
    np.testing.assert_array_equal(sharp.mask, soft.mask)
    assert soft.confidence.mean() < sharp.confidence.mean()


def test_every_mode_has_its_own_temperature():
    rgb, thermal = images(64, 48)
    seen = {'FUSED': (rgb, thermal), 'RGB_ONLY': (rgb, None), 'THERMAL_ONLY': (None, thermal)}

    def confidence(mode, temperature):
        output = make_engine(temperature=temperature).run(
            *seen[mode], bgr=False, window=WINDOW, calibration=identity(64, 48)
        )
        return output.confidence

    own = {'FUSED': 0.5, 'RGB_ONLY': 2.0, 'THERMAL_ONLY': 1.0}
    for mode, value in own.items():
        np.testing.assert_array_equal(confidence(mode, own), confidence(mode, value))
    assert (confidence('RGB_ONLY', 2.0) < confidence('RGB_ONLY', 0.5)).any()


def test_confidence_is_the_largest_softmax_of_the_mask_logits():
    class Fixed(torch.nn.Module):
        stride = 32

        def forward(self, rgb, y, thermal, present):
            from vif_perception.models.prediction import Prediction

            logits = torch.zeros(1, 4, *(s // 4 for s in y.shape[-2:]))
            logits[:, 2] = 1.5
            return Prediction(y, logits, torch.zeros(1, 3))

    rgb, thermal = images(64, 32)
    _, mask, confidence, entities = Deployed(Fixed())(
        torch.from_numpy(rgb), torch.from_numpy(thermal), torch.tensor(WINDOW), torch.ones(2)
    )
    expected = round(255 * float(np.exp(1.5) / (np.exp(1.5) + 3)))
    assert (mask == 2).all()
    assert (confidence == expected).all()
    assert entities.tolist() == [0.5, 0.5, 0.5]


def test_runs_are_repeatable():
    rgb, thermal = images(64, 48)
    engine, calibration = make_engine(), identity(64, 48)
    one, two = (
        engine.run(rgb, thermal, bgr=False, window=WINDOW, calibration=calibration)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.fused, two.fused)
    np.testing.assert_array_equal(one.confidence, two.confidence)


@pytest.mark.parametrize('device', ['cuda:99', 'tpu', 'banana'])
def test_absent_device_is_refused_with_the_remedy(device):
    network = build('rt', 'n').eval()
    card = make_card()
    with pytest.raises(InputError, match=r'inference\.device.*use auto or cpu'):
        TorchEngine(network, card, InferenceConfig(device=device))


def make_card() -> Card:
    return Card(
        schema=1, name='test', network='rt', preset='n', classes=MFNET.names,
        colors=MFNET.colors, entities=MFNET.names[1:], sha256='0' * 64,
    )
