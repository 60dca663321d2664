"""EGMT: blocks against plain reference code, gates, pins, presence, any size."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vif_perception.config import load_config
from vif_perception.errors import InputError
from vif_perception.inference import create_engine
from vif_perception.inference.weights import save_network
from vif_perception.models.cost import cost
from vif_perception.models.deploy import Deployed
from vif_perception.models.egmt import EGMT, EGMTConfig
from vif_perception.models.egmt.decoder import FusionDecoder
from vif_perception.models.egmt.ecim import ECIM
from vif_perception.models.egmt.entities import (
    FREE,
    HEADS,
    TEXT,
    WIDTH,
    EntityTokens,
    pin_entities,
)
from vif_perception.models.registry import build
from vif_perception.training.multitask_losses import gradient_size
from vif_perception.types import Calibration

ENTITIES = 3
SIZE = (24, 40)
BOTH = torch.ones(2, 2)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def tiny() -> EGMT:
    """Return a fresh network whose entities have a say: at the start their gate is shut."""
    network = build('egmt', 'tiny', classes=5, entities=ENTITIES).eval()
    with torch.no_grad():
        for ecim in (network.ecim4, network.ecim8):
            ecim.gate.fill_(0.8)
        for missing in (network.missing_vi, network.missing_ir):
            for vector in missing.vectors:
                vector.normal_()
    return network


def inputs(count: int = 2, size: tuple[int, int] = SIZE) -> tuple[torch.Tensor, ...]:
    rgb, heat = torch.rand(count, 3, *size), torch.rand(count, 1, *size)
    return rgb, rgb.mean(1, keepdim=True), heat


def results(network, *args, **kwargs):
    with torch.no_grad():
        out = network(*args, **kwargs)
    return out.fused_y, out.logits, out.entity_logits


def assert_same(one, other, **tolerance) -> None:
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, **tolerance)


# ---- shapes, sizes, determinism ----

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


# ---- ECIM against plain code ----

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


# ---- gates and pins ----

def test_gate_zero_takes_all_influence_of_an_entity():
    network, args = tiny(), (*inputs(), BOTH)
    tokens = network.tokens()
    changed = tokens.clone()
    changed[:, 1] = 7 * torch.randn(WIDTH)
    merged = torch.randn(2, 16, 3, 5)

    def guided(tokens, gates):
        heard = network.tokens.with_null(tokens, gates)
        with torch.no_grad():
            return network.ecim8.guide(merged, *heard)[0]

    shut, open_ = torch.tensor([[0.7, 0.0, 1.0]] * 2), torch.tensor([[0.7, 0.5, 1.0]] * 2)
    torch.testing.assert_close(guided(tokens, shut), guided(changed, shut), atol=0, rtol=0)
    assert (guided(tokens, open_) - guided(changed, open_)).abs().max() > 1e-3
    without = torch.cat([tokens[:, :1], tokens[:, 2:]], 1)
    torch.testing.assert_close(guided(tokens, shut), guided(without, shut[:, [0, 2]]))
    assert all(x.isfinite().all() for x in results(network, *args, labels=torch.zeros(2, 3)))


def test_gates_come_from_pins_then_labels_then_the_classifier():
    tokens = EntityTokens(3)
    logits = torch.tensor([[0.0, 2.0, -2.0]], requires_grad=True)
    gates = tokens.gates(logits)
    torch.testing.assert_close(gates, torch.sigmoid(logits.detach()))
    assert not gates.requires_grad
    labels = torch.tensor([[FREE, 0.0, 1.0]])
    assert tokens.gates(logits, labels).tolist() == [[0.5, 0.0, 1.0]]
    tokens.pin(2, 0.25)
    assert tokens.gates(logits, labels).tolist() == [[0.5, 0.0, 0.25]]
    tokens.pin(2, None)
    assert tokens.gates(logits, labels).tolist() == [[0.5, 0.0, 1.0]]


def test_cosine_classifier_by_hand():
    network = build('egmt', 'tiny', entities=ENTITIES, options={'classifier': 'cosine'})
    x = torch.rand(2, 16, 4, 5)
    image = network.classifier.out(x.flatten(2).mean(2))
    expected = torch.stack([
        F.cosine_similarity(image, text[None]) / 0.07 for text in network.tokens.text
    ], 1)
    torch.testing.assert_close(network.classifier(x, network.tokens), expected)


@pytest.mark.parametrize('rule, gate', [('open', 1.0), ('shut', 0.0)])
def test_gates_of_the_controls(rule, gate):
    tokens = EntityTokens(3, rule)
    given = torch.ones(2, 3) - gate  # labels cannot speak against the control, a pin can
    assert tokens.gates(torch.randn(2, 3), given).tolist() == [[gate] * 3] * 2
    tokens.pin(1, 1 - gate)
    assert tokens.gates(torch.randn(1, 3)).tolist() == [[gate, 1 - gate, gate]]


def test_without_text_the_embeddings_do_not_matter():
    network = build('egmt', 'tiny', entities=ENTITIES, options={'gates': 'shut'}).eval()
    with torch.no_grad():
        network.ecim8.gate.fill_(1.0)
    args = (*inputs(), BOTH)
    before = results(network, *args)[0]
    network.tokens.use_embeddings(F.normalize(torch.randn(ENTITIES, TEXT), dim=1))
    torch.testing.assert_close(results(network, *args)[0], before, atol=0, rtol=0)


def test_a_pin_changes_the_image_and_not_the_score():
    network, args = tiny(), (*inputs(), BOTH)
    before = results(network, *args)
    pin_entities(network, ('car', 'person', 'bike'), {'person': 0.0, 'car': 1.0})
    after = results(network, *args)
    assert (before[0] - after[0]).abs().max() > 1e-6
    torch.testing.assert_close(before[2], after[2], atol=0, rtol=0)


def test_a_pin_is_no_part_of_the_weights():
    network = tiny()
    network.tokens.pin(0, 1.0)
    assert not [name for name in network.state_dict() if 'pin' in name]


@pytest.mark.parametrize('entity, value, said', [
    (3, 1.0, 'no entity 3'), (-1, 1.0, 'no entity -1'), (0, 1.5, 'pinned to 1.5'),
    (0, float('nan'), 'pinned to nan'),
])
def test_bad_pin(entity, value, said):
    with pytest.raises(InputError, match=said):
        tiny().tokens.pin(entity, value)


def test_unknown_entity_and_network_without_gates():
    with pytest.raises(InputError, match=r"unknown entity 'unicorn'.*car, person, bike"):
        pin_entities(tiny(), ('car', 'person', 'bike'), {'unicorn': 1.0})
    with pytest.raises(InputError, match='RT has no entity gates'):
        pin_entities(build('rt', 'n'), ('car',), {'car': 1.0})
    pin_entities(build('rt', 'n'), ('car',), {})


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(1)
    network = build('egmt', 'tiny', classes=2, entities=2)
    with torch.no_grad():
        for module in (network.ecim4, network.ecim8):
            module.gate.fill_(1.0)
    path = tmp_path / 'egmt.safetensors'
    save_network(
        network, path, name='egmt', network='egmt', preset='tiny', classes=('nothing', 'car'),
        colors=((0, 0, 0), (9, 9, 9)), entities=('car', 'person'),
    )
    return path


def run_forced(path, *sets):
    """Fused image and scores of an engine with these settings."""
    config = load_config(None, [
        f'model.weights={path}', 'inference.device=cpu', 'inference.precision=fp32', *sets
    ])
    image = np.random.default_rng(0).integers(0, 255, (32, 48, 3), dtype=np.uint8)
    heat = np.ascontiguousarray(image[::-1, ::-1, 0])
    output = create_engine(config).run(
        image, heat, bgr=False, window=(0.0, 255.0),
        calibration=Calibration('rgb', (48, 32), (48, 32), None),
    )
    return output.fused, output.entities


def test_a_parameter_forces_entities_on_and_off(weights):
    free, scores = run_forced(weights)
    for key in ('entities_on', 'entities_off'):
        fused, found = run_forced(weights, f'model.{key}=[car, person]')
        assert (fused != free).any(), key
        np.testing.assert_array_equal(found, scores)


@pytest.mark.parametrize('setting, said', [
    ('model.entities_on=[unicorn]', "model.entities_on, .*unknown entity 'unicorn'.*car, person"),
    ('model.entities_off=[Car]', "unknown entity 'Car'"),
    ('model.entities_on=car', 'model.entities_on: '),
])
def test_forcing_what_the_network_does_not_know(weights, setting, said):
    with pytest.raises(InputError, match=said):
        run_forced(weights, setting)


def test_forcing_on_and_off_at_once_and_networks_without_gates():
    with pytest.raises(InputError, match="'car' is in entities_on and in entities_off"):
        load_config(None, ['model.entities_on=[car]', 'model.entities_off=[car]'])
    with pytest.raises(InputError, match=r'RT has no entity gates.*a preset of egmt'):
        create_engine(load_config(None, ['model.entities_off=[car]']))


def test_embeddings_of_a_vocabulary():
    network, args = tiny(), (*inputs(), BOTH)
    before = results(network, *args)[2]
    network.tokens.use_embeddings(F.normalize(torch.randn(ENTITIES, TEXT), dim=1))
    assert (results(network, *args)[2] - before).abs().max() > 1e-4
    with pytest.raises(InputError, match=r'\(4, 512\).*3 entities x 512'):
        network.tokens.use_embeddings(torch.zeros(4, TEXT))
    with pytest.raises(InputError, match='not finite'):
        network.tokens.use_embeddings(torch.full((ENTITIES, TEXT), float('nan')))


# ---- presence ----

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
