"""From the words of a caption to the entities it names.

Nouns are found by their lemma in a noun vocabulary, longest phrase first; no part-of-speech model
is needed. Of neighbouring nouns the last is the head ("car window" is a window). What a caption
says is *not* there is not counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from vif_perception.errors import InputError
from vif_perception.training.entities import words

#: Word in small letters -> its base form.
Lemmatizer = Callable[[str], str]

_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|[.,;:!?()]")


@dataclass(frozen=True)
class Lexicon:
    """The noun vocabulary.

    Attributes:
        synonyms: entity -> other nouns for it, lemmas in small letters, words apart by a blank;
            a noun under two entities stands for both.
        stop: nouns that are never entities.
    """

    synonyms: Mapping[str, Iterable[str]]
    stop: frozenset[str] = frozenset()

    @cached_property
    def entities(self) -> Mapping[str, tuple[str, ...]]:
        """Noun phrase -> the entities it stands for, sorted."""
        found: dict[str, set[str]] = {}
        for entity, nouns in self.synonyms.items():
            for noun in (entity, *nouns):
                found.setdefault(noun, set()).add(entity)
        return {
            noun: tuple(sorted(names)) for noun, names in found.items() if noun not in self.stop
        }

    @cached_property
    def longest(self) -> int:
        """Words in the longest phrase."""
        return max((len(noun.split()) for noun in self.entities), default=0)


ROAD_SCENES = Lexicon(words.SYNONYMS, words.STOP)


def simplemma_lemmatizer() -> Lemmatizer:
    """Return the default lemmatiser, simplemma for English; it carries its own data.

    Raises:
        InputError: the package is not installed.
    """
    try:
        from simplemma import lemmatize
    except ImportError:
        raise InputError(
            'reading captions needs the package simplemma', remedy='pip install simplemma'
        ) from None
    return lambda word: lemmatize(word, lang='en').lower()


def entities_in_caption(caption: str, lexicon: Lexicon, lemmatize: Lemmatizer) -> set[str]:
    """Return the entities that a caption says are there."""
    tokens = _TOKEN.findall(caption.lower().replace('’', "'"))
    lemmas = [lemmatize(token) if token[0].isalpha() else token for token in tokens]
    found: set[str] = set()
    head: tuple[str, ...] = ()
    absent = False
    start = 0
    while start < len(tokens):
        phrase, length = _longest_phrase(tokens, lemmas, start, lexicon)
        if not length:
            found.update(() if absent else head)
            head = ()
            absent = tokens[start] in words.NEGATIONS or (absent and tokens[start][0].isalpha())
        else:
            head = phrase
        start += length or 1
    found.update(() if absent else head)
    return found


def _longest_phrase(
    tokens: list[str], lemmas: list[str], start: int, lexicon: Lexicon
) -> tuple[tuple[str, ...], int]:
    for length in range(min(lexicon.longest, len(tokens) - start), 0, -1):
        end = start + length
        # Both the word and its lemma: a lemmatiser may turn "people" into something else.
        for last in (lemmas[end - 1], tokens[end - 1]):
            known = lexicon.entities.get(' '.join([*tokens[start:end - 1], last]))
            if known:
                return known, length
    return (), 0
