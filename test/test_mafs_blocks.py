"""MAFS: its blocks against plain references."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mafs_networks import noise, trained

from vif_perception.models.attention import MDTA
from vif_perception.models.mafs import attention, decoder, fusion, invertible


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
