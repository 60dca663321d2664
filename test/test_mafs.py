"""MAFS: what the whole network promises, one camera alone, any size, its engine."""

import numpy as np
import pytest
import torch
from mafs_networks import inputs, noise, tiny, trained

from vif_perception.config import InferenceConfig
from vif_perception.errors import InputError
from vif_perception.inference.torch_engine import TorchEngine
from vif_perception.inference.weights import Card, load_network, save_network
from vif_perception.labels import MFNET
from vif_perception.models.prediction import entity_evidence
from vif_perception.models.registry import build
from vif_perception.types import Calibration


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
