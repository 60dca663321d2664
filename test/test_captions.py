"""From captions to the entities of an image: files, extraction, votes and filters."""

import importlib.util

import pytest
from hypothesis import strategies as st
from patience import given

from vif_perception.errors import InputError
from vif_perception.training.entities.annotate import annotate_captions
from vif_perception.training.entities.captions import read_captions, write_captions
from vif_perception.training.entities.extraction import (
    ROAD_SCENES,
    Lexicon,
    entities_in_caption,
    simplemma_lemmatizer,
)
from vif_perception.training.entities.filtering import check_scores, override, vote

NAMES = ('car', 'person', 'bike', 'road', 'tree')
sets = st.lists(st.sets(st.sampled_from(NAMES)), min_size=1, max_size=9)
scored = st.dictionaries(
    st.sampled_from([f'{i:03}' for i in range(6)]),
    st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1), max_size=3),
    min_size=1, max_size=6,
)


def plurals(word: str) -> str:
    """Stand in for a lemmatiser."""
    return {'men': 'man', 'buses': 'bus', 'people': 'people'}.get(word, word.removesuffix('s'))


def said(text: str, lexicon: Lexicon = ROAD_SCENES) -> set[str]:
    return entities_in_caption(text, lexicon, plurals)


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
