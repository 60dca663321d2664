"""Every family learns: a few steps lower its loss, and the overfitting script runs to the end."""

import argparse
import csv

import numpy as np
import pytest
import torch
from PIL import Image

from vif_perception.errors import InputError
from vif_perception.inference.weights import load_network
from vif_perception.labels import MFNET
from vif_perception.models.registry import build
from vif_perception.sim import training_sample
from vif_perception.training.data import Triple
from vif_perception.training.entities.annotations import Annotations, write_annotations
from vif_perception.training.entities.embeddings import hashed_embeddings, write_embeddings
from vif_perception.training.entities.vocabulary import Vocabulary, write_vocabulary
from vif_perception.training.entity_labels import EntityLabels
from vif_perception.training.objectives import objective_for
from vif_perception.training.overfit import cut, overfit, richest, shown_all
from vif_perception.training.overfit import main as overfit_script

SIZE = (64, 64)


@pytest.fixture(scope='module')
def shown():
    """Two windows of synthetic scenes."""
    samples = [Triple(str(seed), bool(seed), *training_sample(seed)) for seed in range(2)]
    triples = [cut(item, SIZE) for item in samples]
    return shown_all(triples, EntityLabels(MFNET))


@pytest.mark.parametrize('name, preset, options, progress', [
    ('rt', 'n', {}, 0.5), ('mafs', 'tiny', {}, 0.5), ('egmt', 'tiny', {}, 0.5),
    ('multitaskvif', 'rt', {'way': 'own'}, 0.5), ('multitaskvif', 'rt', {'way': 'mth'}, 0.5),
    ('multitaskvif', 'rt', {'way': 'cascade'}, 0.3),   # the fusion network's turn
    ('multitaskvif', 'rt', {'way': 'cascade'}, 0.4),   # the segmenter's turn
    ('multitaskvif', 'seafusion', {'way': 'mth'}, 0.5),
])
def test_a_few_steps_lower_the_loss(shown, name, preset, options, progress):
    torch.manual_seed(0)
    network = build(name, preset, options=options)
    objective = objective_for(network)
    # Small: the fusion head of rt starts near its best, and a large step leaves it first.
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    totals = []
    for _ in range(5):
        torch.manual_seed(0)  # equal dropout and gates: only the weights change
        network.train()
        terms = objective(shown, progress)
        total = objective.total(terms)
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < totals[0], totals
    assert {'fusion', 'mask'} <= set(terms) or options == {'way': 'own'}


def write_set(root, count=8):
    """Write a training split of noise with one car-sized block, half of it at night."""
    random = np.random.default_rng(0)
    rows = []
    for index in range(count):
        mask = np.zeros((96, 128), np.uint8)
        mask[40:80, 50:110] = 1 + index % 2
        images = {
            'vi': random.integers(0, 90, (96, 128, 3), dtype=np.uint8),
            'ir': np.where(mask, 220, 40).astype(np.uint8), 'label': mask,
        }
        row = {'id': str(index), 'split': 'train', 'day_night': ('day', 'night')[index % 2]}
        for kind, image in images.items():
            row[kind] = f'{index}_{kind}.png'
            Image.fromarray(image).save(root / row[kind])
        rows.append(row)
    with (root / 'index.csv').open('w', newline='') as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return root


def arguments(root, **changes):
    values = {
        'data': root, 'network': 'rt', 'preset': 'n', 'option': [], 'weight': [], 'steps': 3,
        'batch': 4, 'lr': 1e-3, 'size': (64, 64), 'seed': 0, 'entities': None,
        'precision': 'fp32',
        'out': root / 'learned.safetensors',
    }
    return argparse.Namespace(**{**values, **changes})


def test_the_script_writes_weights_that_say_what_they_are(tmp_path):
    figures = overfit(arguments(
        write_set(tmp_path), network='multitaskvif', preset='rt', option=['way=cascade'], steps=9,
        weight=['mask=2'],
    ))
    network, card = load_network(tmp_path / 'learned.safetensors')
    assert network.config.way == 'cascade'
    assert 'overfitted on 8 training triples, for demonstration' in card.protocol
    assert sorted(card.training['triples']) == [str(i) for i in range(8)]
    assert card.metrics['miou_after'] == round(figures['miou_after'], 4)
    assert figures['fusion_first_epoch'] > 0
    assert figures['wall_s'] > 0


@pytest.mark.parametrize('changes, said', [
    ({'network': 'nope'}, "unknown network 'nope'"), ({'preset': 'xxl'}, "no preset 'xxl'"),
    ({'option': ['blocks=2']}, "no option 'blocks'"), ({'steps': 0}, '--steps: is 0'),
    ({'batch': -1}, '--batch: is -1'), ({'lr': float('nan')}, '--lr: is nan'),
    ({'size': (97, 131)}, '--size: is 97 131; accepted: multiples of 32'),
    ({'out': 'no/where.safetensors'}, '--out: '), ({'out': 'here.pt'}, '--out: '),
    ({'weight': ['masks=2']}, "unknown loss term 'masks'"),
])
def test_what_nothing_can_be_trained_with_is_said(tmp_path, changes, said):
    values = {**changes, **({'out': tmp_path / changes['out']} if 'out' in changes else {})}
    with pytest.raises(InputError, match=said):
        overfit(arguments(write_set(tmp_path), **values))
    assert not [*tmp_path.glob('**/*.safetensors')]


def test_entities_of_a_file_reach_the_network_and_its_card(tmp_path):
    root, names = write_set(tmp_path), ('car', 'person', 'tree')
    images = {str(i): {names[i % 3]: 1.0} for i in range(8)}
    write_annotations(root / 'e' / 'set.json', Annotations(images, 'captions', 'shuffled'))
    write_vocabulary(root / 'e' / 'vocab.json', Vocabulary(names))
    write_embeddings(root / 'e' / 'text_emb.npy', hashed_embeddings(names))
    overfit(arguments(root, network='egmt', preset='tiny', entities=root / 'e' / 'set.json'))
    network, card = load_network(root / 'learned.safetensors')
    assert card.entities == names
    assert card.training['entities'] == 'shuffled captions'
    np.testing.assert_allclose(network.tokens.text, hashed_embeddings(names), atol=1e-6)
    with pytest.raises(InputError, match="image 'x' has no entity annotation"):
        EntityLabels(MFNET, ['x'], root / 'e' / 'set.json')


def test_the_richest_windows_of_day_and_night():
    def triple(name, night, *blocks):
        mask = np.zeros((128, 160), np.uint8)
        for index, (top, left) in enumerate(blocks):
            mask[top:top + 16, left:left + 16] = index + 1
        return Triple(name, night, np.zeros((*mask.shape, 3), np.uint8), mask, mask)

    empty, one = triple('empty', False), triple('one', False, (0, 0))
    two, night = triple('two', False, (100, 120), (100, 140)), triple('night', True)
    assert [item.name for item in richest([empty, one, night, two], 3, 0)] == [
        'two', 'one', 'night'
    ]
    window = cut(two, (64, 64))
    assert window.rgb.shape == (64, 64, 3)
    assert set(np.unique(window.mask)) == {0, 1, 2}
    np.testing.assert_array_equal(window.thermal, window.mask)


def test_bad_input_ends_the_script_with_one_line(tmp_path, monkeypatch, capsys):
    words = ['--network', 'rt', '--preset', 'n', '--out', 'x.safetensors']
    monkeypatch.setattr('sys.argv', ['script', '--data', str(tmp_path / 'nope'), *words])
    with pytest.raises(SystemExit) as end:
        overfit_script()
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith('error: ')
    assert 'nope' in said
    assert len(said.splitlines()) == 1
