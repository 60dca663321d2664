"""MultiTaskVIF: every host with every head, the parts of the head, the published sizes."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vif_perception.errors import InputError
from vif_perception.models.cost import cost
from vif_perception.models.deploy import Deployed
from vif_perception.models.multitaskvif import HOSTS, MultiTaskVIF, MultiTaskVIFConfig
from vif_perception.models.multitaskvif.cddfuse import DIM, BaseAttention, DetailNode
from vif_perception.models.multitaskvif.head import grid_means
from vif_perception.models.registry import build
from vif_perception.training.cascade import take_turn

WAYS = ('own', 'cascade', 'mth')
EVERY = [(host, way) for host in HOSTS for way in WAYS]
CLASSES, ENTITIES = 5, 3


def make(host, way='mth', seed=0, **options):
    torch.manual_seed(seed)
    return MultiTaskVIF(MultiTaskVIFConfig(CLASSES, ENTITIES, host, way, **options))


def random_inputs(network, count=1):
    generator = torch.Generator().manual_seed(1)
    size = (network.stride, 2 * network.stride)
    rgb = torch.rand(count, 3, *size, generator=generator)
    heat = torch.rand(count, 1, *size, generator=generator)
    return rgb, rgb.mean(1, keepdim=True), heat


def run(network, inputs, *flags):
    with torch.no_grad():
        return network(*inputs, torch.tensor(flags or [[1.0, 1.0]]))


def loss_of(out):
    """Sum up something of every output that every parameter moves."""
    weights = torch.linspace(0.5, 1.5, out.fused_y.numel()).view_as(out.fused_y)
    return (out.fused_y * weights).sum() + out.logits.square().sum()


@pytest.mark.parametrize('count', [1, 2])
@pytest.mark.parametrize('host, way', EVERY)
def test_contract_in_training_and_every_parameter_learns(host, way, count):
    network = make(host, way).train()
    inputs = random_inputs(network, count)
    height, width = inputs[1].shape[-2:]
    if count == 1:
        out = network(*inputs, torch.ones(1, 2))
        missing = {'stand_ins.rgb', 'stand_ins.thermal'}
    else:
        out = network(*inputs, torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        missing = set()
    assert out.fused_y.shape == (count, 1, height, width)
    assert out.fused_y.dtype == torch.float32
    assert out.logits.shape == (count, CLASSES, height // 4, width // 4)
    assert out.entity_logits.shape == (count, ENTITIES)
    assert 0 <= out.fused_y.min() <= out.fused_y.max() <= 1
    if count == 2 and way != 'mth':
        return  # one camera each: copied, so nothing of the fusion learns from this batch
    loss_of(out).backward()
    dead = {name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    if count == 2:  # the fusion head has nothing to do for one camera either
        missing = {name for name in dead if name.startswith('mth.fusion.')}
    assert dead == missing


@pytest.mark.parametrize('host', HOSTS)
def test_an_absent_camera_has_no_influence_and_the_other_is_copied(host):
    for way in WAYS if host != 'cddfuse' else ['mth']:  # one is slow enough
        network = make(host, way).eval()
        rgb, y, heat = random_inputs(network)
        lost = torch.full_like(heat, torch.nan)
        for flags, inputs, blind, kept in (
            ([1.0, 0.0], (rgb, y, heat), (rgb, y, lost), y),
            ([0.0, 1.0], (rgb, y, heat), (lost.expand_as(rgb), lost, heat), heat),
        ):
            seen, other = run(network, inputs, flags), run(network, blind, flags)
            assert torch.equal(seen.fused_y, kept)
            assert torch.equal(other.fused_y, kept)
            assert torch.equal(seen.logits, other.logits)
            assert torch.equal(seen.entity_logits, other.entity_logits)


@pytest.mark.parametrize('host, way', [(h, w) for h, w in EVERY if w != 'own'])
def test_the_mask_looks_at_both_cameras(host, way):
    network = make(host, way).eval()
    rgb, y, heat = random_inputs(network)
    logits = run(network, (rgb, y, heat)).logits
    assert not torch.equal(logits, run(network, (rgb, y, heat.flip(-1))).logits)
    assert not torch.equal(logits, run(network, (rgb.flip(-1), y.flip(-1), heat)).logits)


def test_presence_is_decided_image_by_image():
    network = make('seafusion').eval()
    inputs = random_inputs(network, 2)
    out = run(network, inputs, [1.0, 1.0], [0.0, 1.0])
    first = run(network, [x[:1] for x in inputs])
    second = run(network, [x[1:] for x in inputs], [0.0, 1.0])
    torch.testing.assert_close(out.logits, torch.cat([first.logits, second.logits]))
    torch.testing.assert_close(out.fused_y, torch.cat([first.fused_y, second.fused_y]))


@pytest.mark.parametrize('host, way', EVERY)
def test_any_size_through_the_deployed_module(host, way):
    deployed = Deployed(make(host, way))
    generator = torch.Generator().manual_seed(2)
    height, width = (97, 131) if host != 'cddfuse' else (33, 47)
    rgb = torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)
    heat = torch.randint(0, 256, (height, width), generator=generator, dtype=torch.uint8)
    window = torch.tensor([0.0, 255.0])
    with torch.no_grad():
        once, again, alone = (
            deployed(rgb, heat, window, torch.tensor(flags))
            for flags in ([1.0, 1.0], [1.0, 1.0], [1.0, 0.0])
        )
    fused, mask, confidence, entities = once
    assert fused.shape == (height, width, 3)
    assert mask.shape == confidence.shape == (height, width)
    assert mask.max() < CLASSES
    assert entities.shape == (ENTITIES,)
    assert all(torch.equal(x, other) for x, other in zip(once, again, strict=True))
    assert torch.equal(alone[0], rgb)


@pytest.mark.parametrize('host, way', [*((host, 'mth') for host in HOSTS), ('rt', 'cascade')])
def test_half_precision_keeps_to_the_full_one(host, way):
    torch.manual_seed(2)
    image, window = torch.randint(0, 256, (20, 30), dtype=torch.uint8), torch.tensor([0.0, 255.0])
    rgb = image.flip(0)[..., None].expand(-1, -1, 3)
    with torch.no_grad():
        full, half = (
            Deployed(make(host, way), precision=precision)(rgb, image, window, torch.ones(2))[0]
            for precision in (torch.float32, torch.bfloat16)
        )
    assert (full.int() - half.int()).abs().float().mean() < 4


def test_without_a_mask_the_background_comes_with_the_confidence_of_chance():
    deployed = Deployed(make('seafusion', 'own'))
    image = torch.zeros(20, 30, dtype=torch.uint8)
    _, mask, confidence, _ = deployed(
        image[..., None].expand(-1, -1, 3), image, torch.tensor([0.0, 255.0]), torch.ones(2)
    )
    assert not mask.any()
    assert (confidence == 255 // CLASSES).all()


def test_without_exchange_the_mask_has_no_say_in_the_fused_image():
    plain, mutual = make('seafusion'), make('seafusion', task_exchange=True)
    shared = plain.state_dict()
    assert set(mutual.state_dict()) - set(shared) == {
        name for name in mutual.state_dict() if name.startswith('mth.exchange.')
    }
    mutual.load_state_dict(shared, strict=False)
    inputs = random_inputs(plain)
    for network, moves in ((plain.eval(), False), (mutual.eval(), True)):
        before = run(network, inputs)
        with torch.no_grad():
            network.mth.segmentation.merge.conv.weight.add_(1)
        after = run(network, inputs)
        assert not torch.equal(before.logits, after.logits)
        assert torch.equal(before.fused_y, after.fused_y) is not moves


def test_an_exchange_that_says_nothing_is_the_faithful_setting():
    plain, mutual = make('seafusion'), make('seafusion', task_exchange=True)
    mutual.load_state_dict(plain.state_dict(), strict=False)
    gate = mutual.mth.exchange.gate
    for silent in (gate.bn, gate.beta):
        nn.init.zeros_(silent.weight)
        nn.init.zeros_(silent.bias)
    inputs = random_inputs(plain)
    faithful, exchanged = run(plain.eval(), inputs), run(mutual.eval(), inputs)
    assert torch.equal(faithful.fused_y, exchanged.fused_y)
    assert torch.equal(faithful.logits, exchanged.logits)


@pytest.mark.parametrize('host', HOSTS)
def test_keeping_the_decoder_fuses_as_the_host_alone(host):
    own, kept = make(host, 'own').eval(), make(host, keep_host_decoder=True).eval()
    assert kept.mth.fusion is None
    state = own.state_dict()
    assert not kept.load_state_dict(state, strict=False).unexpected_keys
    inputs = random_inputs(own)
    assert torch.equal(run(own, inputs).fused_y, run(kept, inputs).fused_y)
    assert run(kept, inputs).logits.std() > run(own, inputs).logits.std()


@pytest.mark.parametrize('host, megas, gigas', [
    ('seafusion', 0.167, 51.0), ('cddfuse', 1.188, 552.5),
])
def test_hosts_are_as_large_as_published(host, megas, gigas):
    with torch.device('meta'):
        size = cost(build('multitaskvif', host, options={'way': 'own'}))
    assert size.parameters / 1e6 == pytest.approx(megas, rel=0.01)
    assert size.macs / 1e9 == pytest.approx(gigas, rel=0.01)


def test_a_head_in_one_stage_is_cheaper_than_a_cascade():
    with torch.device('meta'):
        joint, two = (
            cost(build('multitaskvif', 'seafusion', options={'way': way}))
            for way in ('mth', 'cascade')
        )
    assert joint.parameters < two.parameters
    assert joint.macs < two.macs


def test_coupling_inverts():
    torch.manual_seed(0)
    node = DetailNode().double()
    x = torch.randn(2, DIM, 5, 7, dtype=torch.float64)
    with torch.no_grad():
        assert (node(x) - x).abs().max() > 0.1
        torch.testing.assert_close(node.inverse(node(x)), x, atol=1e-5, rtol=0)


def test_base_attention_against_loops_over_heads():
    torch.manual_seed(0)
    heads, side = 2, 4
    attention = BaseAttention(8, heads)
    nn.init.uniform_(attention.temperature, 0.5, 2)
    x = torch.randn(1, 8, side, side)
    qkv = F.conv2d(
        F.conv2d(x, attention.project[0].weight), attention.project[1].weight, padding=1
    )[0].flatten(1)
    parts = []
    for head in range(heads):
        q, k, v = (qkv[8 * i + 4 * head : 8 * i + 4 * head + 4] for i in range(3))
        cosines = (q / q.norm(dim=1, keepdim=True)) @ (k / k.norm(dim=1, keepdim=True)).t()
        parts.append(torch.softmax(cosines * attention.temperature[head], 1) @ v)
    wanted = F.conv2d(torch.cat(parts).view(1, 8, side, side), attention.out.weight)
    with torch.no_grad():
        torch.testing.assert_close(attention(x), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('size', [(1, 1), (2, 5), (6, 12), (7, 31)])
@pytest.mark.parametrize('bins', [1, 2, 3, 6])
def test_grid_means_are_adaptive_pooling(size, bins):
    x = torch.rand(2, 3, *size)
    torch.testing.assert_close(grid_means(x, bins), F.adaptive_avg_pool2d(x, bins))


def test_cascade_segments_the_fused_image():
    network = make('rt', 'cascade').eval()
    rgb, y, heat = random_inputs(network)
    logits = run(network, (rgb, y, heat)).logits
    fused = run(network, (rgb, y, heat)).fused_y
    image = (rgb - y + fused).clamp(0, 1)
    with torch.no_grad():
        torch.testing.assert_close(network.segmenter(image), logits)


def test_turns_of_a_cascade():
    network = make('rt', 'cascade')
    inputs = random_inputs(network, 2)
    for turn, learns in (('fusion', False), ('segmentation', True)):
        take_turn(network, turn)
        network.zero_grad()
        loss_of(network(*inputs, torch.ones(2, 2))).backward()
        for name, parameter in network.named_parameters():
            if not name.startswith('stand_ins.'):
                of_segmenter = name.startswith('segmenter.')
                assert (parameter.grad is not None) is (of_segmenter is learns), name
        assert network.segmenter.training is learns
        assert network.host.training is not learns
    with pytest.raises(InputError, match='unknown turn'):
        take_turn(network, 'both')
    with pytest.raises(InputError, match='way cascade'):
        take_turn(make('rt', 'mth'), 'fusion')


def test_shared_parameters_for_fair_weights():
    for options in ({}, {'keep_host_decoder': True}):
        network = make('seafusion', **options).train()
        out = network(*random_inputs(network), torch.ones(1, 2))
        shared = network.last_shared()
        for task in (out.fused_y.sum(), out.logits.square().sum()):
            gradients = torch.autograd.grad(task, shared, retain_graph=True)
            assert all(g.any() for g in gradients)
    assert make('rt', 'own').last_shared() == []


@pytest.mark.parametrize('options, message', [
    ({'host': 'pix2pix'}, 'accepted: seafusion'),
    ({'way': 'both'}, 'accepted: own, cascade, mth'),
    ({'way': 'own', 'keep_host_decoder': True}, 'accepted: way mth'),
    ({'way': 'cascade', 'task_exchange': True}, 'accepted: way mth'),
    ({'keep_host_decoder': True, 'task_exchange': True}, 'leave keep_host_decoder off'),
    ({'classes': 3, 'entities': 3}, 'entities cannot be read off'),
])
def test_contradictions_name_what_is_accepted(options, message):
    with pytest.raises(InputError, match=message):
        MultiTaskVIF(MultiTaskVIFConfig(**options))


def test_unknown_preset_names_what_there_is():
    with pytest.raises(InputError, match=r"no preset 'pix2pix'; accepted: seafusion.*the host"):
        build('multitaskvif', 'pix2pix')


@pytest.mark.parametrize('size', [(0, 16), (15, 16), (16, 40)])
def test_sizes_off_the_stride_name_the_stride(size):
    network = make('seafusion').eval()
    rgb, plane = torch.zeros(1, 3, *size), torch.zeros(1, 1, *size)
    with pytest.raises(InputError, match='multiples of 16'):
        network(rgb, plane, plane, torch.ones(1, 2))


def test_same_seed_same_weights_same_result():
    one, other = make('seafusion').train(), make('seafusion').train()
    inputs = random_inputs(one)
    torch.manual_seed(3)
    first = run(one, inputs)
    torch.manual_seed(3)
    second = run(other, inputs)
    assert torch.equal(first.logits, second.logits)
    assert torch.equal(first.fused_y, second.fused_y)
