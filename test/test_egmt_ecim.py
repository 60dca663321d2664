"""EGMT: its entity-guided interaction against plain reference code."""

import math

import pytest
import torch
import torch.nn.functional as F
from egmt_networks import BOTH, ENTITIES, assert_same, inputs, results

from vif_perception.models.egmt.ecim import ECIM
from vif_perception.models.egmt.entities import HEADS, WIDTH
from vif_perception.models.registry import build


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def plain_norm(x, norm):
    mean, var = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    weight, bias = norm.norm.weight[:, None, None], norm.norm.bias[:, None, None]
    return (x - mean) / (var + 1e-5).sqrt() * weight + bias


def plain_mix(x, mix):
    x = torch.einsum('nchw,dc->ndhw', x, mix[0].weight[:, :, 0, 0])
    return F.conv2d(x, mix[1].weight, padding=1, groups=x.shape[1])


def plain_cross(own, other, cross):
    """One image, one head at a time, the affinity written out."""
    n, c, h, w = own.shape
    heads = cross.temperature.numel()
    e = c // heads
    q = plain_mix(own, cross.query)
    k, v = plain_mix(other, cross.key_value).split(c, 1)
    answer = torch.zeros_like(own)
    for i in range(n):
        for head in range(heads):
            rows = slice(head * e, (head + 1) * e)
            qi, ki, vi = (x[i, rows].reshape(e, h * w) for x in (q, k, v))
            cosine = torch.stack([
                torch.stack([a @ b / (a.norm() * b.norm()) for b in ki]) for a in qi
            ])
            share = (cosine * cross.temperature[head, 0, 0]).softmax(1)
            answer[i, rows] = (share @ vi).reshape(e, h, w)
    return torch.einsum('nchw,dc->ndhw', answer, cross.out.weight[:, :, 0, 0])


def plain_entity_answer(x, tokens, gates, part, pool):
    """Every pixel asks every token; weights are gate exp(score), the null token's gate is 1."""
    asked = F.avg_pool2d(x, pool)
    query = part.query[1](plain_norm(asked, part.query[0]))
    keys, values = part.key(tokens[0]), part.value(tokens[0])
    n, _, h, w = query.shape
    e = WIDTH // HEADS
    mixed = torch.zeros(n, WIDTH, h, w)
    for i in range(n):
        for head in range(HEADS):
            rows = slice(head * e, (head + 1) * e)
            score = torch.einsum('chw,kc->khw', query[i, rows], keys[:, rows]) / math.sqrt(e)
            weight = gates[i][:, None, None] * score.exp()
            mixed[i, rows] = torch.einsum(
                'khw,kc->chw', weight / weight.sum(0), values[:, rows]
            )
    answer = part.out(mixed)
    size = x.shape[-2:]
    return F.interpolate(answer, size, mode='bilinear', align_corners=False)


@pytest.mark.parametrize('pool', [1, 2])
def test_ecim_equals_plain_code(pool):
    ecim = ECIM(8, heads=2, expansion=2, pool=pool).eval()
    with torch.no_grad():
        ecim.gate.fill_(0.6)
        ecim.inter.vi_asks_ir.temperature.copy_(torch.tensor([2.0, 5.0]).view(2, 1, 1))
        for name, parameter in ecim.named_parameters():
            if name.endswith('norm.weight'):
                parameter.add_(0.3 * torch.randn_like(parameter))
    vi, ir = torch.randn(2, 8, 4, 6), torch.randn(2, 8, 4, 6)
    tokens = torch.randn(1, 4, WIDTH)
    gates = torch.tensor([[0.9, 0.0, 0.3, 1.0], [0.0, 0.5, 0.5, 1.0]])
    with torch.no_grad():
        out, _ = ecim(vi, ir, tokens, gates.log())
        inter = ecim.inter
        seen, felt = plain_norm(vi, inter.norm_vi), plain_norm(ir, inter.norm_ir)
        merged = vi + plain_cross(seen, felt, inter.vi_asks_ir)
        merged = merged + ir + plain_cross(felt, seen, inter.ir_asks_vi)
        answer = plain_entity_answer(merged, tokens, gates, ecim.entity, pool)
        x = merged + math.tanh(0.6) * answer
        normed = plain_norm(x, ecim.feed[0])
        expected = x + normed + ecim.feed[1].body(normed)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-4)


def test_entities_have_no_say_at_the_start_of_training():
    network = build('egmt', 'tiny', entities=ENTITIES).eval()
    assert torch.tanh(network.ecim4.gate) == torch.tanh(network.ecim8.gate) == 0
    args = (*inputs(), BOTH)
    before = results(network, *args)[:2]
    for entity in range(ENTITIES):
        network.tokens.pin(entity, 1.0)
    assert_same(before, results(network, *args)[:2], atol=0, rtol=0)
