"""One way to build: names, presets, options, their errors; YAML; stated costs; diagrams."""

import importlib.util
import re
from pathlib import Path

import pytest
import torch
import yaml

from vif_perception.config import load_config
from vif_perception.errors import InputError
from vif_perception.models.cost import cost
from vif_perception.models.diagram import Block, diagram
from vif_perception.models.registry import build, families, options_of, register

PRESETS = [(name, preset) for name, family in families().items() for preset in family.presets]
DOCS = Path(__file__).resolve().parents[1] / 'docs' / 'models.md'


def ghost(name: str, preset: str, **settings) -> torch.nn.Module:
    needs = families()[name].presets[preset].needs
    if needs and importlib.util.find_spec(needs) is None:
        pytest.skip(f'{needs.upper()} IS NOT INSTALLED: {name} {preset} was not built')
    with torch.device('meta'):
        return build(name, preset, **settings)


# ---- names, presets, options ----

@pytest.mark.parametrize(('name', 'preset', 'options', 'said'), [
    ('pix2pix', 's', {}, r"model\.name: unknown network 'pix2pix'; accepted: rt, .*mafs, egmt"),
    ('rt', 'xxl', {}, r"model\.preset: rt has no preset 'xxl'; accepted: n, s, m \(the size\)"),
    ('mafs', 'vgg', {}, r"no preset 'vgg'; accepted: r152, .*tiny \(the backbone\)"),
    ('multitaskvif', 's', {}, r"no preset 's'; accepted: seafusion, .*rt \(the host\)"),
    ('multitaskvif', 'rt', {'host': 'rt'}, r"no option 'host'.*the host is named by model\.pre"),
    ('multitaskvif', 'rt', {'way': 'both'},
     r"model\.options\.way: is 'both'; accepted: own, cascade, mth"),
    ('multitaskvif', 'rt', {'task_exchange': 'yes'}, "task_exchange: is 'yes'; accepted: true, f"),
    ('multitaskvif', 'rt', {'way': 'own', 'task_exchange': True}, 'accepted: way mth'),
    ('rt', 's', {'stem': [1, 2, 3]}, "rt has no option 'stem'; accepted: none"),
    ('egmt', 'tiny', {'blocks': True}, r'blocks: is True; accepted: a whole number'),
    ('egmt', 'tiny', {'blocks': 0}, r'blocks: is 0; accepted: a whole number of 1 to 4096'),
    ('egmt', 'tiny', {'dims': [8, 8, 16]}, r'dims: is \(8, 8, 16\); accepted: 4 whole numbers'),
    ('egmt', 'tiny', {'dims': [8, 8, 16, 17]}, 'multiples of 1, 2, 4, 8: the attention heads'),
    ('mafs', 'tiny', {'width': 18}, r'model\.options\.width: is 18; accepted: multiples of 4'),
])
def test_what_cannot_be_built_names_what_can(name, preset, options, said):
    with pytest.raises(InputError, match=said):
        build(name, preset, options=options)


@pytest.mark.parametrize('counts', [
    {'classes': 1}, {'classes': 256}, {'classes': 2.5}, {'classes': True},
    {'entities': -1}, {'entities': '8'},
])
@pytest.mark.parametrize('name', families())
def test_counts_that_no_mask_and_no_score_can_have(name, counts):
    (what, count), = counts.items()
    with pytest.raises(InputError, match=f'{count!r} {what}; accepted: a whole number'):
        build(name, families()[name].default, **counts)


@pytest.mark.parametrize('name', ['rt', 'rt_early', 'egmt'])
def test_an_entity_head_needs_entities(name):
    with pytest.raises(InputError, match='0 entities for an entity head; accepted: 1 or more'):
        build(name, families()[name].default, entities=0)


def test_options_beat_the_preset_and_lists_are_tuples():
    network = ghost('egmt', 'tiny', options={'dims': [8, 16, 16, 16], 'blocks': 2})
    assert network.config.dims == (8, 16, 16, 16)
    found = options_of('egmt', network)
    assert (found['dims'], found['blocks'], found['expansion']) == ((8, 16, 16, 16), 2, 1)
    assert ghost('mafs', 'tiny', options={'width': 32}).config.shallow == 8


def test_what_an_option_takes_is_said_for_every_option():
    for family in families().values():
        assert set(family.accepted()) == set(family.options)
        assert all(family.accepted().values())


def test_registering_a_name_twice_is_an_error():
    with pytest.raises(KeyError, match='rt is registered twice'):
        register('rt', families()['rt'])


@pytest.mark.parametrize('key', PRESETS, ids='-'.join)
def test_presets_cost_what_they_state(key):
    stated = families()[key[0]].presets[key[1]]
    counted = cost(ghost(*key))
    assert counted.parameters / 1e6 == pytest.approx(stated.parameters, abs=0.0051)
    assert counted.macs / 1e9 == pytest.approx(stated.macs, abs=0.0051)


def test_summaries_fit_the_list():
    for family in families().values():
        assert all(len(preset.summary) <= 15 for preset in family.presets.values())


# ---- YAML ----

def examples() -> list[str]:
    if not DOCS.is_file():
        return []
    return re.findall(r'```yaml\n(.*?)```', DOCS.read_text(encoding='utf-8'), re.DOTALL)


@pytest.mark.parametrize('text', examples(), ids=lambda text: text.splitlines()[0].strip('# '))
def test_yaml_examples_of_the_documentation_build_what_they_say(text, tmp_path):
    path = tmp_path / 'example.yaml'
    path.write_text(text)
    model = load_config(path).model
    network = ghost(model.name, model.preset, options=model.options)
    given = yaml.safe_load(text)['model'].get('options', {})
    built = options_of(model.name, network)
    assert {key: built[key] for key in given} == {
        key: tuple(value) if isinstance(value, list) else value for key, value in given.items()
    }


def test_every_family_has_a_yaml_example():
    if not DOCS.is_file():
        pytest.skip('NO docs/ HERE: this is a source distribution')
    named = {yaml.safe_load(text)['model']['name'] for text in examples()}
    assert named >= {'rt', 'mafs', 'egmt', 'multitaskvif'}


# ---- diagrams ----

def blocks_of(block: Block) -> list[Block]:
    return [block, *[inner for part in block.parts for inner in blocks_of(part)]]


#: Names a reader of the papers looks for.
FIGURE = {
    ('mafs', 'tiny'): {
        'SFE', 'FReLU', 'DEM', 'Stage', 'AFM', 'CAM', 'ChannelAttention', 'PHF', 'DSRM',
        'FusionDecoder', 'InvertibleBlock', 'InvertibleConv', 'HINBlock', 'SegDecoder', 'FPN',
        'Refinement', 'ARM', 'ASPP', 'InvertedPyramid', 'UpEmbed', 'MDTA', 'LeFF', 'SegHead',
    },
    ('egmt', 'tiny'): {
        'Stream', 'EntityTokens', 'ECIM', 'InterVisual', 'CrossMDTA', 'VisualEntity', 'LeFF',
        'QueryHead', 'FusionDecoder', 'MaskHead',
    },
    ('multitaskvif', 'rt'): {
        'RTHost', 'MultiTaskHead', 'Neck', 'SegmentationHead', 'PyramidPooling', 'FusionHead',
    },
    ('rt', 's'): {'Stream', 'Merge', 'Level', 'Context', 'Decoder', 'EntityHead', 'FusionHead'},
}


@pytest.mark.parametrize('key', FIGURE, ids='-'.join)
def test_diagram_shows_every_block_of_the_figure_once_per_use(key):
    network = ghost(*key)
    root = diagram(network, (64, 96))
    found = blocks_of(root)
    assert {block.kind for block in found} >= FIGURE[key]
    assert root.parameters == sum(p.numel() for p in network.parameters())
    assert root.macs == cost(network, (64, 96)).macs
    for block in found:
        assert block.parameters >= sum(part.parameters * part.times for part in block.parts)
        assert block.macs <= root.macs


def test_diagram_follows_the_arrows_with_shapes_and_marks_what_only_training_runs():
    root = diagram(ghost('mafs', 'tiny'), (640, 480))
    assert root.shapes == ['fused_y 1x480x640', 'logits 9x240x320', 'entity_logits 8']
    encoder = next(part for part in root.parts if part.kind == 'Encoder')
    order = [part.kind for part in encoder.parts if part.kind in ('DEM', 'Stage', 'CAM', 'PHF')]
    assert order == ['DEM', 'Stage', 'Stage', 'CAM'] * 4 + ['PHF', 'PHF']
    dems = [part.shapes for part in encoder.parts if part.kind == 'DEM']
    assert dems[0] == ['16x240x320'] * 2
    decoder = next(part for part in root.parts if part.kind == 'FusionDecoder')
    assert [(part.kind, part.times) for part in decoder.parts] == [('InvertibleBlock', 5)]
    training = {block.kind for block in blocks_of(root) if block.training}
    assert training == {'Refinement', 'ARM', 'WideConv'}


def test_diagram_off_the_stride_names_the_stride():
    with pytest.raises(InputError, match='multiples of 32'):
        diagram(ghost('rt', 'n'), (640, 470))


def test_diagram_leaves_the_network_as_it_was():
    network = build('rt', 'n').eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    diagram(network, (64, 64))
    assert not network.training
    assert all(torch.equal(before[key], x) for key, x in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
