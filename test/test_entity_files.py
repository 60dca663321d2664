"""Entities of masks and boxes; annotations, vocabularies and embeddings as files."""

import json

import numpy as np
import pytest
from hypothesis import strategies as st
from patience import given

from vif_perception.errors import InputError
from vif_perception.training.entities.annotations import (
    Annotations,
    read_annotations,
    write_annotations,
)
from vif_perception.training.entities.embeddings import (
    WIDTH,
    hashed_embeddings,
    read_embeddings,
    write_embeddings,
)
from vif_perception.training.entities.from_labels import (
    annotate_labels,
    as_truth,
    entities_in_mask,
)
from vif_perception.training.entities.vocabulary import (
    Vocabulary,
    build_vocabulary,
    read_vocabulary,
    write_vocabulary,
)


def test_share_of_a_mask():
    mask = np.zeros((100, 100), np.uint8)
    mask[0, :5] = 1   # 0.05 %: just enough
    mask[1, :4] = 2   # too little
    mask[2:] = 255
    assert entities_in_mask(mask, ('nothing', 'car', 'person')) == ['car']


@pytest.mark.parametrize('mask, words', [
    (np.full((4, 4), 3, np.uint8), 'mask holds id 3'), (np.zeros((0, 4), np.uint8), 'empty mask'),
])
def test_bad_mask(mask, words):
    with pytest.raises(InputError, match=words):
        entities_in_mask(mask, ('nothing', 'car', 'person'))


def test_masks_and_boxes_join_and_are_marked():
    found = annotate_labels({'a': ['car', 'curve']}, {'a': ['People'], 'b': []},
                            {'People': 'person'})
    assert found.images == {'a': {'car': 1.0, 'curve': 1.0, 'person': 1.0}, 'b': {}}
    assert found.source == 'mask-entities'
    assert as_truth(found, ['car', 'bike']) == {
        'a': {'car': True, 'bike': False}, 'b': {'car': False, 'bike': False},
    }
    with pytest.raises(InputError, match='no masks and no boxes'):
        annotate_labels({}, {})


# ---- files ----

@pytest.mark.parametrize('source, control', [('captions', ''), ('mask-entities', 'shuffled')])
def test_annotations_come_back(tmp_path, source, control):
    written = Annotations({'b': {'car': 0.5, 'bus': 1.0}, 'a': {}}, source, control)
    write_annotations(tmp_path / 'entities' / 'msrs.json', written)
    assert read_annotations(tmp_path / 'entities' / 'msrs.json') == written


@pytest.mark.parametrize('content, words', [
    ({}, 'source: is None'),
    ({'source': 'gossip', 'images': {}}, "source: is 'gossip'"),
    ({'source': 'captions', 'control': 1}, 'control: is 1'),
    ({'source': 'captions', 'images': {}}, 'no images'),
    ({'source': 'captions', 'images': {'a': ['car']}}, "image 'a'"),
    ({'source': 'captions', 'images': {'a': {'entities': ['car'], 'scores': {}}}}, 'belong'),
    ({'source': 'captions', 'images': {'a': {'entities': ['car'], 'scores': {'car': 2}}}},
     "score of 'car' is 2"),
    ({'source': 'captions', 'images': {'a': {'entities': [['car']], 'scores': {}}}}, 'belong'),
])
def test_bad_annotations(tmp_path, content, words):
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(content), encoding='utf-8')
    with pytest.raises(InputError, match=words):
        read_annotations(path)


# ---- vocabulary ----

def test_document_frequency_limits():
    images = {f'{i:03}': {'road': 1.0} for i in range(100)}
    for name, count in (('car', 60), ('bus', 60), ('person', 20), ('boat', 19)):
        for i in range(count):
            images[f'{i:03}'][name] = 1.0
    annotations = Annotations(images, 'captions')
    assert build_vocabulary(annotations).names == ('bus', 'car', 'person')
    assert build_vocabulary(annotations, size=1).names == ('bus',)
    assert build_vocabulary(annotations, least_images=19).names[-1] == 'boat'
    with pytest.raises(InputError, match=r'at least 200 .--least-images., and at most'):
        build_vocabulary(annotations, least_images=200)


def test_labels_in_the_order_of_the_vocabulary():
    annotations = Annotations({'a': {'car': 0.4, 'ufo': 1.0}, 'b': {}}, 'captions')
    vocabulary = Vocabulary(('bus', 'car'))
    assert vocabulary.labels(annotations, ['b', 'a']).tolist() == [[0, 0], [0, 1]]
    with pytest.raises(InputError, match="image 'c' has no"):
        vocabulary.labels(annotations, ['c'])
    with pytest.raises(InputError, match='no annotated entity is in the vocabulary'):
        Vocabulary(('boat',)).labels(annotations, ['a', 'b'])


def test_vocabulary_comes_back(tmp_path):
    write_vocabulary(tmp_path / 'vocab.json', Vocabulary(('bus', 'car')))
    assert read_vocabulary(tmp_path / 'vocab.json').names == ('bus', 'car')


@pytest.mark.parametrize('content, words', [
    ({}, 'names is None'), ({'names': []}, r'names is \[\]'), ({'names': [1]}, 'names is'),
    ({'names': ['car', 'car']}, "names 'car' twice"),
])
def test_bad_vocabulary(tmp_path, content, words):
    path = tmp_path / 'vocab.json'
    path.write_text(json.dumps(content), encoding='utf-8')
    with pytest.raises(InputError, match=words):
        read_vocabulary(path)


# ---- embeddings ----

@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5, unique=True))
def test_hashed_rows_depend_on_the_name_alone(names):
    table = hashed_embeddings(names)
    assert table.shape == (len(names), WIDTH)
    assert table.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(table, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(hashed_embeddings(names[::-1]), table[::-1])
    off_diagonal = table @ table.T - np.eye(len(names))
    assert abs(off_diagonal).max() < 0.35, 'different words point elsewhere'


def test_embeddings_come_back(tmp_path):
    names = ('car', 'bus')
    write_embeddings(tmp_path / 'text_emb.npy', hashed_embeddings(names))
    table = read_embeddings(tmp_path / 'text_emb.npy', Vocabulary(names))
    np.testing.assert_allclose(table, hashed_embeddings(names), atol=1e-6)


@pytest.mark.parametrize('table, words', [
    (np.ones((3, WIDTH), np.float32), r'shape \(3, 512\).*\(2, 512\)'),
    (np.ones((2, 300), np.float32), r'\(2, 300\)'),
    (np.ones((2, WIDTH), np.int32), 'int32'),
    (np.zeros((2, WIDTH), np.float32), 'zero or not finite'),
    (np.full((2, WIDTH), np.nan, np.float32), 'zero or not finite'),
    (np.full((2, WIDTH), 1e30, np.float32), 'zero or not finite'),
    (np.full((2, WIDTH), 1e-45, np.float32), 'zero or not finite'),
    (np.array([{}, {}], object), 'cannot be read'),
])
def test_embeddings_that_do_not_fit(tmp_path, table, words):
    np.save(tmp_path / 't.npy', table)
    with pytest.raises(InputError, match=words):
        read_embeddings(tmp_path / 't.npy', Vocabulary(('car', 'bus')))


@pytest.mark.parametrize('content', [
    None, b'', b'no numpy file', b'PK\x03\x04',
    b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'shape'",
])
def test_no_embeddings(tmp_path, content):
    if content is not None:
        (tmp_path / 't.npy').write_bytes(content)
    with pytest.raises(InputError, match='cannot be read'):
        read_embeddings(tmp_path / 't.npy', Vocabulary(('car',)))
