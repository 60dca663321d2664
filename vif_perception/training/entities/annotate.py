"""The whole way from captions to annotations."""

from __future__ import annotations

from collections.abc import Mapping

from vif_perception.training.entities.annotations import Annotations
from vif_perception.training.entities.captions import Captions
from vif_perception.training.entities.extraction import Lemmatizer, Lexicon, entities_in_caption
from vif_perception.training.entities.filtering import Scored, check_scores, override, vote


def annotate_captions(
    captions: Captions, lexicon: Lexicon, lemmatize: Lemmatizer, *, votes: int = 2,
    scores: Scored | None = None, truth: Mapping[str, Mapping[str, bool]] | None = None,
) -> Annotations:
    """Extract, bring to one name, and filter.

    Args:
        captions: id -> captions; lexicon: nouns and what they stand for.
        votes: captions of an image that must agree on an entity.
        scores: image-text scores, id -> entity -> cosine, see
            :func:`~vif_perception.training.entities.filtering.check_scores`.
        truth: id -> entity -> whether labels show it; overrides captions and scores.
    """
    found: Mapping[str, Mapping[str, float]] = {
        image: vote((entities_in_caption(text, lexicon, lemmatize) for text in texts), votes)
        for image, texts in captions.items()
    }
    if scores is not None:
        found = check_scores(found, scores)
    if truth is not None:
        found = override(found, truth)
    return Annotations(found, 'captions')
