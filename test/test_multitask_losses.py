"""Objectives of MultiTaskVIF against slow references."""

import math

import pytest
import torch

pytest.importorskip('skimage', reason='SKIMAGE IS NOT INSTALLED: no loss was compared')
from skimage.metrics import structural_similarity as reference_ssim

from vif_perception.training.cascade import cascade_weights
from vif_perception.training.multitask_losses import (
    gradient_size,
    joint_fusion_loss,
    ohem_cross_entropy,
    segmentation_loss,
    ssim_loss,
    structural_similarity,
)


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def slow_ohem(logits, mask, threshold, least):
    losses = []
    for n, row, column in torch.cartesian_prod(*(torch.arange(s) for s in mask.shape)).tolist():
        truth = int(mask[n, row, column])
        if truth != 255:
            scores = [math.exp(float(x)) for x in logits[n, :, row, column]]
            losses.append(-math.log(scores[truth] / sum(scores)))
    losses.sort(reverse=True)
    hard = [loss for loss in losses if loss > -math.log(threshold)]
    hard = hard if len(hard) >= least else losses[:least]
    return sum(hard) / len(hard)


@pytest.mark.parametrize('scale, least', [(1.0, 3), (8.0, 3), (8.0, 60), (8.0, 10_000)])
def test_hard_examples_against_a_slow_reference(scale, least):
    mask = (random(2, 6, 9) * 4).long()
    logits = torch.nn.functional.one_hot(mask, 4).permute(0, 3, 1, 2) * scale
    logits = logits + 2 * random(2, 4, 6, 9, seed=1) * (random(2, 1, 6, 9, seed=2) > 0.6) * scale
    mask[random(2, 6, 9, seed=3) > 0.9] = 255
    wanted = slow_ohem(logits, mask, 0.7, least)
    found = ohem_cross_entropy(logits, mask, least=least)
    assert float(found) == pytest.approx(wanted, rel=1e-4)


def test_by_default_a_sixteenth_of_all_pixels_counts():
    mask = torch.zeros(1, 8, 8, dtype=torch.long)
    logits = torch.zeros(1, 2, 8, 8)
    logits[:, 0] = 3  # all easy
    assert float(ohem_cross_entropy(logits, mask)) == pytest.approx(
        slow_ohem(logits, mask, 0.7, 4), rel=1e-4
    )
    logits[:, :, 0, :2] = torch.tensor([0.0, 5.0])[:, None]  # two hard ones among four
    assert float(ohem_cross_entropy(logits, mask)) == pytest.approx(
        slow_ohem(logits, mask, 0.7, 4), rel=1e-4
    )


def test_everything_ignored_costs_nothing_and_has_gradients():
    logits = random(1, 3, 4, 4).requires_grad_()
    mask = torch.full((1, 4, 4), 255)
    loss = ohem_cross_entropy(logits, mask)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_fusion_loss_by_hand():
    ramp = torch.arange(6.0).expand(6, 6)[None, None] / 20
    flat = torch.full_like(ramp, 0.25)
    assert float(gradient_size(ramp)[0, 0, 3, 3]) == pytest.approx(8 / 20)  # 4 kernel rows x 2/20
    assert not gradient_size(flat).any()
    both = torch.ones(1)
    brightest = torch.maximum(ramp, flat)
    steepest = (gradient_size(brightest) - gradient_size(ramp)).abs().mean()
    found = joint_fusion_loss(brightest, ramp, flat, both)
    assert float(found) == pytest.approx(10 * float(steepest), rel=1e-5)
    found = joint_fusion_loss(ramp, ramp, flat, both)
    assert float(found) == pytest.approx(float((brightest - ramp).mean()), rel=1e-5)


def test_one_camera_carries_no_fusion_loss():
    fused, y, heat = random(2, 1, 16, 16), random(2, 1, 16, 16, seed=1), random(2, 1, 16, 16)
    whole = joint_fusion_loss(fused, y, heat, torch.tensor([1.0, 0.0]))
    first = joint_fusion_loss(fused[:1], y[:1], heat[:1], torch.ones(1))
    assert float(whole) == pytest.approx(float(first) / 2, rel=1e-5)
    assert float(joint_fusion_loss(fused, y, heat, torch.zeros(2))) == 0
    assert float(ssim_loss(fused, y, heat, torch.zeros(2))) == 0


def test_ssim_against_another_implementation():
    first = random(1, 1, 24, 30).double()
    second = (first + 0.3 * random(1, 1, 24, 30, seed=1)).clamp(0, 1)
    _, whole = reference_ssim(
        first[0, 0].numpy(), second[0, 0].numpy(), data_range=1.0, gaussian_weights=True,
        sigma=1.5, use_sample_covariance=False, full=True,
    )
    inside = whole[5:-5, 5:-5].mean()
    assert float(structural_similarity(first, second)) == pytest.approx(inside, abs=1e-6)
    assert float(structural_similarity(first, first)) == pytest.approx(1)


def test_the_ssim_loss_is_the_mean_over_both_sources():
    fused, y, heat = (random(1, 1, 16, 16, seed=s) for s in range(3))
    alike = (structural_similarity(fused, y) + structural_similarity(fused, heat)) / 2
    found = ssim_loss(fused, y, heat, torch.ones(1))
    assert float(found) == pytest.approx(float(1 - alike), rel=1e-4)


def test_the_segmentation_loss_falls_for_the_right_answer_and_ignores_255():
    mask = torch.zeros(2, 16, 16, dtype=torch.long)
    mask[:, 8:] = 1
    mask[:, :, 0] = 255
    right = torch.zeros(2, 3, 4, 4)
    right[:, 0, :2] = right[:, 1, 2:] = 20
    wrong = right.flip(2).requires_grad_()
    bad = segmentation_loss(wrong, mask)
    assert segmentation_loss(right, mask) < bad
    bad.backward()
    assert wrong.grad.any()
    assert segmentation_loss(right, torch.full_like(mask, 255)) == 0


def test_rounds_of_a_cascade():
    assert cascade_weights('fusion', 0) == (1, 0)
    assert cascade_weights('fusion', 3) == (1, 3)
    assert cascade_weights('segmentation', 3) == (0, 1)
