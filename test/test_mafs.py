"""MAFS: its blocks against plain references, its contract, its presets."""

import copy
import importlib.util
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vif_perception.config import InferenceConfig
from vif_perception.errors import InputError
from vif_perception.inference.torch_engine import TorchEngine
from vif_perception.inference.weights import Card, load_network, save_network
from vif_perception.labels import MFNET
from vif_perception.models.attention import MDTA
from vif_perception.models.blocks import fold_batchnorm
from vif_perception.models.cost import cost
from vif_perception.models.mafs import (
    attention,
    backbones,
    decoder,
    fusion,
    invertible,
)
from vif_perception.models.mafs.teacher import Teacher, fused_color
from vif_perception.models.prediction import entity_evidence
from vif_perception.models.registry import build, families
from vif_perception.types import Calibration

SIZE = (32, 64)
#: Parameters in millions and GMACs at 640x480, 15 classes, counted from the released code; and of
#: what it holds that is read by nothing at inference, or that here runs in training only.
RELEASED = {'encoder': (126.729, 243.997), 'fusion': (0.1627, 47.746), 'mask': (2.377, 48.928)}
DEAD = {
    'encoder': {  # ARM, SFEB2, to_fused_seg, SIM3, S2PM
        'parameters': 0.7543 + 0.0563 + 0.1477 + 0.0370 + 0.2220, 'macs': 14.470 + 1.073 + 0.940,
    },
    'mask': {  # mask_features, boundary convolutions, redu_chan, intermediate_head
        'parameters': 0.0369 + 0.0190 + 0.0042 + 0.0007,
        # mask_features, block of p5 and p6, ARM_I and ARM_II, Z1 to Z6
        'macs': 0.708 + 0.313 + 8.774 + 2.048,
    },
}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def inputs(count: int = 1, size: tuple[int, int] = SIZE) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    rgb = torch.rand(count, 3, *size, generator=generator)
    thermal = torch.rand(count, 1, *size, generator=generator)
    return rgb, rgb.mean(1, keepdim=True), thermal


def tiny(classes: int = 5, entities: int = 4) -> torch.nn.Module:
    torch.manual_seed(0)
    return build('mafs', 'tiny', classes=classes, entities=entities)


def trained(module: torch.nn.Module) -> torch.nn.Module:
    """Move every parameter and statistic away from its initial value, as training would."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for value in (*module.parameters(), *module.buffers()):
            if value.is_floating_point() and value.ndim < 2:
                value.mul_(1 + 0.2 * torch.rand(value.shape, generator=generator)).add_(0.05)
    return module


def test_dem_gate_is_the_diagonal_of_the_outer_product():
    torch.manual_seed(0)
    dem = attention.DEM(16)
    rgb, thermal = noise(2, 16, 5, 7), noise(2, 16, 5, 7, seed=1)
    gate = dem.cross_gate(rgb, thermal)
    for image in range(2):
        a, b = (dem.describe(x[image].mean((1, 2))) for x in (rgb, thermal))
        a, b = a / a.square().sum().sqrt(), b / b.square().sum().sqrt()
        product = torch.sigmoid(16 * a[:, None] @ b[None, :])
        torch.testing.assert_close(gate[image, :, 0, 0], torch.diagonal(product))


def test_dem_shares_out_every_pixel():
    torch.manual_seed(0)
    dem = trained(attention.DEM(16))
    rgb, thermal = noise(1, 16, 5, 7), noise(1, 16, 5, 7, seed=1)
    out_rgb, out_thermal = dem(rgb, thermal)
    s = dem.cross_gate(rgb, thermal)
    u = dem.excite(dem.wide(torch.cat([s * rgb, s * thermal], 1)).flatten(2).max(2).values)
    r = (1 - s) * rgb + u[0, :16].view(1, 16, 1, 1) * s * rgb
    t = (1 - s) * thermal + u[0, 16:].view(1, 16, 1, 1) * s * thermal
    score_r, score_t = dem.score_rgb(r).exp(), dem.score_thermal(t).exp()
    w_r = score_r / (score_r + score_t)
    torch.testing.assert_close(out_thermal, (1 - w_r) * t)
    torch.testing.assert_close(out_rgb, w_r * r + (1 - w_r) * t)


def test_phf_normalises_then_scales_and_shifts_by_the_condition():
    torch.manual_seed(0)
    phf = trained(fusion.PHF(6, 4)).eval()
    x, condition = noise(2, 6, 8, 10) * 3 + 5, noise(2, 4, 4, 5, seed=1)
    out = phf(x, condition)
    told = F.relu(phf.shared[0](F.interpolate(condition, (8, 10), mode='bilinear')))
    scale, shift = 1 + torch.sigmoid(phf.gamma[0](told)), phf.beta(told)
    for image in range(2):
        for channel in range(6):
            plane = x[image, channel]
            plain = (plane - plane.mean()) / (plane.var(unbiased=False) + 1e-5).sqrt()
            value = plain * scale[image, channel]
            bn = phf.bn
            value = (value - bn.running_mean[channel]) / (bn.running_var[channel] + bn.eps).sqrt()
            value = value * bn.weight[channel] + bn.bias[channel] + shift[image, channel]
            torch.testing.assert_close(out[image, channel], value, atol=1e-5, rtol=1e-4)


def test_phf_ignores_brightness_and_contrast_of_the_shallow_features():
    torch.manual_seed(0)
    phf = fusion.PHF(6, 4).eval()
    x, condition = noise(1, 6, 8, 10), noise(1, 4, 4, 5, seed=1)
    torch.testing.assert_close(
        phf(x, condition), phf(4 * x + 3, condition), atol=1e-3, rtol=1e-3
    )
    assert (phf(x, condition) - phf(x, condition + 1)).abs().max() > 1e-2


def test_channel_attention_prefers_unlike_channels():
    block = fusion.ChannelAttention()
    x = noise(1, 3, 4, 5)
    torch.testing.assert_close(block(x), x)
    block.gamma.data.fill_(0.5)
    out = block(x)
    for i in range(3):
        energy = torch.stack([(x[0, i] * x[0, j]).sum() for j in range(3)])
        weights = (energy.max() - energy).exp()
        borrowed = sum(weights[j] * x[0, j] for j in range(3)) / weights.sum()
        torch.testing.assert_close(out[0, i], 0.5 * borrowed + x[0, i])


def test_afm_lies_between_the_two_cameras():
    torch.manual_seed(0)
    afm = trained(fusion.AFM(4, 8)).eval()
    rgb, thermal = noise(1, 4, 5, 7), noise(1, 4, 5, 7, seed=1)
    both = torch.cat([afm.rgb(rgb), afm.thermal(thermal)], 1)
    both = both * (1 + torch.sigmoid(afm.recalibrate(both.mean((2, 3), keepdim=True))))
    out, (one, two) = afm(rgb, thermal), both.chunk(2, 1)
    assert (out >= torch.minimum(one, two) - 1e-6).all()
    assert (out <= torch.maximum(one, two) + 1e-6).all()


def test_afm_trains_on_a_lone_image_as_it_runs_on_it():
    torch.manual_seed(0)
    pooled = fusion.Bottleneck(8, pooled=True)
    lone, pair = noise(1, 8, 1, 1), noise(2, 8, 1, 1)
    torch.testing.assert_close(pooled.train()(lone), pooled.eval()(lone))
    assert (pooled.train()(pair) - pooled.eval()(pair)).abs().max() > 1e-2


@pytest.mark.parametrize('module', ['InvertibleConv', 'InvertibleBlock'])
def test_invertible_modules_invert(module):
    torch.manual_seed(0)
    block = trained(getattr(invertible, module)(32))
    x = noise(2, 32, 9, 7)
    with torch.no_grad():
        y = block(x)
        assert (y - x).abs().max() > 0.1
        assert (block.inverse(y) - x).abs().max() < 1e-5


def test_all_blocks_of_the_fusion_decoder_together_invert():
    torch.manual_seed(0)
    blocks = invertible.FusionDecoder(16).blocks
    x = y = noise(1, 16, 9, 7)
    with torch.no_grad():
        for block in blocks:
            y = block(y)
        for block in reversed(blocks):
            y = block.inverse(y)
    assert (y - x).abs().max() < 1e-5


def test_coupling_scale_is_bounded():
    torch.manual_seed(0)
    block = invertible.InvertibleBlock(8)
    scale = block._scale(1e4 * noise(1, 4, 9, 7))
    assert np.exp(-0.8) - 1e-4 <= scale.min() < 0.5
    assert 2 < scale.max() <= np.exp(0.8) + 1e-4


def test_mdta_attends_between_channels():
    torch.manual_seed(0)
    block = trained(MDTA(8, heads=2))
    x = noise(2, 8, 5, 7)
    out = block(x)
    for image in range(2):
        qkv = block.project(x[image:image + 1])[0]
        q, k, v = qkv[:8], qkv[8:16], qkv[16:]
        rows = []
        for i in range(8):
            head = i // 4
            mates = range(4 * head, 4 * head + 4)
            alike = torch.stack([
                (q[i] * k[j]).sum() / (q[i].norm() * k[j].norm()) for j in mates
            ]) * block.temperature[head].squeeze()
            weights = alike.exp() / alike.exp().sum()
            rows.append(sum(w * v[j] for w, j in zip(weights, mates, strict=True)))
        wanted = block.out(torch.stack(rows)[None])
        torch.testing.assert_close(out[image:image + 1], wanted, atol=1e-5, rtol=1e-4)


def test_seg_head_lets_only_the_foreground_through():
    torch.manual_seed(0)
    head = decoder.SegHead(16, 5).eval()
    x = noise(1, 16, 4, 4)
    with torch.no_grad():
        head.prior[-1].weight.zero_()
        head.prior[-1].bias.copy_(torch.tensor([40.0, -40.0]))
        nothing = head(x)
        torch.testing.assert_close(nothing, head.score(torch.zeros_like(x)))
        head.prior[-1].bias.copy_(torch.tensor([-40.0, 40.0]))
        torch.testing.assert_close(head(x), head.score(x))


@pytest.mark.parametrize('count', [1, 2])
def test_auxiliary_maps_are_there_in_training_only(count):
    network = tiny(classes=7)
    rgb, y, thermal = inputs(count)
    out = network(rgb, y, thermal, torch.ones(count, 2))
    assert out.logits.shape == (count, 7, 16, 32)
    assert {name: tuple(value.shape[1:]) for name, value in out.auxiliaries.items()} == {
        'out1': (2, 2, 4), 'out2': (7, 2, 4), 'out3': (2, 4, 8), 'out4': (7, 4, 8),
        'out5': (2, 8, 16), 'out6': (7, 8, 16),
    }
    assert not network.eval()(rgb, y, thermal, torch.ones(count, 2)).auxiliaries


def test_every_parameter_learns():
    network = tiny()
    rgb, y, thermal = inputs(3)
    present = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    for _ in range(2):  # channel attention starts at zero
        network.zero_grad()
        out = network(rgb, y, thermal, present)
        maps = (out.fused_y, out.logits, out.entity_logits, *out.auxiliaries.values())
        sum(value.square().sum() for value in maps).backward()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(parameter.grad, alpha=-1e-7)
    dead = [name for name, p in network.named_parameters() if not p.grad.any()]
    assert dead == []


def test_both_tasks_reach_the_last_shared_block():
    network = tiny()
    rgb, y, thermal = inputs()
    out = network(rgb, y, thermal, torch.ones(1, 2))
    for value in (out.fused_y, out.logits):
        gradients = torch.autograd.grad(value.sum(), network.last_shared(), retain_graph=True)
        assert all(gradient.any() for gradient in gradients)


def test_the_same_seed_gives_the_same_network_output_and_gradient():
    rgb, y, thermal = inputs(2)
    found = []
    for _ in range(2):
        network = tiny()
        out = network(rgb, y, thermal, torch.ones(2, 2))
        (out.fused_y.sum() + out.logits.square().sum()).backward()
        found.append((out.fused_y, out.logits, network.encoder.sfe_rgb.part1[0].conv.weight.grad))
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def test_each_image_of_a_batch_is_seen_alone():
    network = trained(tiny()).eval()
    rgb, y, thermal = inputs(2)
    with torch.no_grad():
        both = network(rgb, y, thermal, torch.ones(2, 2))
        alone = network(rgb[1:], y[1:], thermal[1:], torch.ones(1, 2))
    torch.testing.assert_close(both.logits[1:], alone.logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(both.fused_y[1:], alone.fused_y, atol=1e-4, rtol=1e-4)


def test_an_absent_camera_has_no_influence_not_even_by_nan():
    network = tiny().eval()
    rgb, y, thermal = inputs()
    broken = torch.full_like(thermal, torch.nan)
    with torch.no_grad():
        one = network(rgb, y, thermal, torch.tensor([[1.0, 0.0]]))
        two = network(rgb, y, broken, torch.tensor([[1.0, 0.0]]))
        three = network(broken.expand(-1, 3, -1, -1), broken, thermal, torch.tensor([[0.0, 1.0]]))
        both = network(rgb, y, thermal, torch.ones(1, 2))
    assert torch.equal(one.logits, two.logits)
    assert torch.equal(one.fused_y, y)
    assert torch.equal(two.fused_y, y)
    assert torch.equal(three.fused_y, thermal)
    assert three.logits.isfinite().all()
    assert (one.logits - both.logits).abs().max() > 1e-4


def test_an_absent_camera_of_one_image_leaves_the_next_image_alone():
    network = tiny().eval()
    rgb, y, thermal = inputs(2)
    with torch.no_grad():
        mixed = network(rgb, y, thermal, torch.tensor([[0.0, 1.0], [1.0, 1.0]]))
        both = network(rgb, y, thermal, torch.ones(2, 2))
    assert torch.equal(mixed.fused_y[0], thermal[0])
    torch.testing.assert_close(mixed.fused_y[1], both.fused_y[1])


@pytest.mark.parametrize('size', [(64, 97), (63, 96), (16, 16)])
def test_sizes_between_the_strides_are_refused(size):
    rgb, y, thermal = inputs(size=size)
    with pytest.raises(InputError, match=f'{size[1]}x{size[0]}.*multiples of 32'):
        tiny()(rgb, y, thermal, torch.ones(1, 2))


def test_entities_are_the_classes_at_their_surest_pixel():
    logits = noise(2, 5, 6, 7)
    chance = logits.softmax(1)
    wanted = torch.stack([chance[:, k].flatten(1).max(1).values for k in (1, 2, 3)], 1)
    torch.testing.assert_close(torch.sigmoid(entity_evidence(logits, 3)), wanted)
    extreme = torch.tensor([200.0, -200.0]).view(1, 2, 1, 1)
    assert entity_evidence(extreme, 1).isfinite().all()


def test_more_entities_than_classes_are_refused():
    with pytest.raises(InputError, match='0 to 4'):
        build('mafs', 'tiny', classes=5, entities=5)


def test_engine_runs_any_size_without_entities(tmp_path):
    path = tmp_path / 'tiny.safetensors'
    save_network(
        tiny(len(MFNET), 0), path, name='tiny', network='mafs', preset='tiny',
        classes=MFNET.names, colors=MFNET.colors, entities=(),
    )
    engine = TorchEngine(*load_network(path), InferenceConfig(precision='fp32', device='cpu'))
    rgb, thermal = images(97, 131)
    for size in ((97, 131), (5, 3)):
        width, height = size
        out = engine.run(
            rgb[:height, :width], thermal[:height, :width], bgr=False, window=(0.0, 255.0),
            calibration=Calibration('rgb', size, size, None),
        )
        assert out.fused.shape == (height, width, 3)
        assert out.mask.shape == out.confidence.shape == (height, width)
        assert out.entities.shape == (0,)


def test_engine_gives_a_lone_camera_back_as_it_is():
    rgb, thermal = images(97, 131)
    calibration = Calibration('rgb', (97, 131), (97, 131), None)
    engine = make_engine('fp32')
    out = engine.run(rgb, None, bgr=False, window=(0.0, 255.0), calibration=calibration)
    np.testing.assert_array_equal(out.fused, rgb)
    out = engine.run(None, thermal, bgr=False, window=(0.0, 255.0), calibration=calibration)
    np.testing.assert_array_equal(out.fused, np.repeat(thermal[..., None], 3, 2))


def test_bf16_agrees_with_fp32():
    rgb, thermal = images(128, 96)
    one, two = (
        make_engine(precision).run(
            rgb, thermal, bgr=False, window=(0.0, 255.0),
            calibration=Calibration('rgb', (128, 96), (128, 96), None),
        )
        for precision in ('fp32', 'bf16')
    )
    assert (one.mask == two.mask).mean() > 0.97
    assert np.abs(one.fused.astype(int) - two.fused).mean() < 2


def images(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return rgb, random.integers(0, 256, (height, width), dtype=np.uint8)


def make_engine(precision: str) -> TorchEngine:
    card = Card(
        schema=1, name='test', network='mafs', preset='tiny', classes=MFNET.names,
        colors=MFNET.colors, entities=MFNET.names[1:], sha256='0' * 64,
    )
    return TorchEngine(
        tiny(len(MFNET), 8), card, InferenceConfig(precision=precision, device='cpu')
    )


@pytest.mark.parametrize('preset', ['tiny', 'r18', 'r50', 'mobilenet_v3'])
def test_folding_for_deployment_keeps_the_result(preset):
    network = trained(built(preset)).eval()
    rgb, y, thermal = inputs()
    folded = fold_batchnorm(copy.deepcopy(network))
    left = [
        name for name, module in folded.named_modules()
        if isinstance(module, torch.nn.BatchNorm2d) and '.phf_' not in f'.{name}'
    ]
    assert left == []
    with torch.no_grad():
        one, two = (net(rgb, y, thermal, torch.ones(1, 2)) for net in (network, folded))
    span = (one.logits.amax() - one.logits.amin()).item()
    torch.testing.assert_close(one.logits, two.logits, atol=1e-3 * span, rtol=1e-3)
    torch.testing.assert_close(one.fused_y, two.fused_y, atol=1e-3, rtol=1e-3)


def test_r152_is_the_released_model_without_what_nobody_reads():
    with torch.device('meta'):
        network = built('r152', classes=15)
    parts = {
        'encoder': network.encoder, 'fusion': network.fusion_decoder, 'mask': network.seg_decoder,
    }
    for name, part in parts.items():
        parameters, _ = RELEASED[name]
        found = sum(p.numel() for p in part.parameters()) / 1e6
        dead = DEAD.get(name, {}).get('parameters', 0)
        assert found + dead == pytest.approx(parameters, rel=2e-3), name
    released, dead = (
        sum(values) for values in (
            (macs for _, macs in RELEASED.values()), (part['macs'] for part in DEAD.values())
        )
    )
    assert cost(network).macs / 1e9 == pytest.approx(released - dead, rel=1e-3)


def built(preset: str, classes: int = 5) -> torch.nn.Module:
    needs = families()['mafs'].presets[preset].needs
    if needs and importlib.util.find_spec(needs) is None:
        pytest.skip(f'{needs.upper()} IS NOT INSTALLED: mafs {preset} was not tested')
    torch.manual_seed(0)
    return build('mafs', preset, classes=classes, entities=classes - 1)


def test_without_torchvision_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    for preset in ('r152', 'mobilenet_v3'):
        with pytest.raises(InputError, match=r'pip install vif_perception\[train\]'):
            build('mafs', preset)
    assert backbones.tiny().channels == (16, 24, 32, 48)


def test_teacher_stays_frozen_and_passes_the_gradient_to_the_fused_image():
    segmenter = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
    teacher = Teacher(segmenter)
    teacher.train()
    rgb, y, thermal = inputs()
    fused = thermal.clone().requires_grad_()
    before = copy.deepcopy(segmenter.state_dict())
    teacher(fused, rgb, y).sum().backward()
    assert fused.grad.any()
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert all(torch.equal(before[key], value) for key, value in segmenter.state_dict().items())


def test_fused_colour_keeps_chroma():
    rgb = torch.full((1, 3, 2, 2), 0.4)
    rgb[:, 0] = 0.5
    y = rgb.mean(1, keepdim=True)
    torch.testing.assert_close(fused_color(y, rgb, y), rgb)
    lighter = fused_color(y + 0.1, rgb, y)
    torch.testing.assert_close(lighter[:, 0] - lighter[:, 1], rgb[:, 0] - rgb[:, 1])
    assert fused_color(y + 5, rgb, y).max() == 1
