"""Recipes: every packaged one fits its network; what is wrong in one is said by key."""

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from vif_perception.cli.main import app
from vif_perception.errors import InputError
from vif_perception.labels import MFNET
from vif_perception.models.registry import build, find
from vif_perception.resources import preset
from vif_perception.training.assemble import make_network
from vif_perception.training.entity_labels import EntityLabels
from vif_perception.training.objectives import objective_for
from vif_perception.training.recipe import (
    OptimizerRecipe,
    Recipe,
    differences,
    load_recipe,
    public,
)

NAMES = sorted(path.stem for path in preset('train/rt_s').parent.glob('*.yaml'))


def test_every_family_has_recipes():
    assert {'rt_n', 'rt_s', 'rt_m', 'rt_rgb', 'rt_thermal', 'rt_early', 'rt_pretrain', 'mafs',
            'mafs_pretrain', 'egmt', 'smoke', 'multitaskvif_own', 'multitaskvif_cascade',
            'multitaskvif_mth'} <= set(NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_packaged_recipes_fit_their_networks(name):
    recipe = load_recipe(name)
    network = recipe.network
    size = find(network.name, network.preset).presets[network.preset]
    if size.needs:
        pytest.importorskip(size.needs, reason=f'{size.needs} IS NOT INSTALLED: {name} not built')
    with torch.device('meta'):
        built = build(network.name, network.preset, options=network.options)
    weights = {
        term: weight for term, weight in recipe.objective.weights.items()
        if term != 'mask_teacher'
    }
    objective_for(built, stage=recipe.objective.stage, weights=weights)
    crop = recipe.data.augmentation.crop
    assert crop.width % built.stride == crop.height % built.stride == 0
    keys = built.state_dict().keys()
    assert all(any(key.startswith(part) for key in keys) for part in network.fresh)


def test_sets_beat_the_file():
    recipe = load_recipe('rt_s', ['steps=7', 'optimizer.lr=1e-4', 'data.augmentation.glare=null'])
    assert (recipe.steps, recipe.optimizer.lr, recipe.data.augmentation.glare) == (7, 1e-4, None)
    assert recipe.data.augmentation.blur is not None


@pytest.mark.parametrize('item, words', [
    ('optimiser.lr=1', ['unknown key', 'optimiser', "did you mean 'optimizer'"]),
    ('optimizer.lr=-1', ['optimizer.lr', 'float > 0', 'the default is 0.0015']),
    ('optimizer.name=lion', ['optimizer.name', 'adamw | sgd']),
    ('steps=0', ['steps', '>= 1']),
    ('objective.balance=best', ['objective.balance', 'fairness_gradient']),
    ('data.augmentation.crop.width=1', ['data.augmentation.crop.width', '>= 32']),
    ('data.batch=many', ['data.batch']),
    ('nonsense', ['--set', 'key=value']),
])
def test_what_is_wrong_is_said_by_key(item, words):
    with pytest.raises(InputError) as caught:
        load_recipe('rt_s', [item])
    assert all(word in str(caught.value) for word in words), caught.value


def test_recipes_that_are_not_there_or_not_recipes(tmp_path):
    with pytest.raises(InputError, match='cannot be read'):
        load_recipe(str(tmp_path / 'absent.yaml'))
    path = tmp_path / 'list.yaml'
    path.write_text('[1, 2]')
    with pytest.raises(InputError, match='holds a list; accepted: a mapping'):
        load_recipe(str(path))


@pytest.mark.parametrize('text', ['', '# only a comment'])
def test_an_empty_recipe_is_refused(tmp_path, text):
    path = tmp_path / 'empty.yaml'
    path.write_text(text)
    with pytest.raises(InputError, match=r'empty\.yaml: holds nothing'):
        load_recipe(str(path))
    path.write_text('{}')
    assert load_recipe(str(path)) == Recipe()


def test_the_place_is_where_the_key_was_set_last(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text('{optimizer: {lr: -1}, data.train: [{name: folder}]}')
    for sets, more, place in [
        ([], [], path),
        (['optimizer.lr=.nan'], [], '--set'),
        (['optimizer.clip=1'], [('plan', {'optimizer.lr': -2})], 'plan'),
        (['optimizer.lr=1', 'data.train=[{share: 1}]'], [], '--set'),
    ]:
        with pytest.raises(InputError) as caught:
            load_recipe(str(path), sets, more=more)
        assert caught.value.where == str(place)


@pytest.mark.parametrize('item, said', [
    ('data.train=[]', 'data.train: holds too few entries (got []); accepted: a list of mappings'),
    ('data.val=null', 'data.val: is no mapping (got None); accepted: a mapping'),
    ('data.val.root=5', 'data.val.root: is no path (got 5); accepted: a path'),
    ('data.augmentation.crop=5',
     'data.augmentation.crop: is no mapping (got 5); accepted: a mapping, or null'),
    ('data.augmentation.crop.scale=[3, 2]',
     'data.augmentation.crop.scale: the first limit is above the second; '
     'accepted: a list of numbers; remedy: the default is [0.7, 1.8]'),
    ('data.train=[{name: folder}, {nam: folder}]',
     "unknown key 'data.train.1.nam'; accepted: name, root, split, labels, share, repeat_rare, "
     "thermal; remedy: did you mean 'data.train.1.name'?"),
])
def test_errors_show_nothing_of_the_schema_inside(item, said):
    with pytest.raises(InputError) as caught:
        load_recipe('rt_s', [item])
    assert str(caught.value) == f'--set: {said}'


def test_suggestions_are_of_the_same_branch():
    with pytest.raises(InputError) as caught:
        load_recipe('rt_s', ['data.train=[{name: folder, thermal: {gian: 1}}]'])
    assert caught.value.what == "unknown key 'data.train.0.thermal.gian'"
    assert caught.value.remedy == "did you mean 'data.train.0.thermal.gain'?"


def test_keys_need_no_recipe_and_are_one_line_each(monkeypatch):
    monkeypatch.delenv('COLUMNS', raising=False)
    listed = CliRunner().invoke(app, ['train', '--keys', '--set', 'steps=7'])
    assert listed.exit_code == 0, listed.output
    lines = {line.split()[0]: line for line in listed.stdout.splitlines() if line.strip()}
    assert 'show images with classes' in lines['data.val.repeat_rare']
    assert '[{name: folder, split: train}]' in lines['data.train']
    assert lines['steps'].split()[1] == '7'
    nothing = CliRunner().invoke(app, ['train'])
    assert nothing.exit_code == 2
    assert 'error: train: no recipe is named; accepted: a .yaml file, or one of' in nothing.stderr


def test_differences_name_keys_but_not_those_of_speed():
    one = Recipe()
    other = load_recipe('smoke', ['device=cuda', 'data.cache=somewhere'])
    found = differences(one, other)
    assert 'steps' in found
    assert 'data.augmentation.crop.width' in found
    assert not {'device', 'data.cache', 'data.workers', 'log_every'} & set(found)
    assert differences(one, one) == []


@pytest.mark.parametrize('schedule', ['cosine', 'poly'])
def test_the_rate_warms_up_and_falls(schedule):
    recipe = OptimizerRecipe(lr=1.0, warmup_steps=10, final_lr=0.01, schedule=schedule)
    rates = [recipe.rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert min(rates) >= 0.01
    assert OptimizerRecipe(warmup_steps=0, lr=1.0).rate(0, 10) == 1


def test_a_card_tells_no_place_of_the_machine():
    places = ['network.start=/somewhere/a', 'objective.teacher.weights=/somewhere/b.safetensors',
              'data.cache=/somewhere/cache', 'data.val={name: folder, root: /somewhere/data}']
    told = public(load_recipe('rt_s', places))
    assert 'somewhere' not in str(told)
    assert told['network']['start'] == 'a'
    assert told['optimizer']['lr'] == 1.5e-3
    assert not {'device', 'log_every'} & set(told)


def test_a_recipe_survives_yaml(tmp_path):
    import yaml

    recipe = load_recipe('multitaskvif_cascade')
    path = tmp_path / 'again.yaml'
    path.write_text(yaml.safe_dump(recipe.model_dump(mode='json')))
    assert load_recipe(str(path)) == recipe
    assert isinstance(recipe.data.train[0].root, Path)


@pytest.mark.parametrize('name', ['nope', '/tmp', 'train/rt_s'])
def test_an_unknown_recipe_is_answered_with_recipes_only(name):
    with pytest.raises(InputError) as bad:
        load_recipe(name)
    assert bad.value.accepted.split(', ') == NAMES
    assert bad.value.what.startswith(f'{name!r} is not among')
    assert '.yaml file of your own' in bad.value.remedy


@pytest.mark.parametrize('sets, said', [
    (['network.name=nope'], r'network\.name: unknown network'),
    (['network.preset=xxl'], r'network\.preset: rt has no preset .*network\.preset goes with'),
    (['network.options={blocks: 2}'], r'network\.options: rt has no option'),
])
def test_a_network_that_cannot_be_is_named_by_the_key_of_the_recipe(sets, said):
    with pytest.raises(InputError, match=said):
        make_network(load_recipe('rt_n', sets).network, MFNET, EntityLabels(MFNET))
