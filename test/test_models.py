"""The rt network: shapes, presence flags, folding, cost."""

import copy
import importlib.util

import pytest
import torch

from vif_perception.models.blocks import ConvBN, channels_last, fold_batchnorm
from vif_perception.models.cost import cost
from vif_perception.models.registry import build, families

TINY = (64, 96)
PRESETS = [(name, preset) for name, family in families().items() for preset in family.presets]


def built(name: str, preset: str, **options) -> torch.nn.Module:
    needs = families()[name].presets[preset].needs
    if needs and importlib.util.find_spec(needs) is None:
        pytest.skip(f'{needs.upper()} IS NOT INSTALLED: {name} {preset} was not built')
    return build(name, preset, **options)


def random_inputs(count: int = 1, size: tuple[int, int] = TINY) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    rgb = torch.rand(count, 3, *size, generator=generator)
    heat = torch.rand(count, 1, *size, generator=generator)
    return rgb, rgb.mean(1, keepdim=True), heat


@pytest.mark.parametrize('key', PRESETS, ids='-'.join)
@pytest.mark.parametrize('count', [1, 2])
def test_every_network_keeps_its_output_contract(key, count):
    network = built(*key, classes=5, entities=3).eval()
    rgb, y, heat = random_inputs(count)
    with torch.no_grad():
        out = network(rgb, y, heat, torch.ones(count, 2))
    assert out.fused_y.shape == (count, 1, *TINY)
    assert out.logits.shape[:2] == (count, 5)
    rows, columns = out.logits.shape[2:]
    assert TINY[0] % rows == TINY[1] % columns == 0
    assert TINY[0] // rows == TINY[1] // columns <= 4
    assert out.entity_logits.shape == (count, 3)
    assert 0 <= out.fused_y.min() <= out.fused_y.max() <= 1


@pytest.mark.parametrize('key', PRESETS, ids='-'.join)
@pytest.mark.parametrize('count', [1, 2])
def test_every_preset_repeats_itself_and_learns_from_an_odd_image_as_it_is_padded(key, count):
    stride, (height, width) = built(*key).stride, (33, 47)
    size = (-(-height // stride) * stride, -(-width // stride) * stride)
    rgb, y, heat = random_inputs(count, size)
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        network = built(*key, classes=5, entities=3).train()
        with torch.no_grad():
            for parameter in network.parameters():
                if not parameter.any():  # gates that are shut at first let no gradient through
                    parameter.add_(0.1)
        out = network(rgb, y, heat, torch.ones(count, 2))
        found.append((out.fused_y, out.logits, out.entity_logits))
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))
    weights = torch.linspace(0.5, 1.5, out.fused_y.numel()).view_as(out.fused_y)
    maps = (out.logits, out.entity_logits, *out.auxiliaries.values())
    ((out.fused_y * weights).sum() + sum(x.float().square().sum() for x in maps)).backward()
    gradients = {name: p.grad for name, p in network.named_parameters()}
    absent = ('missing', 'stand_ins')  # both cameras are here, so nothing stands in for one
    assert {name for name, g in gradients.items() if g is None} <= {
        name for name in gradients if any(word in name for word in absent)
    }
    moving = [g for g in gradients.values() if g is not None]
    assert all(g.isfinite().all() for g in moving)
    assert sum(bool(g.any()) for g in moving) > 0.95 * len(moving)


def test_one_camera_is_copied_exactly_into_the_fused_image():
    network = build('rt', 's').eval()
    rgb, y, heat = random_inputs()
    with torch.no_grad():
        only_rgb = network(rgb, y, heat, torch.tensor([[1.0, 0.0]]))
        only_thermal = network(rgb, y, heat, torch.tensor([[0.0, 1.0]]))
    torch.testing.assert_close(only_rgb.fused_y, y)
    torch.testing.assert_close(only_thermal.fused_y, heat)


def test_an_absent_camera_has_no_influence():
    network = build('rt', 's').eval()
    rgb, y, heat = random_inputs()
    flags = torch.tensor([[1.0, 0.0]])
    with torch.no_grad():
        one = network(rgb, y, heat, flags)
        other = network(rgb, y, torch.zeros_like(heat), flags)
    torch.testing.assert_close(one.logits, other.logits)
    torch.testing.assert_close(one.entity_logits, other.entity_logits)


def test_presence_flags_change_the_mask():
    torch.manual_seed(0)
    network = build('rt', 's').eval()
    rgb, y, heat = random_inputs()
    with torch.no_grad():
        both = network(rgb, y, heat, torch.ones(1, 2)).logits
        alone = network(rgb, y, heat, torch.tensor([[1.0, 0.0]])).logits
    assert (both - alone).abs().max() > 1e-4


def test_folding_batchnorm_keeps_the_result():
    torch.manual_seed(0)
    network = build('rt', 'n')
    rgb, y, heat = random_inputs(2)
    for _ in range(3):
        network(rgb, y, heat, torch.ones(2, 2))
    network.eval()
    folded = fold_batchnorm(copy.deepcopy(network))
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    with torch.no_grad():
        before, after = (net(rgb, y, heat, torch.ones(2, 2)) for net in (network, folded))
    torch.testing.assert_close(before.logits, after.logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(before.fused_y, after.fused_y, atol=1e-4, rtol=1e-4)


def test_every_parameter_learns():
    network = build('rt', 'n')
    rgb, y, heat = random_inputs(3)
    present = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    for _ in range(2):  # the entity gate starts at zero, so its input learns from the second step
        network.zero_grad()
        out = network(rgb, y, heat, present)
        (out.fused_y.sum() + out.logits.square().sum() + out.entity_logits.sum()).backward()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(parameter.grad, alpha=-1e-6)
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


@pytest.mark.parametrize('channels', [8, 16, 20, 24, 40, 48])
def test_dilated_convolutions_have_a_gradient_in_bf16(channels):
    torch.manual_seed(0)
    block = channels_last(ConvBN(channels, 16, dilation=2, relu=False))
    x = torch.randn(2, channels, 24, 24).contiguous(memory_format=torch.channels_last)
    target = torch.randn(2, 16, 24, 24)
    gradients = []
    for halved in (False, True):
        block.zero_grad()
        with torch.autocast('cpu', torch.bfloat16, enabled=halved):
            out = block(x)
        (out.float() * target).sum().backward()
        gradients.append(block.conv.weight.grad[:, :channels].clone())
    exact, found = gradients
    assert (exact - found).abs().max() < 0.05 * exact.abs().max()


def test_default_size_stays_inside_the_robot_budget():
    size = cost(build('rt', 's'))
    assert size.parameters <= 3_000_000
    assert size.macs <= 4_000_000_000


def test_cost_counts_a_known_convolution():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = ConvBN(3, 8)

        def forward(self, rgb, y, thermal, present):
            return self.conv(rgb)

    assert cost(Net(), (64, 32)).macs == 64 * 32 * 3 * 8 * 9
