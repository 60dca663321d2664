"""The sentence control: one embedding of a whole sentence in place of the entities' tokens.

A robot has no captions, so the network knows a fixed set of sentences, as it knows a fixed set of
entities, and its classifier says which of them the scene is like. The files are those of entities;
of every image exactly one token is heard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from vif_perception.training.entities.annotations import Annotations
from vif_perception.training.entities.vocabulary import Vocabulary


def sentence_control(
    annotations: Annotations, entities: Vocabulary,
    captions: Mapping[str, Sequence[str]] | None = None, *, size: int = 32,
) -> tuple[Annotations, Vocabulary]:
    """Give every image one sentence.

    Images that show the same entities share a sentence: the first caption of the first of them, or
    without captions the list of the entities in words. Of the ``size`` most frequent sets of
    entities, the other images take the one that is most like theirs (shared / all entities).

    Args:
        annotations: entities of the images; entities: those that count.
        captions: id -> captions, as they were read.
    """
    shown = {
        image: frozenset(found).intersection(entities.names)
        for image, found in sorted(annotations.images.items())
    }
    count = Counter(shown.values())
    kept = sorted(count, key=lambda names: (-count[names], sorted(names)))[:size]
    sentence: dict[frozenset[str], str] = {}
    for image, names in shown.items():
        if names in kept and names not in sentence:
            sentence[names] = _clean(captions[image][0]) if captions else in_words(names)
    images = {
        image: {sentence[max(kept, key=lambda other: _likeness(names, other))]: 1.0}
        for image, names in shown.items()
    }
    texts = tuple(dict.fromkeys(sentence[names] for names in kept))
    return replace(annotations, control='sentence', images=images), Vocabulary(texts)


def in_words(names: frozenset[str]) -> str:
    """Say in one sentence what a scene shows."""
    things = [f'a {name.replace("_", " ")}' for name in sorted(names)]
    listed = ' and '.join(filter(None, [', '.join(things[:-1]), *things[-1:]]))
    return f'a street scene with {listed}.' if things else 'a street scene.'


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared entities / all entities of both, 1 for two empty sets."""
    return len(one & other) / len(one | other) if one | other else 1.0


def _clean(caption: str) -> str:
    return ' '.join(caption.split())
