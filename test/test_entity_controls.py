"""Controls: the entities of another image, drawn ones, sentences."""

import pytest
from hypothesis import strategies as st
from patience import given

from vif_perception.errors import InputError
from vif_perception.training.entities.annotations import Annotations
from vif_perception.training.entities.controls import random_entities, shuffled
from vif_perception.training.entities.sentences import in_words, sentence_control
from vif_perception.training.entities.vocabulary import Vocabulary

NAMES = ('car', 'person', 'bike', 'road', 'tree')


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
