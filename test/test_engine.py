"""The engine: short trainings, stages, and what can go wrong."""

import csv
import hashlib
import json
import sys

import pytest
import torch
from full_disk import files_of_at_most
from safetensors.torch import save
from test_training import write_set
from typer.testing import CliRunner

pytest.importorskip(
    'lightning_fabric', reason='LIGHTNING FABRIC IS NOT INSTALLED: no training was run'
)

from vif_perception.cli.main import app
from vif_perception.errors import InputError
from vif_perception.inference.weights import load_network, read_card, read_weights
from vif_perception.models.inputs import MODES
from vif_perception.training.augmentation import AugmentationConfig
from vif_perception.training.checkpoint import LAST, read_checkpoint, write_checkpoint
from vif_perception.training.engine import train
from vif_perception.training.entities.annotations import Annotations, write_annotations
from vif_perception.training.entities.embeddings import hashed_embeddings, write_embeddings
from vif_perception.training.entities.vocabulary import Vocabulary, write_vocabulary
from vif_perception.training.recipe import Recipe, load_recipe
from vif_perception.training.run_folder import METRICS, RECIPE, RUN, RunFolder, weights_of
from vif_perception.training.ship import ship
from vif_perception.training.source import Source


def yaml_of(folder, /, **changes):
    """Return the path of a recipe for the set of write_set: no augmentation, a small network."""
    tree = Recipe().model_dump(mode='json')
    tree['network'] |= {'preset': 'n'}
    tree['data'] |= {
        'train': [{'name': 'folder', 'split': 'train', 'labels': 'mfnet'}],
        'val': {'name': 'folder', 'split': 'val', 'labels': 'mfnet'},
        'batch': 4, 'workers': 0, 'cache': '',
        'augmentation': dict.fromkeys(AugmentationConfig.model_fields),
    }
    tree |= {'steps': 6, 'check_every': 3, 'log_every': 1, **changes}
    path = folder / 'recipe.json.yaml'
    path.write_text(json.dumps(tree))
    return path


def make_data(tmp_path):
    folder = tmp_path / 'data'
    folder.mkdir()
    return write_set(folder, count=3, splits=('train', 'val', 'test'))


@pytest.fixture
def data(tmp_path):
    return make_data(tmp_path)


def run(data, out, /, *sets, resume=False, **changes) -> list[str]:
    said: list[str] = []
    recipe = load_recipe(str(yaml_of(data.parent, **changes)), sets)
    train(recipe, data, out, resume=resume, say=said.append)
    return said


def rows(out) -> list[dict[str, str]]:
    with (out / METRICS).open(newline='') as file:
        return list(csv.DictReader(file))


def assert_same(first, second):
    """Compare two checkpoints bit for bit."""
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, list):
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    elif torch.is_tensor(first):
        assert torch.equal(first, second)
    else:
        assert first == second


def test_a_short_run_learns_the_square_and_says_everything(data, tmp_path):
    out = tmp_path / 'run'
    said = run(data, out, 'optimizer.lr=3e-3', 'optimizer.warmup_steps=5', steps=60,
               check_every=30, log_every=10)
    assert [line.split()[1] for line in said[:-1]] == ['30', '60']
    table = rows(out)
    assert [int(row['step']) for row in table] == [10, 20, 30, 40, 50, 60]
    assert float(table[-1]['loss']) < float(table[0]['loss']) / 2
    assert float(table[-1]['val_miou_fused']) > 0.6
    assert table[0]['val_miou_fused'] == ''
    facts = json.loads((out / RUN).read_text())
    assert facts['state'] == 'finished'
    assert facts['steps'] == 60
    assert set(facts['data']) == {'folder train', 'folder val', 'class list'}
    assert torch.__version__.startswith(facts['sessions'][0]['versions']['torch'])
    assert load_recipe(str(out / RECIPE)).optimizer.lr == 3e-3
    network, card = load_network(RunFolder(out).best())
    assert not network.training
    assert card.metrics['val_miou_fused'] == pytest.approx(
        max(float(row['val_miou_fused']) for row in table if row['val_miou_fused']), abs=0.2)


def test_a_seed_decides_everything(data, tmp_path):
    for name, seed in (('one', 1), ('again', 1), ('other', 2)):
        run(data, tmp_path / name, steps=2, seed=seed)
    one, again, other = (read_checkpoint(tmp_path / name) for name in ('one', 'again', 'other'))
    assert_same(one, again)
    key = next(iter(one['learner']))
    assert not torch.equal(one['learner'][key], other['learner'][key])


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_samples(data, tmp_path):
    out = tmp_path / 'run'
    with pytest.raises(InputError, match=r'loss: not finite at step [1-9].*; samples train\d, '):
        run(data, out, 'optimizer.lr=1e18', 'optimizer.clip=1e18', check_every=1)
    state = read_checkpoint(out)
    assert all(torch.isfinite(value).all() for value in state['learner'].values())
    assert 'stopped: InputError: loss: not finite' in (out / RUN).read_text()


def test_a_full_disk_keeps_the_last_good_checkpoint(data, tmp_path):
    out = tmp_path / 'run'
    run(data, out, steps=3)
    good = read_checkpoint(out)
    with files_of_at_most(1_000_000), pytest.raises(InputError, match=r'last\.pt: cannot be'):
        write_checkpoint(out, {'step': 9, 'learner': good['learner']})
    assert_same(read_checkpoint(out), good)
    assert not list(out.glob('*.tmp'))
    table = RunFolder(out).metrics(['loss'], 3)
    with files_of_at_most(1), pytest.raises(InputError, match=r'metrics\.csv: cannot be written'):
        table.add(4, {'loss': 1.0})
    other = tmp_path / 'other'
    with files_of_at_most(1_000_000), pytest.raises(
        InputError, match=r'best-0000003.*cannot be written.*make room on the disk.*is kept'
    ):
        run(data, other)
    assert not list(other.glob('best*'))
    run(data, other, resume=True)
    assert read_checkpoint(other)['step'] == 6


def test_a_file_in_place_of_the_run_folder_is_refused_and_kept(data, tmp_path):
    out = tmp_path / 'run'
    out.write_text('precious')
    with pytest.raises(InputError, match=r'run: is no place for a run .*--out'):
        run(data, out, steps=1)
    assert out.read_text() == 'precious'


def test_a_run_is_neither_overwritten_nor_mixed_with_another(data, tmp_path):
    out = tmp_path / 'run'
    run(data, out, steps=1)
    with pytest.raises(InputError, match='holds a run already; remedy: go on with --resume'):
        run(data, out, steps=1)
    with pytest.raises(InputError, match=r'is another run: data\.batch, optimizer\.lr, steps;'):
        run(data, out, 'optimizer.lr=1', 'data.batch=2', resume=True, steps=2)
    run(data, out, 'log_every=7', 'data.prefetch=2', resume=True, steps=1)
    (data / 'train1_ir.png').write_bytes((data / 'train2_label.png').read_bytes())
    with pytest.raises(InputError, match='is another run: files of folder train'):
        run(data, out, resume=True, steps=1)


def test_resuming_before_the_first_checkpoint_starts(data, tmp_path):
    run(data, tmp_path / 'run', resume=True, steps=1)
    assert read_checkpoint(tmp_path / 'run')['step'] == 1


def test_a_finished_run_is_not_begun_again(data, tmp_path):
    out = tmp_path / 'run'
    assert run(data, out, steps=1)[-1] == f'finished: {out / "best-0000001.safetensors"}'
    before = (out / RUN).read_bytes()
    assert run(data, out, resume=True, steps=1)[0].startswith('finished: ')
    assert (out / RUN).read_bytes() == before
    (out / LAST).unlink()
    with pytest.raises(InputError, match=r'is finished and has lost its last\.pt; .*--out'):
        run(data, out, resume=True, steps=1)
    assert (out / 'best-0000001.safetensors').is_file()


def test_files_of_others_in_the_folder_stay(data, tmp_path):
    picture = tmp_path / 'run' / 'best-view.png'
    picture.parent.mkdir()
    picture.write_bytes(b'mine')
    run(data, picture.parent, steps=1)
    assert picture.read_bytes() == b'mine'
    assert RunFolder(picture.parent).best().stem == 'best-0000001'


def test_a_run_without_a_checkpoint_says_that_it_begins_again(data, tmp_path):
    recipe = load_recipe(str(yaml_of(tmp_path, steps=1)))
    digests = Source(recipe.data, data, 0).digests()
    RunFolder(tmp_path / 'run').open(recipe, digests, resume=False)  # and killed
    said = run(data, tmp_path / 'run', resume=True, steps=1)
    assert said[0] == 'no checkpoint yet: from step 0'


def test_fresh_must_name_tensors(data, tmp_path):
    with pytest.raises(InputError, match=r"fresh: no tensor begins with 'fussion'.*fusion_head"):
        run(data, tmp_path / 'run', 'network.start=rt-s', 'network.preset=s',
            'network.fresh=[fussion]', steps=1)
    assert not (tmp_path / 'run').exists()


def test_a_damaged_checkpoint_is_named(data, tmp_path):
    out = tmp_path / 'run'
    run(data, out, steps=1)
    (out / LAST).write_bytes((out / LAST).read_bytes()[:1000])
    with pytest.raises(InputError, match=r'last\.pt: is damaged'):
        run(data, out, resume=True, steps=1)


def test_a_run_becomes_weights_with_a_complete_card(data, tmp_path):
    run(data, tmp_path / 'run', steps=2)
    out = tmp_path / 'mine.safetensors'
    card = ship(tmp_path / 'run', data, out, note='tiny')
    assert read_card(out.with_suffix('.json')) == card
    assert card.name == 'mine'
    assert all(0.5 <= card.temperature[mode] <= 3 for mode in MODES)
    assert 'mine THERMAL_ONLY, night' in card.metrics['folder test']
    assert card.metrics['parameters'] > 1e5
    assert card.training['recipe']['steps'] == 2
    assert card.training['note'] == 'tiny'
    assert load_network(out)[1] == card
    with pytest.raises(InputError, match='is no name for weights'):
        ship(tmp_path / 'run', data, tmp_path / 'mine.pt')
    with pytest.raises(InputError, match='is not the folder of a run'):
        ship(data, data, tmp_path / 'other.safetensors')
    with pytest.raises(InputError, match='is there already; remedy: choose another --out'):
        ship(tmp_path / 'run', data, out)
    assert read_card(out.with_suffix('.json')) == card
    with pytest.raises(InputError, match="split 'val' selected these weights"):
        ship(tmp_path / 'run', data, tmp_path / 'other.safetensors', test='val')


def test_pretraining_then_training_then_teaching(data, tmp_path):
    pre, teacher, student = (tmp_path / name for name in ('pre', 'teacher', 'student'))
    run(data, pre, 'objective.stage=pretrain', steps=2)
    assert 'val_loss' in rows(pre)[-1]
    ship(pre, data, tmp_path / 'pre.safetensors')
    with pytest.raises(InputError, match=r'does not fit rt s.*network\.fresh'):
        run(data, teacher, 'network.preset=s', f'network.start={pre}', steps=1)
    run(data, teacher, f'network.start={pre}', steps=2)
    best = weights_of(str(pre))
    tensors, card = read_weights(best)
    kept = {key: value for key, value in tensors.items() if not key.startswith('fusion_head.')}
    best.write_bytes(save(kept))
    digest = hashlib.sha256(best.read_bytes()).hexdigest()
    text = card.model_copy(update={'sha256': digest}).model_dump_json(by_alias=True)
    best.with_suffix('.json').write_text(text)
    with pytest.raises(InputError, match=r'does not fit rt .*: fusion_head'):
        run(data, tmp_path / 'older', f'network.start={pre}', steps=1)
    run(data, tmp_path / 'older', f'network.start={pre}', 'network.fresh=[fusion_head.]', steps=1)
    run(data, student, f'objective.teacher.weights={teacher}', steps=2)
    assert float(rows(student)[-1]['mask_teacher']) > 0


def test_training_starts_from_packaged_weights_by_their_name(data, tmp_path):
    run(data, tmp_path / 'a', 'network.preset=s', 'network.start=rt-s',
        'optimizer.lr=1.0e-12', 'optimizer.final_lr=1.0e-13', steps=1)
    old, new = (read_weights(weights_of(place))[0] for place in ('rt-s', str(tmp_path / 'a')))
    name = 'decoder.smooth4.conv.weight'
    torch.testing.assert_close(old[name], new[name], atol=1e-3, rtol=0)
    with pytest.raises(InputError, match=r'rt-x: is not there.*packaged: rt-s'):
        run(data, tmp_path / 'b', 'network.start=rt-x', steps=1)


def test_frozen_layers_stay_as_they_are(data, tmp_path):
    run(data, tmp_path / 'a', steps=1)
    rest = ('rgb_stream', 'thermal_stream', 'merge', 'sixteenth', 'coarse', 'decoder',
            'entity_head', 'mask_head')
    frozen = f'network.frozen=[{", ".join(rest)}]'
    only = 'objective.weights={mask: 0, entities: 0}'
    run(data, tmp_path / 'b', f'network.start={tmp_path / "a"}', frozen, only, steps=4)
    assert 'fusion' in rows(tmp_path / 'b')[0]
    assert 'mask' not in rows(tmp_path / 'b')[0]
    old, new = (read_weights(weights_of(str(tmp_path / name)))[0] for name in 'ab')
    moved = {key.partition('.')[0] for key in old if not torch.equal(old[key], new[key])}
    assert moved == {'fusion_head'}
    # Checks after 3 and 4 steps find the same masks; the network that learned longer is kept.
    assert RunFolder(tmp_path / 'b').best().stem == 'best-0000004'
    with pytest.raises(InputError, match=r"no layer begins with 'head'.*accepted: .*fusion_head"):
        run(data, tmp_path / 'c', 'network.frozen=[head]', steps=1)
    with pytest.raises(InputError, match='nothing is left to learn'):
        run(data, tmp_path / 'c', f'network.frozen=[fusion_head, {", ".join(rest)}]', steps=1)


def test_the_packaged_smoke_recipe_runs_from_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    out = tmp_path / 'run'
    words = ['train', 'smoke', '--out', str(out), '--steps', '3', '--seed', '5']
    try:
        import torchvision  # noqa: F401
    except Exception:  # without it the scenes are shown as they are, so less of them
        steps = dict.fromkeys(AugmentationConfig.model_fields)
        words += ['--set', f'data.augmentation={json.dumps(steps)}']
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert 'step 3 val_miou_fused' in done.output
    assert load_recipe(str(out / RECIPE)).seed == 5
    assert any((tmp_path / 'cache').rglob('sim*')), 'rendered scenes are kept'
    again = CliRunner().invoke(app, words)
    assert again.exit_code == 2
    assert 'holds a run already' in again.output
    listed = CliRunner().invoke(app, [*words, '--keys'])
    assert 'optimizer.lr' in listed.output


def test_entities_of_captions_reach_the_network_and_the_card(data, tmp_path):
    names = ('person', 'lamp', 'tree')
    images = {f'train{i}': {names[i]: 1.0, 'lamp': 1.0} for i in range(3)}
    write_annotations(data / 'entities' / 'mine.json', Annotations(images, 'captions'))
    write_vocabulary(data / 'entities' / 'vocab.json', Vocabulary(names))
    write_embeddings(data / 'entities' / 'text_emb.npy', hashed_embeddings(names))
    sets = ['network.name=egmt', 'network.preset=tiny', 'data.entities=entities/mine.json']
    run(data, tmp_path / 'run', *sets, steps=2)
    network, card = load_network(RunFolder(tmp_path / 'run').best())
    assert card.entities == names
    assert card.training['entities'] == 'captions'
    torch.testing.assert_close(network.tokens.text, torch.from_numpy(hashed_embeddings(names)))
    del images['train2']
    write_annotations(data / 'entities' / 'mine.json', Annotations(images, 'captions'))
    with pytest.raises(InputError, match="'train2' has no entity annotation"):
        run(data, tmp_path / 'other', *sets, steps=2)


def test_without_fabric_the_extra_is_named(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'lightning_fabric', None)
    with pytest.raises(InputError, match=r'pip install vif_perception\[train\]'):
        run(data, tmp_path / 'run')


def test_a_device_that_is_not_there_is_refused(data, tmp_path):
    with pytest.raises(InputError, match="device: is 'tpu'; accepted: auto, cpu, cuda"):
        run(data, tmp_path / 'run', 'device=tpu')
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match='device: no GPU'):
            run(data, tmp_path / 'run', 'device=cuda')




def test_without_torchvision_no_run_folder_is_left(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    with pytest.raises(InputError, match='augmentation needs torchvision'):
        train(load_recipe('smoke'), tmp_path, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()
