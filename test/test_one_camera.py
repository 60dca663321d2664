"""One camera alone, learned beside both: `rt` segments some pairs of a batch a second time."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vif_perception.errors import InputError
from vif_perception.models.registry import build
from vif_perception.models.rt import Again
from vif_perception.training.distillation import Distillation
from vif_perception.training.objective import Shown
from vif_perception.training.objectives import DARK, objective_for, one_camera


def shown(present, brightness=None, size=32):
    """N images of one size with these flags."""
    flags = torch.tensor(present, dtype=torch.float32)
    count = len(flags)
    generator = torch.Generator().manual_seed(1)
    rgb = torch.rand(count, 3, size, size, generator=generator)
    if brightness is not None:
        rgb = rgb * 0 + torch.tensor(brightness)[:, None, None, None]
    thermal = torch.rand(count, 1, size, size, generator=generator)
    mask = torch.randint(0, 9, (count, size, size), generator=generator)
    return Shown.of(rgb, thermal, mask, flags, torch.zeros(count, 8))


@torch.no_grad()
def test_the_second_answer_is_that_of_a_camera_alone():
    network = build('rt', 'n').eval()
    pairs = shown([[1, 1]] * 3)
    again = Again(torch.tensor([2, 0]), torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    both = network(pairs.rgb, pairs.y, pairs.thermal, pairs.present)
    more = network(pairs.rgb, pairs.y, pairs.thermal, pairs.present, again=again)
    torch.testing.assert_close(more.fused_y, both.fused_y)
    torch.testing.assert_close(more.logits[:3], both.logits)
    for row, (image, flags) in enumerate(zip(*again, strict=True), 3):
        lone = network(
            *(x[image, None] for x in (pairs.rgb, pairs.y, pairs.thermal)), flags[None]
        )
        torch.testing.assert_close(more.logits[row, None], lone.logits, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(
            more.entity_logits[row, None], lone.entity_logits, atol=1e-4, rtol=1e-4
        )


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from([(1, 1), (1, 0), (0, 1)]), min_size=1, max_size=6),
    st.integers(0, 6), st.integers(0, 99),
)
def test_pairs_lose_one_camera_and_what_has_one_keeps_it(present, count, seed):
    torch.manual_seed(seed)
    found = shown(present, size=2)
    again = one_camera(found, min(count, len(present)))
    assert len(set(again.images.tolist())) == min(count, len(present))
    pairs = sum(flags == (1, 1) for flags in present)
    chosen = sum(present[image] == (1, 1) for image in again.images.tolist())
    assert chosen == min(count, pairs)
    for image, flags in zip(again.images.tolist(), again.present.tolist(), strict=True):
        assert sum(flags) == 1
        if present[image] != (1, 1):
            assert flags == list(present[image])


def test_rgb_is_never_alone_in_the_dark():
    torch.manual_seed(0)
    found = shown([[1, 1]] * 40, [DARK / 2] * 20 + [2 * DARK] * 20)
    again = one_camera(found, 40)
    lit = again.images >= 20
    assert (again.present[~lit, 1] == 1).all()
    assert 2 < again.present[lit, 0].sum() < 18


def test_both_losses_see_the_second_answers_and_only_in_training():
    network = build('rt', 'n')
    objective = objective_for(network, alone=0.5)
    pairs = shown([[1, 1]] * 4)
    objective(pairs, 0.0)['mask'].backward()
    assert network.merge8.missing_rgb.grad.abs().sum() + \
        network.merge8.missing_thermal.grad.abs().sum() > 0
    network.eval()
    with torch.no_grad():
        one, other = objective(pairs, 0.0), objective_for(network)(pairs, 0.0)
    assert one == other


def test_nobody_misses_a_camera_without_it():
    network = build('rt', 'n')
    objective_for(network)(shown([[1, 1]] * 4), 0.0)['mask'].backward()
    assert network.merge8.missing_rgb.grad.abs().sum() == 0


def test_a_teacher_answers_for_the_pairs_it_is_shown():
    teach = Distillation(build('rt', 'n'), 'pair', 'channel', 4.0)
    terms = objective_for(build('rt', 'n'), alone=0.5, teach=teach)(shown([[1, 1]] * 4), 0.0)
    assert terms['mask_teacher'] > 0


@pytest.mark.parametrize(('name', 'preset', 'more'), [
    ('rt_early', 's', {}), ('multitaskvif', 'rt', {}), ('rt', 'n', {'stage': 'pretrain'}),
])
def test_others_are_refused(name, preset, more):
    with pytest.raises(InputError, match=r'objective\.alone'):
        objective_for(build(name, preset), alone=0.5, **more)
