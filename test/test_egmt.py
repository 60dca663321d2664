"""EGMT: shapes, any size, one camera alone, budget, what its decoder paints."""

import pytest
import torch
from egmt_networks import BOTH, ENTITIES, SIZE, assert_same, inputs, results, tiny

from vif_perception.models.cost import cost
from vif_perception.models.deploy import Deployed
from vif_perception.models.egmt import EGMT, EGMTConfig
from vif_perception.models.egmt.decoder import FusionDecoder
from vif_perception.models.egmt.entities import WIDTH
from vif_perception.models.registry import build
from vif_perception.training.multitask_losses import gradient_size


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize('preset', ['tiny', 'n'])
@pytest.mark.parametrize('count', [1, 2])
def test_outputs_of_both_modes(preset, count):
    network = build('egmt', preset, classes=5, entities=ENTITIES)
    rgb, y, heat = inputs(count)
    for mode in (network.train(), network.eval()):
        out = mode(rgb, y, heat, BOTH[:count])
        assert out.fused_y.shape == (count, 1, *SIZE)
        assert out.logits.shape == (count, 5, SIZE[0] // 4, SIZE[1] // 4)
        assert out.entity_logits.shape == (count, ENTITIES)
        assert 0 <= out.fused_y.min() <= out.fused_y.max() <= 1
    assert not out.auxiliaries, 'the robot does not pay for what only training reads'


def test_alignment_outputs_of_training():
    out = tiny().train()(*inputs(), BOTH)
    assert {name: tuple(x.shape) for name, x in out.auxiliaries.items()} == {
        'regions': (2, ENTITIES, WIDTH), 'entity_keys': (2, ENTITIES, WIDTH),
    }


@pytest.mark.parametrize('size', [(97, 131), (8, 8), (1, 1), (9, 64)])
def test_any_size_through_the_deployed_module(size):
    deployed = Deployed(tiny())
    rgb = torch.randint(0, 256, (*size, 3), dtype=torch.uint8)
    heat = torch.randint(0, 256, size, dtype=torch.uint8)
    with torch.no_grad():
        first, again = (
            deployed(rgb, heat, torch.tensor([0.0, 255.0]), torch.ones(2)) for _ in range(2)
        )
    assert [tuple(x.shape) for x in first] == [(*size, 3), size, size, (ENTITIES,)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_an_image_is_the_same_alone_and_in_a_batch():
    network, (rgb, y, heat) = tiny(), inputs()
    together = results(network, rgb, y, heat, BOTH)
    alone = results(network, rgb[1:], y[1:], heat[1:], BOTH[1:])
    assert_same([x[1:] for x in together], alone, atol=1e-5, rtol=1e-4)


def test_same_seed_same_network():
    torch.manual_seed(5)
    one = build('egmt', 'tiny')
    torch.manual_seed(5)
    other = build('egmt', 'tiny')
    args = (*inputs(), BOTH)
    assert_same(results(one.eval(), *args), results(other.eval(), *args), atol=0, rtol=0)


def test_every_parameter_learns():
    network = tiny().train()
    present = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    out = network(*inputs(3), present, labels=torch.eye(3))
    total = out.fused_y.square().sum() + out.logits.square().sum()
    total = total + out.entity_logits.square().sum()
    (total + sum(x.square().sum() for x in out.auxiliaries.values())).backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_the_full_size_keeps_its_budget():
    with torch.device('meta'):
        price = cost(build('egmt', 's', classes=15, entities=32))
    assert price.parameters < 6e6
    assert price.macs < 60e9


@pytest.mark.parametrize('flags, index', [((1.0, 0.0), 1), ((0.0, 1.0), 2)])
def test_one_camera_alone(flags, index):
    network, (rgb, y, heat) = tiny(), inputs()
    present = torch.tensor([flags, flags])
    seen = results(network, rgb, y, heat, present)
    torch.testing.assert_close(seen[0], (rgb, y, heat)[index], atol=0, rtol=0)
    if flags[0]:
        other = results(network, rgb, y, torch.rand_like(heat), present)
    else:
        other = results(network, torch.rand_like(rgb), torch.rand_like(y), heat, present)
    assert_same(seen, other, atol=0, rtol=0)


def test_presence_flags_change_the_mask():
    network, args = tiny(), inputs()
    both = results(network, *args, BOTH)[1]
    assert (both - results(network, *args, torch.tensor([[1.0, 0.0]] * 2))[1]).abs().max() > 1e-4


# ---- the way up, which once painted stripes ----

def test_stripes_and_checkers_of_2_px_cost_the_gradient_loss_nothing():
    columns = torch.arange(16.0) % 2
    stripes = columns.expand(1, 1, 16, 16)
    checkers = (columns[:, None] - columns[None]).abs()[None, None]
    for image in (stripes, stripes.mT, checkers):
        assert gradient_size(image)[..., 1:-1, 1:-1].max() == 0


def test_the_way_up_paints_nothing_where_there_is_nothing():
    decoder = FusionDecoder((8, 8, 16, 16), 1)
    sizes = ((8, 96), (8, 48), (16, 24), (16, 12))
    *skips, coarsest = (torch.randn(1, c, 1, 1).expand(1, c, side, side) for c, side in sizes)
    with torch.no_grad():
        luma = decoder(skips, coarsest)[0][0, 0, 32:-32, 32:-32]
    assert luma.max() - luma.min() < 1e-5


@pytest.mark.parametrize('factor', [1.0, 100.0])
def test_the_tanh_starts_in_its_linear_part_however_large_the_features(factor):
    decoder = FusionDecoder((8, 8, 16, 16), 1)
    sizes = ((8, 96), (8, 48), (16, 24), (16, 12))
    *skips, coarsest = (factor * torch.randn(1, c, side, side) for c, side in sizes)
    with torch.no_grad():
        luma = decoder(skips, coarsest)[0]
    assert ((luma > 0.01) & (luma < 0.99)).float().mean() > 0.99


def test_sizes_are_those_of_the_configuration():
    network = EGMT(EGMTConfig(classes=4, entities=6, dims=(8, 8, 16, 32), blocks=1, expansion=2))
    out = network(*inputs(), BOTH)
    assert out.logits.shape[1] == 4
    assert out.entity_logits.shape[1] == 6
