"""What a run folder refuses, and what is never touched: files of others, best weights."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from test_engine import data, make_data, rows, run, yaml_of  # noqa: F401

from vif_perception.errors import InputError
from vif_perception.labels import MFNET
from vif_perception.training.checkpoint import LAST
from vif_perception.training.engine import train
from vif_perception.training.recipe import load_recipe
from vif_perception.training.run_folder import METRICS, RECIPE, RUN, RunFolder
from vif_perception.training.ship import ship


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """A run of two checks, and its data."""
    place = tmp_path_factory.mktemp('finished')
    folder = make_data(place)
    run(folder, place / 'run', steps=2, check_every=1)
    return place


@pytest.fixture
def copy(finished, tmp_path):
    """The same, to break; the run says that it was cut off."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    out = tmp_path / 'run'
    facts = json.loads((out / RUN).read_text())
    (out / RUN).write_text(json.dumps({**facts, 'state': 'running'}))
    return out


def again(out, **changes):
    return run(out.parent / 'data', out, resume=True, **{'steps': 2, 'check_every': 1, **changes})


@pytest.mark.parametrize('name', [METRICS, RUN, LAST])
def test_files_that_a_run_would_replace_are_no_place_for_one(name, data, tmp_path):  # noqa: F811
    mine = tmp_path / 'mine' / name
    mine.parent.mkdir()
    mine.write_bytes(b'my own numbers')
    for resume in (False, True):
        with pytest.raises(InputError, match=f'holds {re.escape(name)} without its recipe'):
            run(data, mine.parent, steps=1, resume=resume)
    assert [path.name for path in mine.parent.iterdir()] == [name]
    assert mine.read_bytes() == b'my own numbers'


@pytest.mark.parametrize('suffix', ['safetensors', 'json'])
def test_half_a_pair_of_best_weights_is_kept_too(suffix, data, tmp_path):  # noqa: F811
    mine = tmp_path / 'mine' / f'best-0000001.{suffix}'
    mine.parent.mkdir()
    mine.write_bytes(b'mine')
    with pytest.raises(InputError, match=f'holds {mine.name} without its recipe'):
        run(data, mine.parent, steps=1)
    assert mine.read_bytes() == b'mine'


def test_classes_that_mean_something_else_are_another_run(finished, tmp_path):
    other = shutil.copytree(finished / 'data', tmp_path / 'data')
    own = {'data.train': [{'name': 'folder', 'split': 'train'}], 'data.val.labels': ''}
    names = [*MFNET.names]
    for out, order in (('a', names), ('b', [names[0], names[2], names[1], *names[3:]])):
        (other / 'classes.json').write_text(json.dumps({
            str(number): {'name': name, 'rgb': [number, 0, 0]} for number, name in enumerate(order)
        }))
        recipe = load_recipe(str(yaml_of(tmp_path, steps=1)), [], more=[('own', own)])
        if out == 'a':
            train(recipe, other, tmp_path / 'run', say=lambda text: None)
        else:
            with pytest.raises(InputError, match='is another run: class list'):
                train(recipe, other, tmp_path / 'run', resume=True)
            with pytest.raises(InputError, match='is not what the run saw: class list'):
                ship(tmp_path / 'run', other, tmp_path / 'x.safetensors')


def test_rows_behind_the_first_check_show_that_a_checkpoint_was_lost(copy):
    (copy / LAST).unlink()
    best = RunFolder(copy).best()
    for suffix in ('.safetensors', '.json'):
        best.with_suffix(suffix).rename(copy / f'best-0000001{suffix}')
    text = (copy / METRICS).read_bytes()
    with pytest.raises(InputError, match=r'has lost its last\.pt'):
        again(copy)
    assert (copy / METRICS).read_bytes() == text


@pytest.mark.parametrize('state', [{1: 2}, [1]])
def test_what_torch_can_read_is_not_yet_a_checkpoint(state, copy):
    torch.save(state, copy / LAST)
    with pytest.raises(InputError, match=r'last\.pt: is damaged'):
        again(copy)


def test_best_weights_without_their_recipe_are_kept(copy):
    for name in (RECIPE, RUN, LAST, METRICS):
        (copy / name).unlink()
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    with pytest.raises(InputError, match=r'holds best-000000\d\.safetensors without its recipe'):
        again(copy)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_what_others_made_of_the_best_weights_stays(data, tmp_path):  # noqa: F811
    out = tmp_path / 'run'
    (out / 'best-0000009.d').mkdir(parents=True)
    (out / 'best-0000001.onnx').write_bytes(b'exported')
    run(data, out, steps=2, check_every=1)
    assert (out / 'best-0000001.onnx').read_bytes() == b'exported'
    assert (out / 'best-0000009.d').is_dir()


@pytest.mark.parametrize('lost', [(LAST,), (LAST, RUN)])
def test_a_lost_checkpoint_does_not_cost_the_best_weights(lost, copy):
    for name in lost:
        (copy / name).unlink()
    best = RunFolder(copy).best()
    newer = best.with_name('best-0000002')  # which of the two checks was best is the seed's affair
    for suffix in ('.safetensors', '.json'):
        best.with_suffix(suffix).rename(newer.with_suffix(suffix))
    with pytest.raises(InputError, match=r'has lost its last\.pt; .*--out'):
        again(copy)
    assert RunFolder(copy).best().stem == 'best-0000002'


def test_a_run_killed_right_after_its_first_best_starts_again(data, tmp_path):  # noqa: F811
    out = tmp_path / 'run'
    run(data, out, steps=1, check_every=1)
    weights = RunFolder(out).best().read_bytes()
    facts = json.loads((out / RUN).read_text())
    (out / RUN).write_text(json.dumps({**facts, 'state': 'running'}))
    (out / LAST).unlink()
    assert 'no checkpoint yet: from step 0' in run(data, out, steps=1, check_every=1, resume=True)
    assert RunFolder(out).best().read_bytes() == weights


@pytest.mark.parametrize('damage', [
    lambda text: text.replace(b'\n1,', b'\n1.0,'), lambda text: text + b'\xff',
    lambda text: text.replace(b'step', b'when'),
])
def test_metrics_that_were_changed_are_named_and_kept(damage, copy):
    text = damage((copy / METRICS).read_bytes())
    (copy / METRICS).write_bytes(text)
    with pytest.raises(InputError, match=r'metrics\.csv: is not as a run wrote it.*move it away'):
        again(copy)
    assert (copy / METRICS).read_bytes() == text
    (copy / METRICS).unlink()
    assert again(copy)[-1].startswith('finished: ')


@pytest.mark.parametrize('text', [
    '[1, 2]', '3', 'null', '{"state": "runn', '{"data": null, "sessions": 3}',
])
def test_a_damaged_run_json_is_written_anew(text, copy):
    (copy / RUN).write_text(text)
    again(copy)
    assert RunFolder(copy).facts()['state'] == 'finished'
    assert len(rows(copy)) == 2


def test_a_finished_run_says_that_its_best_weights_are_gone(finished, tmp_path):
    out = shutil.copytree(finished / 'run', tmp_path / 'run')
    RunFolder(out).best().with_suffix('.json').unlink()
    with pytest.raises(InputError, match=r'has lost its best weights; accepted: .*\.json'):
        RunFolder(out).best()


def test_only_the_data_of_the_run_certify_its_weights(finished, tmp_path):
    other = shutil.copytree(finished / 'data', tmp_path / 'data')
    image = next(path for path in sorted(other.rglob('*.png')) if 'train' in str(path))
    with Image.open(image) as picture:
        Image.fromarray(np.asarray(picture) ^ 1).save(image)
    out = tmp_path / 'mine.safetensors'
    with pytest.raises(InputError, match='is not what the run saw: files of folder train') as bad:
        ship(finished / 'run', other, out)
    assert bad.value.where == str(other)
    with pytest.raises(InputError, match='absent: is no folder'):
        ship(finished / 'run', finished / 'data', tmp_path / 'absent' / 'mine.safetensors')
    assert not out.exists()
    assert ship(finished / 'run', finished / 'data', out).name == 'mine'
