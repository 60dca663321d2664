"""Stage I of MAFS: what is hidden, how much of it, and what is asked back."""

import numpy as np
import pytest
import torch

from vif_perception.models.mafs.pretext import (
    MaskedPair,
    cell_masks,
    curvature,
    enlarged,
    keep_probability,
    masked_pair,
    reconstruction_loss,
)
from vif_perception.models.registry import build


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope='module')
def drawn() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = seeded()
    p = keep_probability(20_000, generator)
    return p, *cell_masks(p, generator)


def pair_of(size: tuple[int, int] = (40, 56), count: int = 2, seed: int = 0):
    rgb = torch.rand(count, 3, *size, generator=seeded(1))
    thermal = torch.rand(count, 1, *size, generator=seeded(2))
    return rgb, thermal, masked_pair(rgb, thermal, seeded(seed))


def test_no_cell_is_hidden_in_both_cameras(drawn):
    _, rgb, thermal = drawn
    assert rgb.shape == thermal.shape == (20_000, 1, 8, 8)
    assert torch.maximum(rgb, thermal).min() == 1
    assert set(rgb.unique().tolist()) == {0.0, 1.0}


def test_keep_probability_is_uniform_in_its_range(drawn):
    p, _, _ = drawn
    assert 0.1 <= p.min() < 0.11
    assert 0.98 < p.max() <= 0.1 + 1 / 1.12
    assert p.mean().item() == pytest.approx(0.1 + 0.5 / 1.12, abs=0.01)


def test_39_percent_are_hidden_in_each_camera(drawn):
    _, rgb, thermal = drawn
    for seen in (rgb, thermal):
        assert 1 - seen.mean().item() == pytest.approx(0.39, abs=0.01)


def test_one_camera_may_be_hidden_almost_whole_while_the_other_is_almost_complete(drawn):
    _, rgb, thermal = drawn
    shares = 1 - torch.stack([rgb, thermal], 1).flatten(2).mean(2)
    assert shares.max() >= 0.95
    worst = shares[shares.amax(1) >= 0.95]
    assert (worst.amin(1) <= 0.05).all()
    for first in (0, 1):  # the cameras are exchanged in half of the samples
        assert (worst[:, first] >= 0.95).float().mean() == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize('p', [0.1, 0.5, 0.9])
def test_hidden_share_follows_from_the_rule(p):
    rgb, thermal = cell_masks(torch.full((4000,), p), seeded(3))
    lost = 1 - p * p
    wanted = lost - lost**2 / 2
    assert 1 - rgb.mean().item() == pytest.approx(wanted, abs=0.01)
    both = (rgb * thermal).mean().item()
    assert both == pytest.approx((p * p) ** 2, abs=0.01)


def test_a_cell_both_lost_goes_to_one_side_with_the_same_chance_per_sample():
    p = 0.4
    rgb, thermal = cell_masks(torch.full((4000,), p), seeded(4))
    share = rgb.flatten(1).mean(1)
    # The first grid keeps p2 + (1 - p2)^2 p2, the second p2 + (1 - p2)^3; swapped in half.
    first = p * p + (1 - p * p) ** 2 * p * p
    second = p * p + (1 - p * p) ** 3
    middle = (first + second) / 2
    assert share[share < middle].mean().item() == pytest.approx(first, abs=0.02)
    assert share[share > middle].mean().item() == pytest.approx(second, abs=0.02)
    assert (share < middle).float().mean().item() == pytest.approx(0.5, abs=0.04)
    assert thermal.flatten(1).mean(1)[share < middle].mean() > middle


@pytest.mark.parametrize('size', [(256, 256), (97, 131), (8, 8), (64, 40)])
def test_cells_spread_over_images_of_any_size(size):
    cells = torch.arange(64.0).view(1, 1, 8, 8)
    spread = enlarged(cells, torch.zeros(1, 3, *size))
    assert spread.shape == (1, 1, *size)
    counts = np.bincount(spread.flatten().int().numpy(), minlength=64)
    cell = (size[0] / 8) * (size[1] / 8)
    assert counts.min() >= cell * 0.8
    assert counts.max() <= cell * 1.2
    assert spread[0, 0, 0, 0] == 0
    assert spread[0, 0, -1, -1] == 63
    if size == (256, 256):
        assert (counts == 32 * 32).all()


def test_hidden_pixels_are_noise_and_the_rest_is_untouched():
    rgb, thermal, pair = pair_of((64, 64), count=6)
    for image, masked, seen in (
        (rgb, pair.rgb, pair.seen_rgb), (thermal, pair.thermal, pair.seen_thermal),
    ):
        keep = (seen > 0).expand_as(image)
        assert torch.equal(masked[keep], image[keep])
        noise = masked[~keep]
        assert len(noise) > 1000
        assert 0 <= noise.min() <= noise.max() <= 1
        assert noise.mean().item() == pytest.approx(0.5, abs=0.03)
        assert noise.std().item() == pytest.approx(12**-0.5, abs=0.03)
    red, green = pair.rgb[:, :1], pair.rgb[:, 1:2]
    hidden = pair.seen_rgb == 0
    assert (red[hidden] != green[hidden]).float().mean() > 0.99


def test_the_generator_alone_decides():
    _, _, one = pair_of(seed=5)
    _, _, two = pair_of(seed=5)
    _, _, other = pair_of(seed=6)
    assert torch.equal(one.rgb, two.rgb)
    assert torch.equal(one.seen_thermal, two.seen_thermal)
    assert not torch.equal(one.seen_rgb, other.seen_rgb)


def test_curvature_is_the_sum_of_the_second_derivatives():
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(11.0), indexing='ij')
    image = (1.5 * columns**2 + 0.5 * rows**2 - 2 * rows * columns + 7 * rows)[None, None]
    found = curvature(image)[..., 1:-1, 1:-1]
    torch.testing.assert_close(found, torch.full_like(found, abs(3 + 1 - 2)))


def test_a_perfect_answer_costs_nothing_where_it_was_hidden():
    rgb, thermal, pair = pair_of()
    y = rgb.mean(1, keepdim=True)
    loss = reconstruction_loss(y, pair, y, y)
    assert loss == 0
    answer = torch.where(pair.seen_thermal > 0, y, thermal)
    assert reconstruction_loss(answer, pair, y, thermal) < reconstruction_loss(
        torch.full_like(y, 0.5), pair, y, thermal
    )


def test_loss_counts_hidden_regions_ten_times_and_does_not_depend_on_their_size():
    y = torch.full((1, 1, 16, 16), 0.5)
    for share in (1, 8):
        seen = torch.ones_like(y)
        seen[..., :share] = 0
        pair = MaskedPair(y.expand(1, 3, 16, 16), y, seen, torch.ones_like(y))
        wrong_hidden = torch.where(seen > 0, y, y + 0.2)
        flat = y + 0.2  # no curvature: the intensity term alone, hidden 5, visible 0.5 + 0.5
        assert reconstruction_loss(flat, pair, y, y).item() == pytest.approx(0.2 * 6, rel=1e-5)
        assert reconstruction_loss(wrong_hidden, pair, y, y) > 0.2 * 5


def test_nothing_hidden_at_all_is_no_division_by_zero():
    y = torch.rand(1, 1, 8, 8, generator=seeded())
    ones = torch.ones_like(y)
    pair = MaskedPair(y.expand(1, 3, 8, 8), y, ones, ones)
    assert reconstruction_loss(y, pair, y, y) == 0
    hidden = MaskedPair(y.expand(1, 3, 8, 8), y, 1 - ones, ones)
    assert reconstruction_loss(y, hidden, y, y) == 0


def test_encoder_and_fusion_decoder_learn_from_it_and_the_mask_decoder_does_not():
    torch.manual_seed(0)
    network = build('mafs', 'tiny', classes=4, entities=3)
    rgb, thermal, pair = pair_of((32, 64))
    y = rgb.mean(1, keepdim=True)
    output = network.reconstruct(pair.rgb, pair.thermal)
    assert output.shape == y.shape
    reconstruction_loss(output, pair, y, thermal).backward()
    learning = {
        name.partition('.')[0] for name, p in network.named_parameters() if p.grad is not None
    }
    assert learning == {'encoder', 'fusion_decoder'}


