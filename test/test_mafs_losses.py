"""Objective of MAFS's stage II against slow references."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vif_perception.training.mafs_losses import (
    box_mean,
    correlation,
    distance_to,
    foreground_distance,
    fusion_loss,
    local_variance,
    mask_losses,
)
from vif_perception.training.multitask_losses import ohem_cross_entropy

flags = arrays(bool, st.tuples(st.integers(1, 2), st.integers(1, 7), st.integers(1, 9)))


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@settings(deadline=None, max_examples=40)
@given(flags)
def test_distance_to_the_nearest_flag(image):
    found = distance_to(torch.from_numpy(image)).numpy()
    for n, row, column in np.ndindex(*image.shape):
        nearest = [np.hypot(row - r, column - c) for r, c in np.argwhere(image[n])]
        assert found[n, row, column] == pytest.approx(min(nearest, default=np.inf), abs=1e-5)


def test_signed_distance_is_positive_inside_and_fills_minus_one_to_one():
    mask = torch.zeros(3, 20, 30, dtype=torch.long)
    mask[0, 5:15, 10:25] = 4
    mask[1] = 255                       # nothing labelled: no foreground
    mask[2] = 1
    background, foreground = foreground_distance(mask).unbind(1)
    torch.testing.assert_close(background, -foreground)
    assert (foreground[0][mask[0] == 4] > 0).all()
    assert (foreground[0][mask[0] == 0] < 0).all()
    assert (foreground[0].min(), foreground[0].max()) == (-1, 1)
    assert (foreground[1] == -1).all()
    assert (foreground[2] == 1).all()


def test_each_source_is_the_target_where_it_varies_more():
    y, heat = torch.full((1, 1, 32, 64), 0.4), torch.full((1, 1, 32, 64), 0.2)
    y[..., :32] += 0.2 * random(1, 1, 32, 32)
    heat[..., 32:] += 0.6 * random(1, 1, 32, 32, seed=1)
    both = torch.ones(1)
    split = torch.cat([y[..., :32], heat[..., 32:]], -1)
    losses = [fusion_loss(x, y, heat, both).item() for x in (split, y, heat, 1 - split)]
    assert losses[0] == min(losses)
    assert losses == [pytest.approx(fusion_loss(x.repeat(2, 1, 1, 1), y.repeat(2, 1, 1, 1),
                                                heat.repeat(2, 1, 1, 1), torch.ones(2)).item())
                      for x in (split, y, heat, 1 - split)]


def test_only_pairs_carry_a_fusion_loss():
    fused, y, heat = (random(2, 1, 16, 16, seed=i) for i in range(3))
    one = fusion_loss(fused, y, heat, torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(one, fusion_loss(fused[:1], y[:1], heat[:1], torch.ones(1)))
    fused.requires_grad_(True)
    nothing = fusion_loss(fused, y, heat, torch.zeros(2))
    nothing.backward()
    assert nothing == 0
    assert not fused.grad.any()


def test_flat_images_have_a_finite_loss_and_gradient():
    fused = torch.full((1, 1, 16, 16), 0.5, requires_grad=True)
    fusion_loss(fused, *(torch.zeros(1, 1, 16, 16),) * 2, torch.ones(1)).backward()
    assert torch.isfinite(fused.grad).all()


def test_windows_by_hand():
    image = random(1, 1, 12, 14)
    padded = F.pad(image, (4,) * 4, mode='replicate')[0, 0]
    assert box_mean(image)[0, 0, 2, 3].item() == pytest.approx(padded[2:11, 3:12].mean().item())
    offset = torch.arange(9) - 4.0
    bell = torch.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 1.5**2))
    bell /= bell.sum()
    part = padded[2:11, 3:12]
    variance = (bell * part**2).sum() - (bell * part).sum() ** 2
    assert local_variance(image)[0, 0, 2, 3].item() == pytest.approx(variance.item(), abs=1e-6)


def test_correlation_by_numpy():
    first, second = random(2, 1, 5, 6), random(2, 1, 5, 6, seed=1)
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1]
                for a, b in zip(first.numpy(), second.numpy(), strict=True)]
    np.testing.assert_allclose(correlation(first, second), expected, atol=1e-5)


def test_auxiliary_maps_add_their_parts():
    mask = (random(2, 32, 32) * 3).long()
    mask[0, :8] = 255
    logits = torch.randn(2, 3, 16, 16)
    small = mask[:, ::4, ::4]           # what nearest takes for a quarter of the size
    maps = {'out5': torch.randn(2, 2, 8, 8), 'out6': torch.randn(2, 3, 8, 8)}
    full = F.interpolate(logits, (32, 32), mode='bilinear', align_corners=False)
    main = ohem_cross_entropy(full, mask, threshold=0.75)
    distance = (maps['out5'] - foreground_distance(small)).abs().mean()
    classes = F.cross_entropy(maps['out6'], small, ignore_index=255)
    torch.testing.assert_close(mask_losses(logits, {}, mask), main)
    torch.testing.assert_close(
        mask_losses(logits, maps, mask), main + 0.2 * distance + 0.4 * classes
    )


def test_two_classes_are_not_taken_for_distances():
    mask = torch.zeros(1, 16, 16, dtype=torch.long)
    sure = torch.tensor([9.0, -9.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
    assert mask_losses(sure, {'out2': sure}, mask) < 1e-3


def test_nothing_labelled_costs_no_class_map():
    mask = torch.full((1, 16, 16), 255)
    assert mask_losses(torch.randn(1, 3, 4, 4), {'out2': torch.randn(1, 3, 4, 4)}, mask) == 0
