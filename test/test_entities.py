"""The entity pipeline: captions in, annotations, vocabulary and embeddings out."""

import importlib.util
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as given_quickly
from hypothesis import strategies as st

from vif_perception.errors import InputError
from vif_perception.training.entities.annotate import annotate_captions
from vif_perception.training.entities.annotations import (
    Annotations,
    read_annotations,
    write_annotations,
)
from vif_perception.training.entities.captions import read_captions, write_captions
from vif_perception.training.entities.controls import random_embeddings, random_entities, shuffled
from vif_perception.training.entities.embeddings import (
    WIDTH,
    hashed_embeddings,
    read_embeddings,
    write_embeddings,
)
from vif_perception.training.entities.extraction import (
    ROAD_SCENES,
    Lexicon,
    entities_in_caption,
    simplemma_lemmatizer,
)
from vif_perception.training.entities.filtering import check_scores, override, vote
from vif_perception.training.entities.from_labels import (
    annotate_labels,
    as_truth,
    entities_in_mask,
)
from vif_perception.training.entities.sentences import in_words, sentence_control
from vif_perception.training.entities.vocabulary import (
    Vocabulary,
    build_vocabulary,
    read_vocabulary,
    write_vocabulary,
)

NAMES = ('car', 'person', 'bike', 'road', 'tree')
sets = st.lists(st.sets(st.sampled_from(NAMES)), min_size=1, max_size=9)
scored = st.dictionaries(
    st.sampled_from([f'{i:03}' for i in range(6)]),
    st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1), max_size=3),
    min_size=1, max_size=6,
)


def given(*strategies):
    """As hypothesis does, whatever else the machine is doing."""
    patient = settings(
        deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
    )
    return lambda test: patient(given_quickly(*strategies)(test))


def plurals(word: str) -> str:
    """Stand in for a lemmatiser."""
    return {'men': 'man', 'buses': 'bus', 'people': 'people'}.get(word, word.removesuffix('s'))


def said(text: str, lexicon: Lexicon = ROAD_SCENES) -> set[str]:
    return entities_in_caption(text, lexicon, plurals)


# ---- captions file ----

def test_captions_come_back(tmp_path):
    path = tmp_path / 'deep' / 'captions.jsonl'
    write_captions(path, [('1', ['a car', 'zwei Männer']), ('2', ['']), ('1', ['a bus'])])
    assert read_captions(path) == {'1': ('a car', 'zwei Männer', 'a bus'), '2': ('',)}


def test_byte_order_mark_and_blank_lines_are_harmless(tmp_path):
    path = tmp_path / 'c.jsonl'
    path.write_bytes(b'\xef\xbb\xbf{"id": "1", "captions": ["a car"]}\r\n\r\n')
    assert read_captions(path) == {'1': ('a car',)}


@pytest.mark.parametrize('line, words', [
    ('{"captions": ["a car"]}', 'c.jsonl:2: id is None'),
    ('{"id": "", "captions": ["a car"]}', "id is ''"),
    ('{"id": 7, "captions": ["a car"]}', 'id is 7'),
    ('{"id": "1"}', 'captions is None'),
    ('{"id": "1", "captions": []}', r'captions is \[\]'),
    ('{"id": "1", "captions": "a car"}', "captions is 'a car'"),
    ('{"id": "1", "captions": ["a car", null]}', 'a caption is None'),
    ('{"id": "\\ud800", "captions": ["a car"]}', 'id is '),
    ('{"id": "1", "captions": ["\\udfff"]}', 'a caption is '),
    ('["1", "a car"]', 'is a list'),
    ('{"id": "1", ', 'is not JSON'),
])
def test_bad_line_is_named(tmp_path, line, words):
    path = tmp_path / 'c.jsonl'
    path.write_text('{"id": "0", "captions": ["a bus"]}\n' + line, encoding='utf-8')
    with pytest.raises(InputError, match=words):
        read_captions(path)


@pytest.mark.parametrize('content, words', [
    (b'', 'holds no captions'),
    ('{"id": "1", "captions": ["M\xe4nner"]}'.encode('latin-1'), 'not UTF-8'),
    ('{"id": "1", "captions": ["a car"]}'.encode('utf-16'), 'not UTF-8'),
])
def test_bad_file(tmp_path, content, words):
    path = tmp_path / 'c.jsonl'
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_captions(path)


def test_absent_file(tmp_path):
    with pytest.raises(InputError, match='cannot be read'):
        read_captions(tmp_path / 'none.jsonl')


# ---- extraction ----

@pytest.mark.parametrize('caption, entities', [
    ('', set()),
    ('123 !?', set()),
    ('A night scene in the background of the image.', set()),
    ('Two men walk past cars.', {'person', 'car'}),
    ('a cyclist waits at the traffic lights', {'person', 'bike', 'traffic light'}),
    ('a car window, and a brick wall', {'window', 'wall'}),
    ('A STREET LIGHT and a stop sign', {'street lamp', 'traffic sign'}),
    ('street lights', {'street lamp'}),
    ('There are no people, but a bus.', {'bus'}),
    ('an empty road without cars or trees; a fence', {'road', 'fence'}),
    ('There isn’t a person. A bench', {'bench'}),
    ('scar, cart, business', set()),
])
def test_what_a_caption_says(caption, entities):
    assert said(caption) == entities


def test_stop_words_win_over_the_vocabulary():
    lexicon = Lexicon({'car': (), 'light': ('lamp',)}, frozenset({'light'}))
    assert said('a car with its light', lexicon) == {'car'}


@given(st.text(max_size=80))
def test_any_text_gives_known_entities_only(text):
    assert said(text) <= set(ROAD_SCENES.synonyms)


@given(st.sets(st.sampled_from(sorted(ROAD_SCENES.synonyms)), max_size=6))
def test_every_entity_is_found_under_its_own_name(names):
    assert said(', '.join(sorted(names))) == names


@pytest.mark.parametrize(
    'noun, entity', [(n, e) for e, nouns in ROAD_SCENES.synonyms.items() for n in nouns]
)
def test_every_synonym_has_one_meaning_that_can_be_reached(noun, entity):
    assert entity in said(f'there, {noun}.')


def test_simplemma_reads_real_captions():
    if importlib.util.find_spec('simplemma') is None:
        with pytest.raises(InputError, match='pip install simplemma'):
            simplemma_lemmatizer()
        pytest.skip('SIMPLEMMA IS NOT INSTALLED: the default lemmatiser was not tried')
    found = entities_in_caption(
        'Several women and children wait near parked vehicles, buses and bicycles; leafless '
        'trees and benches line the streets.', ROAD_SCENES, simplemma_lemmatizer(),
    )
    assert found == {'person', 'car', 'bus', 'bike', 'tree', 'bench', 'road'}


# ---- filters ----

@given(sets, st.integers(1, 9))
def test_votes(mentions, minimum):
    kept = vote(mentions, minimum)
    for name in NAMES:
        count = sum(name in named for named in mentions)
        assert (name in kept) == (count >= minimum)
        assert name not in kept or kept[name] == count / len(mentions)
    assert list(kept.values()) == sorted(kept.values(), reverse=True)
    assert list(vote(reversed(mentions), minimum)) == list(kept), 'order of captions is nothing'


def test_no_captions_no_votes():
    assert vote([]) == {}


def test_scores_drop_the_lowest_part_of_each_entity():
    found = {str(i): {'car': 1.0} for i in range(10)} | {'x': {'car': 1.0, 'bus': 1.0}}
    scores = {str(i): {'car': i / 10} for i in range(10)}
    kept = check_scores(found, scores)
    assert [image for image in found if 'car' not in kept[image]] == ['0', '1']
    assert kept['x'] == {'car': 1.0, 'bus': 1.0}, 'without a score an entity stays'


@given(scored, scored)
def test_score_check_only_removes_and_keeps_everything_at_quantile_zero(found, scores):
    kept = check_scores(found, scores)
    assert all(names.items() <= found[image].items() for image, names in kept.items())
    assert check_scores(found, scores, quantile=0.0) == found


@given(scored, st.dictionaries(
    st.sampled_from(['000', '001', 'zzz']),
    st.dictionaries(st.sampled_from(NAMES), st.booleans()),
))
def test_labels_have_the_last_word(found, truth):
    result = override(found, truth)
    assert result.keys() == found.keys()
    for image, names in result.items():
        for name in NAMES:
            expected = truth.get(image, {}).get(name, name in found[image])
            assert (name in names) == expected
    assert override(result, truth) == result


def test_the_whole_way():
    captions = {
        'a': ('a man and a car', 'two pedestrians', 'a dragon and a car'),
        'b': ('a bus', 'a tree', 'a road'),
    }
    found = annotate_captions(captions, ROAD_SCENES, plurals, truth={'b': {'bike': True}})
    assert found.images == {'a': {'car': 2 / 3, 'person': 2 / 3}, 'b': {'bike': 1.0}}
    assert found.source == 'captions'
    strict = annotate_captions(captions, ROAD_SCENES, plurals, votes=3)
    assert strict.images == {'a': {}, 'b': {}}


# ---- masks and boxes ----

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
    assert vocabulary.index('car') == 1
    with pytest.raises(InputError, match=r"unknown entity 'ufo'.*bus, car"):
        vocabulary.index('ufo')
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


# ---- controls ----

@given(st.integers(2, 30), st.integers(0, 99))
def test_shuffling_gives_everyone_the_entities_of_another(count, seed):
    images = {str(i): {f'only{i}': 1.0} for i in range(count)}
    mixed = shuffled(Annotations(images, 'captions'), seed)
    assert mixed.control == 'shuffled'
    assert all(mixed.images[image] != found for image, found in images.items())
    assert sorted(map(str, mixed.images.values())) == sorted(map(str, images.values()))
    assert shuffled(Annotations(images, 'captions'), seed) == mixed


def test_one_image_cannot_be_shuffled():
    with pytest.raises(InputError, match='one image'):
        shuffled(Annotations({'a': {}}, 'captions'), 0)


def test_random_entities_keep_their_frequency():
    images = {str(i): {'road': 1.0} | ({'car': 1.0} if i % 4 == 0 else {}) for i in range(800)}
    drawn = random_entities(Annotations(images, 'mask-entities'), 3)
    assert (drawn.source, drawn.control) == ('mask-entities', 'random')
    assert all('road' in found for found in drawn.images.values())
    assert sum('car' in found for found in drawn.images.values()) == pytest.approx(200, abs=50)


def test_random_embeddings():
    table = random_embeddings(4, 1)
    np.testing.assert_allclose(np.linalg.norm(table, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(table, random_embeddings(4, 1))


def test_every_image_gets_one_sentence_of_an_image_like_it():
    shown = {'0': ('car',), '1': ('car', 'person'), '2': ('car', 'person'), '3': ('person',),
             '4': ('bike', 'car', 'person')}
    found = Annotations({
        image: dict.fromkeys(names, 1.0) for image, names in shown.items()
    }, 'captions')
    captions = {image: (f'  caption {image}\n of it', 'another') for image in shown}
    entities = Vocabulary(('car', 'person'))  # bikes do not count
    made, vocabulary = sentence_control(found, entities, captions, size=2)
    assert made.control == 'sentence'
    assert vocabulary.names == ('caption 1 of it', 'caption 0 of it')
    assert {image: [*names] for image, names in made.images.items()} == {
        '0': ['caption 0 of it'], '1': ['caption 1 of it'], '2': ['caption 1 of it'],
        '3': ['caption 1 of it'], '4': ['caption 1 of it'],
    }
    assert vocabulary.labels(made, [*shown]).sum(1).tolist() == [1] * 5


@given(st.lists(st.sets(st.sampled_from(NAMES)), min_size=1, max_size=12), st.integers(1, 4))
def test_sentences_without_captions_say_what_there_is(sets, size):
    found = Annotations({
        str(i): dict.fromkeys(sorted(names), 1.0) for i, names in enumerate(sets)
    }, 'mask-entities')
    made, vocabulary = sentence_control(found, Vocabulary(tuple(NAMES)), size=size)
    assert 1 <= len(vocabulary) <= size
    assert vocabulary.labels(made, [*made.images]).sum(1).tolist() == [1] * len(sets)
    assert sentence_control(found, Vocabulary(tuple(NAMES)), size=size) == (made, vocabulary)
    assert in_words(frozenset()) == 'a street scene.'
    assert in_words(frozenset({'car'})) == 'a street scene with a car.'
    assert in_words(frozenset({'car', 'car_stop', 'bike'})) == (
        'a street scene with a bike, a car and a car stop.'
    )
