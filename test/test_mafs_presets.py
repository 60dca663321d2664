"""MAFS: sizes against the released model, folding, the teacher of its second stage."""

import copy
import importlib.util
import sys

import pytest
import torch
from mafs_networks import inputs, trained

from vif_perception.errors import InputError
from vif_perception.models.blocks import fold_batchnorm
from vif_perception.models.cost import cost
from vif_perception.models.mafs import backbones
from vif_perception.models.mafs.teacher import Teacher, fused_color
from vif_perception.models.registry import build, families

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
