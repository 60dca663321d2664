"""Every fusion metric against an independent implementation; flat and unusable input first."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip('scipy', reason='SCIPY IS NOT INSTALLED: no fusion metric was compared')
pytest.importorskip('skimage', reason='SKIMAGE IS NOT INSTALLED: no fusion metric was compared')
pytest.importorskip('torchmetrics', reason='TORCHMETRICS IS NOT INSTALLED: nothing was compared')
from scipy import ndimage, signal
from skimage import measure
from skimage import metrics as skimage_metrics
from torchmetrics.functional.clustering import mutual_info_score
from torchmetrics.functional.image import visual_information_fidelity

from vif_perception.errors import InputError
from vif_perception.metrics.fusion import (
    FUSION_METRICS,
    FusionScorer,
    baselines,
    fusion_metrics,
    luma,
)

DATA = Path(__file__).resolve().parents[1].parent / 'shared' / 'data'


def _scene(seed, size=(61, 74)):
    """A smooth background with sharp objects and some noise, whole grey levels."""
    generator = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(generator.normal(0, 1, size), 6) * 400 + 110
    for _ in range(6):
        top, left = generator.integers(0, size[0] - 12), generator.integers(0, size[1] - 12)
        image[top : top + 12, left : left + 9] += generator.normal(0, 60)
    return np.clip(np.round(image + generator.normal(0, 3, size)), 0, 255)


THERMAL = np.stack([_scene(1), _scene(2), _scene(3)])
VISIBLE = np.stack([_scene(4), _scene(5), _scene(6)])
NOISE = np.random.default_rng(7).normal(0, 8, THERMAL.shape)
FUSED = {
    'maximum': np.maximum(THERMAL, VISIBLE),
    'mean': np.round((THERMAL + VISIBLE) / 2),
    'noisy': np.clip(np.round((THERMAL + VISIBLE) / 2 + NOISE), 0, 255),
    'not whole levels': THERMAL * 0.3 + VISIBLE * 0.7,
}


def _score(fused, thermal=THERMAL, visible=VISIBLE):
    images = [torch.from_numpy(np.asarray(image, float)) for image in (fused, thermal, visible)]
    return {name: value.numpy() for name, value in fusion_metrics(*images).items()}


# --- independent definitions: a library where it has one, else the paper's formula, slowly ---


def _mutual_information(fused, source):
    fused, source = (torch.from_numpy(np.round(x)).long().flatten() for x in (fused, source))
    return mutual_info_score(fused, source).item()


def _vif(fused, source):
    fused, source = (torch.from_numpy(image)[None, None] for image in (fused, source))
    return visual_information_fidelity(fused, source, sigma_n_sq=2.0).item()


def _correlation(first, second):
    return np.corrcoef(first.ravel(), second.ravel())[0, 1]


def _sobel(image):
    """Convolution, zeros outside, as the field's Qabf code has it; angle in -pi/2..pi/2."""
    dx = signal.convolve2d(image, [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], mode='same')
    dy = signal.convolve2d(image, [[1, 2, 1], [0, 0, 0], [-1, -2, -1]], mode='same')
    angle = [
        math.pi / 2 if abs(x) < 1e-9 else math.atan(y / x)
        for x, y in zip(dx.flat, dy.flat, strict=True)
    ]
    return np.hypot(dx, dy), np.reshape(angle, image.shape)


def _ratio(first, second):
    return 0.0 if 0 in (first, second) else min(first, second) / max(first, second)


def _qabf(fused, thermal, visible):
    fused_strength, fused_angle = _sobel(fused)
    kept = total = 0.0
    for strength, angle in (_sobel(thermal), _sobel(visible)):
        for i in np.ndindex(fused.shape):
            g = _ratio(strength[i], fused_strength[i])
            a = 1 - abs(angle[i] - fused_angle[i]) / (math.pi / 2)
            q = 0.9994 / (1 + math.exp(-15 * (g - 0.5))) * 0.9879 / (1 + math.exp(-22 * (a - 0.8)))
            kept += q * strength[i]
            total += strength[i]
    return kept / total


def _nabf(fused, thermal, visible):
    (g_t, a_t), (g_v, a_v), (g_f, a_f) = (_sobel(image) for image in (thermal, visible, fused))
    artefacts = total = 0.0
    for i in np.ndindex(fused.shape):
        if i[0] in (0, fused.shape[0] - 1) or i[1] in (0, fused.shape[1] - 1):
            continue
        for g, a in ((g_t[i], a_t[i]), (g_v[i], a_v[i])):
            weight = (g / 8) ** 1.5 if g / 8 >= 2 else 0.001
            turn = abs(abs(a - a_f[i]) - math.pi / 2) * 2 / math.pi
            strength = 0.9999 / (1 + math.exp(-19 * (_ratio(g, g_f[i]) - 0.5)))
            quality = math.sqrt(strength * 0.9995 / (1 + math.exp(-22 * (turn - 0.5))))
            total += weight
            if g_f[i] > g_t[i] and g_f[i] > g_v[i]:
                artefacts += (1 - quality) * weight
    return artefacts / total


def _ssim(fused, source, data_range):
    return skimage_metrics.structural_similarity(fused, source, data_range=data_range)


def _average_gradient(fused):
    dy, dx = np.gradient(fused)
    return np.sqrt((dx**2 + dy**2) / 2).mean()


DEFINITIONS = {
    'EN': lambda f, t, v: measure.shannon_entropy(np.round(f)),
    'SD': lambda f, t, v: f.std(),
    'SF': lambda f, t, v: math.hypot(
        math.sqrt((np.diff(f, axis=0) ** 2).mean()), math.sqrt((np.diff(f, axis=1) ** 2).mean())
    ),
    'AG': lambda f, t, v: _average_gradient(f),
    'MI': lambda f, t, v: _mutual_information(f, t) + _mutual_information(f, v),
    'SCD': lambda f, t, v: _correlation(f - v, t) + _correlation(f - t, v),
    'VIF': lambda f, t, v: _vif(f, t) + _vif(f, v),
    'Qabf': _qabf,
    'SSIM': lambda f, t, v: (_ssim(f, t, 255) + _ssim(f, v, 255)) / 2,
    'SSIM_sum': lambda f, t, v: _ssim(f, t, 2) + _ssim(f, v, 2),
    'CC': lambda f, t, v: (_correlation(f, t) + _correlation(f, v)) / 2,
    'PSNR': lambda f, t, v: skimage_metrics.peak_signal_noise_ratio(
        np.stack((t, v)), np.stack((f, f)), data_range=255
    ),
    'Nabf': _nabf,
}


# --- degenerate and unusable input ---


@pytest.mark.parametrize('level', [0, 17, 255])
def test_flat_images_have_defined_scores(level):
    flat, scene = np.full((1, 61, 74), level), THERMAL[:1]
    for images in (
        (flat, flat, flat), (flat, scene, scene), (scene, flat, flat), (scene, scene, flat),
        (scene, flat, scene), (flat, scene, flat), (flat, np.full_like(flat, 90), flat),
    ):
        scores = _score(*images)
        assert set(scores) == set(FUSION_METRICS)
        assert all(np.isfinite(value).all() for value in scores.values()), scores
    scores = {name: float(value[0]) for name, value in _score(flat, flat, flat).items()}
    assert scores == pytest.approx({
        'EN': 0, 'SD': 0, 'SF': 0, 'AG': 0, 'MI': 0, 'SCD': 0, 'VIF': 2, 'SSIM': 1, 'SSIM_sum': 2,
        'CC': 0, 'PSNR': 100, 'Nabf': 0,
        # the border against the zeros outside is the only edge of a flat image that is not black
        'Qabf': scores['Qabf'],
    })
    lost = _score(flat, scene, scene)
    assert lost['VIF'][0] == 0
    assert lost['MI'][0] == pytest.approx(0, abs=1e-12)


def test_a_copy_of_equal_sources_is_perfect():
    scores = _score(THERMAL, THERMAL, THERMAL)
    np.testing.assert_allclose(scores['PSNR'], 100)
    np.testing.assert_allclose(scores['CC'], 1)
    np.testing.assert_allclose(scores['SSIM'], 1)
    np.testing.assert_allclose(scores['VIF'], 2, atol=1e-9)
    np.testing.assert_allclose(scores['SCD'], 0)
    np.testing.assert_allclose(scores['Nabf'], 0)
    # the sigmoids of Xydeas and Petrovic stay below 1 even there
    best = 0.9994 / (1 + math.exp(-7.5)) * 0.9879 / (1 + math.exp(-4.4))
    np.testing.assert_allclose(scores['Qabf'], best)


@pytest.mark.parametrize('fused, thermal, accepted', [
    (np.zeros((61, 74)), np.zeros((61, 74)), 'NxHxW'),
    (np.zeros((0, 61, 74)), np.zeros((0, 61, 74)), 'NxHxW'),
    (np.zeros((1, 40, 74)), np.zeros((1, 40, 74)), 'at least 41'),
    (np.zeros((1, 61, 74)), np.zeros((1, 61, 75)), 'that of the thermal image'),
    (np.zeros((1, 61, 74)), np.zeros((2, 61, 74)), 'that of the thermal image'),
    (np.full((1, 61, 74), np.nan), np.zeros((1, 61, 74)), 'finite grey levels 0..255'),
    (np.full((1, 61, 74), 255.5), np.zeros((1, 61, 74)), 'finite grey levels 0..255'),
    (np.zeros((1, 61, 74)), np.full((1, 61, 74), -1.0), 'finite grey levels 0..255'),
])
def test_unusable_images_are_refused(fused, thermal, accepted):
    with pytest.raises(InputError, match=accepted):
        _score(fused, thermal, thermal)


def test_the_smallest_accepted_size_can_be_scored():
    crop = np.s_[:1, :41, :41]
    scores = _score(FUSED['mean'][crop], THERMAL[crop], VISIBLE[crop])
    assert all(np.isfinite(value).all() for value in scores.values())


# --- agreement ---


@pytest.mark.parametrize('name', FUSION_METRICS)
@pytest.mark.parametrize('fused', FUSED.values(), ids=FUSED)
def test_agrees_with_an_independent_implementation(name, fused):
    expected = [
        DEFINITIONS[name](*images) for images in zip(fused, THERMAL, VISIBLE, strict=True)
    ]
    np.testing.assert_allclose(_score(fused)[name], expected, rtol=1e-6, atol=1e-7)


def test_the_noisy_image_has_artefacts_and_the_maximum_hardly_any():
    assert _score(FUSED['noisy'])['Nabf'].min() > 10 * _score(FUSED['maximum'])['Nabf'].max()


def test_one_scorer_serves_several_methods():
    thermal, visible = torch.from_numpy(THERMAL), torch.from_numpy(VISIBLE)
    scorer = FusionScorer(thermal, visible)
    for fused in FUSED.values():
        scores = scorer.score(torch.from_numpy(fused))
        alone = fusion_metrics(torch.from_numpy(fused[2:]), thermal[2:], visible[2:])
        for name in FUSION_METRICS:
            assert scores[name].dtype == torch.float64
            assert scores[name].shape == (3,)
            assert scores[name][2].item() == pytest.approx(alone[name].item(), rel=1e-9, abs=1e-12)


def test_bytes_and_floats_score_the_same():
    images = [torch.from_numpy(x) for x in (FUSED['maximum'], THERMAL, VISIBLE)]
    of_bytes = fusion_metrics(*(image.byte() for image in images))
    of_floats = fusion_metrics(*(image.float() for image in images))
    assert all(torch.equal(of_bytes[name], of_floats[name]) for name in FUSION_METRICS)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device: CPU result only')
def test_cuda_agrees_with_the_cpu():
    images = [torch.from_numpy(x) for x in (FUSED['noisy'], THERMAL, VISIBLE)]
    on_cpu, on_cuda = fusion_metrics(*images), fusion_metrics(*(x.cuda() for x in images))
    for name in FUSION_METRICS:
        assert on_cuda[name].is_cuda
        torch.testing.assert_close(on_cuda[name].cpu(), on_cpu[name])


# --- what goes in ---


def test_baselines_are_the_four_rows_of_every_table():
    thermal, visible = torch.tensor([[[0, 255, 10]]]), torch.tensor([[[100, 254, 13]]])
    rows = baselines(thermal.byte(), visible.byte())
    assert {name: image.flatten().tolist() for name, image in rows.items()} == {
        'VIS': [100, 254, 13], 'IR': [0, 255, 10], 'AVG': [50, 254, 12], 'MAX': [100, 255, 13],
    }


def test_luma_is_that_of_pillow():
    picture = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    picture[:2] = [[0, 0, 0]], [[255, 255, 255]]
    y = luma(torch.from_numpy(picture)).numpy()
    pillow = np.asarray(Image.fromarray(picture).convert('L'), float)
    assert y.dtype == np.float64
    assert np.abs(y - pillow).max() <= 1
    assert (y != pillow).mean() < 0.01
    assert y[0].tolist() == [0] * 48
    assert y[1].tolist() == [255] * 48


def test_importing_the_room_does_not_import_torch():
    code = 'import sys, vif_perception.metrics; sys.exit("torch" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0


@pytest.mark.skipif(
    not (DATA / 'msrs361').is_dir(), reason='the MSRS pairs are not beside the repository'
)
def test_the_pixel_maximum_scores_as_measured_before_on_msrs():
    folder = DATA / 'msrs361' / 'test'
    rows = []
    for path in sorted((folder / 'ir').iterdir())[::4]:
        thermal = torch.from_numpy(np.array(Image.open(path).convert('L')))[None]
        rgb = np.array(Image.open(folder / 'vi' / f'{path.stem}.webp').convert('RGB'))
        visible = luma(torch.from_numpy(rgb))[None]
        scores = fusion_metrics(baselines(thermal, visible)['MAX'], thermal, visible)
        rows.append([scores[name].item() for name in ('VIF', 'Qabf', 'SCD', 'SSIM_sum')])
    np.testing.assert_allclose(np.mean(rows, 0), [1.04, 0.68, 1.67, 0.98], atol=0.07)
