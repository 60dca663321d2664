"""``vif-perception entities``: what it writes, and what it refuses."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from vif_perception.cli.main import app
from vif_perception.labels import MFNET
from vif_perception.models.registry import build
from vif_perception.training.entities.annotations import (
    read_annotations,
)
from vif_perception.training.entities.captions import read_captions, write_captions
from vif_perception.training.entities.embeddings import (
    WIDTH,
    hashed_embeddings,
    read_embeddings,
)
from vif_perception.training.entities.vocabulary import (
    read_vocabulary,
)
from vif_perception.training.entity_labels import EntityLabels

NAMES = ('car', 'person', 'bike', 'road', 'tree')


needs_simplemma = pytest.mark.skipif(
    importlib.util.find_spec('simplemma') is None,
    reason='SIMPLEMMA IS NOT INSTALLED: no captions went through the command',
)


def test_the_command_on_masks(tmp_path):
    for i in range(3):
        mask = np.zeros((20, 20), np.uint8)
        mask[:5] = 1 + (i > 0)
        Image.fromarray(mask).save(tmp_path / f'{i}.png')
    done = CliRunner().invoke(
        app, ['entities', str(tmp_path), '--out', str(tmp_path / 'out'), '--least-images', '1']
    )
    assert done.exit_code == 0, done.output
    assert '3 images (mask-entities), 2 entities: person, car' in done.output
    vocabulary = read_vocabulary(tmp_path / 'out' / 'vocab.json')
    assert read_embeddings(tmp_path / 'out' / 'text_emb.npy', vocabulary).shape == (2, WIDTH)
    annotations = read_annotations(tmp_path / 'out' / 'set.json')
    assert vocabulary.labels(annotations, ['0', '1']).tolist() == [[0, 1], [1, 0]]


@needs_simplemma
@pytest.mark.parametrize('control', ['shuffled', 'random'])
def test_the_command_writes_controls_in_the_same_format(tmp_path, monkeypatch, control):
    monkeypatch.chdir(tmp_path)
    write_captions(Path('c.jsonl'), [(str(i), [f'a {NAMES[i % 2]} on a road'] * 2)
                                     for i in range(20)])
    told = {}
    for out, words in (('real', []), (control, ['--control', control, '--seed', '3'])):
        done = CliRunner().invoke(
            app, ['entities', 'c.jsonl', '-o', out, '--least-images', '1', *words]
        )
        assert done.exit_code == 0, done.output
        told[out] = done.output
    assert f'20 images ({control} captions)' in told[control]
    assert '20 images (captions)' in told['real']
    real, made = (read_annotations(Path(out, 'set.json')) for out in ('real', control))
    assert (real.control, made.control) == ('', control)
    assert set(made.images) == set(real.images)
    assert made.images != real.images
    for name in ('vocab.json', 'text_emb.npy'):
        assert Path('real', name).read_bytes() == Path(control, name).read_bytes()


@needs_simplemma
def test_the_sentence_control_goes_where_entities_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_captions(Path('c.jsonl'), [(str(i), [f'a {NAMES[i % 2]}, at a road {i}', NAMES[i % 2]])
                                     for i in range(20)])
    done = CliRunner().invoke(app, [
        'entities', 'c.jsonl', '-o', 's', '--least-images', '1', '--control', 'sentence',
    ])
    assert done.exit_code == 0, done.output
    assert '20 images (sentence captions), 2 sentences: ' in done.output
    vocabulary = read_vocabulary(Path('s/vocab.json'))
    assert sorted(vocabulary.names) == sorted(f'a {NAMES[i]}, at a road {i}' for i in range(2))
    np.testing.assert_allclose(
        read_embeddings(Path('s/text_emb.npy'), vocabulary), hashed_embeddings(vocabulary.names),
        rtol=1e-5,
    )
    labels = EntityLabels(MFNET, [str(i) for i in range(20)], Path('s/set.json'))
    assert labels.source == 'sentence captions'
    network = build('egmt', 'tiny', entities=len(labels.names))
    labels.teach(network)
    torch.testing.assert_close(network.tokens.text, labels.text)
    assert labels.positive_weight().tolist() == [1.0, 1.0]


@needs_simplemma
@pytest.mark.parametrize('words, said', [
    ('absent.jsonl', 'absent.jsonl: is not there'),
    ('captions.jsonl --set ../x', '--set: '),
    ('captions.jsonl --set vocab', '--set: '),
    ('set.json --out .', 'set.json: would be replaced'),
    ('captions.jsonl --least-images 1 --votes 1 --out full', 'full'),
    ('colours', 'a.png: mask has mode RGB'),
    ('captions.jsonl', 'at least 20 (--least-images)'),
    ('empty', 'empty: holds no masks'),
    ('notes', 'a.png: cannot be read'),
    ('no_id.jsonl', 'no_id.jsonl:2: id is None'),
    ('latin.jsonl', 'latin.jsonl: is not UTF-8'),
    ('none.jsonl', 'none.jsonl:1: captions is []'),
    ('captions.jsonl --control inverted', "'inverted'"),
    ('captions.jsonl --scores scores.json', "image 'a': score of 'car' is 7; accepted: -1..1"),
    ('captions.jsonl --scores list.json', "list.json: image 'a': is a list"),
    ('captions.jsonl --truth empty', 'empty: holds no masks'),
    ('colours --truth notes', '--scores and --truth: are for captions'),
])
def test_the_command_refuses(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    for name in ('empty', 'notes'):
        Path(name).mkdir()
    Path('notes/a.png').write_text('no image')
    Path('colours').mkdir()
    Image.new('RGB', (4, 4)).save('colours/a.png')
    Path('full').write_text('a file')
    Path('scores.json').write_text('{"a": {"car": 7}}')
    Path('list.json').write_text('{"a": [0.5]}')
    write_captions(Path('captions.jsonl'), [('a', ['a car']), ('b', ['a bus'])])
    write_captions(Path('set.json'), [('a', ['a car'])])
    write_captions(Path('none.jsonl'), [('a', [])])
    Path('no_id.jsonl').write_text('{"id": "a", "captions": ["a car"]}\n{"captions": ["a car"]}')
    Path('latin.jsonl').write_bytes('{"id": "a", "captions": ["Männer"]}'.encode('latin-1'))
    done = CliRunner().invoke(app, ['entities', *words.split()])
    assert done.exit_code == 2
    assert said in done.output
    assert not Path('entities').exists()
    assert Path('full').read_text() == 'a file'
    assert read_captions(Path('set.json')) == {'a': ('a car',)}


@needs_simplemma
def test_the_command_filters_by_scores_and_masks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('masks').mkdir()
    truth = np.zeros((10, 10), np.uint8)
    truth[:5] = 2
    Image.fromarray(truth).save('masks/0.png')
    ids = [str(i) for i in range(10)]
    write_captions(Path('c.jsonl'), [(i, ['a car', 'the car']) for i in ids] + [('10', ['a bus'])])
    Path('s.json').write_text(json.dumps({i: {'car': 0.1 * int(i)} for i in ids}))
    done = CliRunner().invoke(app, [
        'entities', 'c.jsonl', '-o', 'e', '--scores', 's.json', '--truth', 'masks', '--votes', '1',
        '--least-images', '1',
    ])
    assert done.exit_code == 0, done.output
    found = read_annotations(Path('e/set.json')).images
    assert [image for image in ids if 'car' in found[image]] == [str(i) for i in range(2, 10)]
    assert found['0'] == {'person': 1.0}, 'the mask shows a person and no car'


@needs_simplemma
def test_the_command_says_what_it_accepts_and_which_option_sets_the_limit(tmp_path):
    captions, out = tmp_path / 'captions.jsonl', ['--out', str(tmp_path / 'out')]
    said = CliRunner().invoke(app, ['entities', str(captions), *out])
    assert said.exit_code == 2
    assert 'is not there; accepted: captions as JSON lines, or a folder' in said.stderr
    write_captions(captions, [(name, ['a car', 'the car']) for name in 'ab'])
    said = CliRunner().invoke(app, ['entities', str(captions), *out])
    assert said.exit_code == 2
    assert 'of the 2 images; accepted: at least 20 (--least-images), and at most 1' in said.stderr
