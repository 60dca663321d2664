"""Studies: what is trained, from what, and what a killed one does next."""

import json
from pathlib import Path

import pytest
import yaml

pytest.importorskip(
    'lightning_fabric', reason='LIGHTNING FABRIC IS NOT INSTALLED: no study was run'
)

from test_engine import data, yaml_of  # noqa: F401, the fixture
from typer.testing import CliRunner

from vif_perception.cli.main import app
from vif_perception.errors import InputError
from vif_perception.resources import preset
from vif_perception.training.evaluation.systems import _seeds
from vif_perception.training.recipe import differences
from vif_perception.training.study import load_study, runs_of, slug, systems_of, train_all

PACKAGED = sorted(path.stem for path in preset('studies/comparison').parent.glob('*.yaml'))


def write(folder, **tree):
    path = folder / 'study.yaml'
    path.write_text(yaml.safe_dump(tree))
    return str(path)


def test_packaged_studies():
    assert PACKAGED == ['cascade', 'comparison', 'egmt', 'mafs', 'multitaskvif', 'release']
    assert [run.recipe.network.start for run in runs_of(load_study('release'), Path('x'))] == [
        '', 'x/all-tasks/seed0']


@pytest.mark.parametrize('name', [name for name in PACKAGED if name != 'release'])
def test_studies_that_compare_give_every_row_one_budget(name, tmp_path):
    study = load_study(name)
    runs = runs_of(study, tmp_path)
    assert len(runs) == len(study.rows) * len(study.seeds)
    assert len({run.folder for run in runs}) == len(runs)
    for field in ('steps', 'check_every'):
        assert len({getattr(run.recipe, field) for run in runs}) == 1
    assert len({run.recipe.data.batch for run in runs}) == 1
    crops = {str(run.recipe.data.augmentation.crop) for run in runs}
    assert len(crops) == 1


def test_networks_are_compared_on_the_same_data_with_the_same_schedule(tmp_path):
    recipes = [run.recipe for run in runs_of(load_study('comparison'), tmp_path, seeds=[0])]
    assert len(recipes) == 5
    assert len({recipe.network.name for recipe in recipes}) == 5
    assert len({str((recipe.data, recipe.optimizer)) for recipe in recipes}) == 1
    (cascade,) = runs_of(load_study('cascade'), tmp_path, seeds=[0])
    rgb = next(recipe for recipe in recipes if recipe.network.name == 'rt_rgb')
    assert differences(rgb, cascade.recipe) == ['data.train']
    assert ([(part.share, part.repeat_rare) for part in cascade.recipe.data.train]
            == [(part.share, part.repeat_rare) for part in rgb.data.train])


def test_rows_override_what_they_share_and_the_command_line_overrides_both(tmp_path):
    study = load_study(write(
        tmp_path, set={'steps': 7, 'optimizer.lr': 0.5}, seeds=[3, 4],
        rows={'a': {'recipe': 'rt_n'}, 'b': {'recipe': 'rt_s', 'set': {'steps': 9},
                                             'start': 'a', 'teacher': 'a'}},
    ))
    runs = runs_of(study, tmp_path, sets=['optimizer.lr=0.25'])
    assert [(run.name, run.seed, run.recipe.seed) for run in runs] == [
        ('a', 3, 3), ('b', 3, 3), ('a', 4, 4), ('b', 4, 4)]
    assert [run.recipe.steps for run in runs[:2]] == [7, 9]
    assert runs[1].recipe.network.start == str(runs[0].folder)
    assert runs[3].recipe.objective.teacher.weights == str(runs[2].folder)
    assert {run.recipe.optimizer.lr for run in runs} == {0.25}
    assert [run.seed for run in runs_of(study, tmp_path, seeds=[9])] == [9, 9]


@pytest.mark.parametrize('tree, words', [
    ({'rows': {}}, 'rows: '),
    ({'rows': {'a': {'recipe': 'rt_n', 'start': 'b'}, 'b': {'recipe': 'rt_n'}}},
     "row 'a' needs 'b', which does not come before it; accepted: no row"),
    ({'rows': {'a b': {'recipe': 'rt_n'}, 'A-b': {'recipe': 'rt_n'}}}, 'one folder name'),
    ({'rows': {'a': {'recipe': 'rt_n'}}, 'sets': {}}, "unknown key 'sets'.*did you mean 'set'"),
    ({'rows': {'a': {'recipe': 'rt_n'}}, 'seeds': []}, 'seeds: '),
    ({'rows': {'a': {'recipe': 'rt_n'}}, 'seeds': [0, 1, 0]}, 'seeds: one seed twice in 0, 1, 0'),
    ({'rows': {'a': {'recipe': 'rt_n'}}, 'seeds': [-1]}, r'seeds\.0: .*greater than or equal'),
    ({'rows': {'a': {'recip': 'rt_n'}}}, "unknown key 'rows.a.recip'.*mean 'rows.a.recipe'"),
    ({'rows': {'a': {}}}, r'rows\.a\.recipe: is missing'),
    ({'seeds': [0]}, 'rows: is missing; accepted: a mapping$'),
    ({'rows': {'a=b': {'recipe': 'rt_n'}}}, "'a=b' cannot be the name of a row"),
    ({'rows': {'-a': {'recipe': 'rt_n'}}}, "'-a' cannot be the name of a row"),
    ({'rows': {'a\nb': {'recipe': 'rt_n'}}}, 'cannot be the name of a row'),
    ({'rows': {'γ': {'recipe': 'rt_n'}}}, "'γ' cannot be the name of a row"),
    ({'rows': {'a': {'recipe': 'rt_n', 'set': {'seed': 4}}}},
     r"rows\.a\.set: 'seed' cannot be set.*`seeds` of the plan"),
    ({'rows': {'a': {'recipe': 'rt_n'}}, 'set': {'seed': 4}}, r"yaml: set: 'seed' cannot be set"),
])
def test_studies_that_cannot_be_used(tree, words, tmp_path):
    with pytest.raises(InputError, match=words):
        load_study(write(tmp_path, **tree))


def test_an_empty_plan_is_refused(tmp_path):
    path = tmp_path / 'empty.yaml'
    path.write_text('# nothing yet')
    with pytest.raises(InputError, match=r'empty\.yaml: holds nothing'):
        load_study(str(path))


@pytest.mark.parametrize('name', ['nope', 'studies/comparison', 'rt_s'])
def test_an_unknown_study_is_answered_with_studies_only(name):
    with pytest.raises(InputError) as bad:
        load_study(name)
    assert bad.value.accepted.split(', ') == PACKAGED


@pytest.mark.parametrize('shared, own, sets, place', [
    ({'steps': 0}, {}, [], 'PLAN: set'),
    ({'steps': 0}, {'steps': -1}, [], 'PLAN: rows.a.set'),
    ({}, {'steps': 5}, ['steps=0'], '--set'),
    ({}, {}, ['seed=4'], '--set'),
])
def test_the_place_of_a_bad_key_is_named(shared, own, sets, place, tmp_path):
    study = load_study(write(tmp_path, set=shared, rows={'a': {'recipe': 'rt_n', 'set': own}}))
    with pytest.raises(InputError) as bad:
        runs_of(study, tmp_path, sets=sets, plan='PLAN')
    assert bad.value.where == place


def test_a_seed_is_named_once(tmp_path):
    with pytest.raises(InputError, match='--seed: one seed twice in 0, 0'):
        runs_of(load_study('comparison'), tmp_path, seeds=[0, 0])


@pytest.mark.parametrize('name', ['stage I, fair', 'a+b', 'a b'])
def test_evaluate_reads_the_names_of_rows(name, tmp_path):
    load_study(write(tmp_path, rows={name: {'recipe': 'rt_n'}}))
    assert _seeds(f'{name}=one,two') == (name, ['one', 'two'])


@pytest.mark.parametrize('recipe', ['rt_q', 'absent.yaml', ''])
def test_a_recipe_that_is_not_there_is_named_with_its_row(recipe, tmp_path):
    plan = write(tmp_path, rows={'a': {'recipe': 'rt_n'}, 'b': {'recipe': recipe}})
    with pytest.raises(InputError, match=f"no recipe '.*{recipe}'") as bad:
        load_study(plan)
    assert bad.value.where == f'{plan}: rows.b.recipe'
    assert 'rt_n, rt_pretrain' in bad.value.accepted


def test_a_recipe_lies_beside_its_plan(tmp_path, monkeypatch):
    (tmp_path / 'plans').mkdir()
    (tmp_path / 'plans' / 'mine.yaml').write_text('steps: 7')
    plan = write(tmp_path / 'plans', rows={'a': {'recipe': 'mine.yaml'}})
    monkeypatch.chdir(tmp_path)
    (run,) = runs_of(load_study(plan), tmp_path / 'out', seeds=[0])
    assert run.recipe.steps == 7


def test_a_comma_in_the_folder_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(InputError, match="',' stands between weights"):
        runs_of(load_study('comparison'), tmp_path / 'a,b')


def test_names_become_folders():
    assert slug('Stage I, fair (γ)') == 'stage-i-fair'


def test_a_study_trains_once_and_goes_on_where_it_stopped(data, tmp_path):  # noqa: F811
    recipe = str(yaml_of(tmp_path))
    plan = write(tmp_path, set={'steps': 2, 'check_every': 1}, seeds=[0, 1], rows={
        'first': {'recipe': recipe, 'table': False},
        'second': {'recipe': recipe, 'start': 'first'},
    })
    out = tmp_path / 'out'
    study = load_study(plan)
    runs = runs_of(study, out, sets=[])
    said: list[str] = []
    train_all(runs[:3], data, say=said.append)
    assert [run.finished for run in runs] == [True, True, True, False]
    assert [name for name, _ in systems_of(study, runs)] == ['second']
    kept = {run.folder: (run.folder / 'run.json').read_bytes() for run in runs[:3]}
    done = CliRunner().invoke(
        app, ['study', plan, '--data', str(data), '--out', str(out)]
    )
    assert done.exit_code == 0, done.output
    assert all((folder / 'run.json').read_bytes() == text for folder, text in kept.items())
    assert json.loads((runs[3].folder / 'run.json').read_text())['state'] == 'finished'
    ((_, weights),) = systems_of(study, runs)
    assert [path.parent for path in weights] == [runs[1].folder, runs[3].folder]
    with pytest.raises(InputError, match=r'is another run: optimizer\.lr; accepted: the recipe'):
        train_all(runs_of(study, out, sets=['optimizer.lr=0.5']), data)
    image = data / 'train0_ir.png'
    image.write_bytes(image.read_bytes() + b'.')
    with pytest.raises(InputError, match='is another run: files of folder train'):
        train_all(runs, data)
