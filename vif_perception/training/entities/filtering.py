"""Against hallucination: votes between captions, image-text scores, labels that override both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

#: id -> entity -> score 0..1.
Scored = Mapping[str, Mapping[str, float]]


def vote(mentions: Iterable[set[str]], minimum: int = 2) -> dict[str, float]:
    """Keep what at least ``minimum`` captions of one image name.

    Returns:
        entity -> share of the captions that name it, most named first, then by name.
    """
    captions = list(mentions)
    counts = {name: sum(name in named for named in captions) for name in set().union(*captions)}
    kept = sorted(
        (name for name, count in counts.items() if count >= minimum),
        key=lambda name: (-counts[name], name),
    )
    return {name: counts[name] / len(captions) for name in kept}


def check_scores(found: Scored, scores: Scored, quantile: float = 0.2) -> dict[str, dict]:
    """Drop an entity from images whose image-text score is in the entity's own lowest part.

    Args:
        found: entities of each image; scores: cosine of image and "a photo of a {entity}", the
            better of both cameras; an image or entity without a score stays.
        quantile: share of an entity's images that lose it.
    """
    seen: dict[str, list[float]] = {}
    for image, names in found.items():
        for name in names:
            if name in scores.get(image, {}):
                seen.setdefault(name, []).append(scores[image][name])
    floor = {name: float(np.quantile(values, quantile)) for name, values in seen.items()}
    return {
        image: {
            name: score for name, score in names.items()
            if name not in scores.get(image, {}) or scores[image][name] >= floor[name]
        }
        for image, names in found.items()
    }


def override(found: Scored, truth: Mapping[str, Mapping[str, bool]]) -> dict[str, dict]:
    """Add what labels say is there (score 1), remove what they say is not.

    Args:
        found: entities of each image; truth: id -> entity -> whether a mask or box shows it.
            Images and entities that the labels do not know stay as they are.
    """
    result = {}
    for image, names in found.items():
        known = truth.get(image, {})
        kept = {name: score for name, score in names.items() if known.get(name, True)}
        result[image] = kept | {name: 1.0 for name, there in known.items() if there}
    return result
