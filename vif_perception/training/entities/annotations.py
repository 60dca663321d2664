"""Entities of the images of a data set, and their file ``entities/<set>.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from vif_perception.errors import InputError
from vif_perception.training.entities.jsonfile import read_object, write_object

Source = Literal['captions', 'mask-entities']
Control = Literal['', 'shuffled', 'random', 'sentence']


@dataclass(frozen=True)
class Annotations:
    """Which entities each image shows.

    Attributes:
        images: id -> entity -> score 0..1.
        source: ``captions`` of a vision-language model, or ``mask-entities`` from masks and
            boxes; results of the latter are never called EGMT entities.
        control: '' for the real thing; ``shuffled``, ``random``: made to carry no information;
            ``sentence``: one whole sentence in the place of the entities.
    """

    images: Mapping[str, Mapping[str, float]]
    source: Source
    control: Control = ''


def write_annotations(path: Path, annotations: Annotations) -> None:
    """Write one set; images in the order of their ids."""
    write_object(path, {
        'source': annotations.source,
        'control': annotations.control,
        'images': {
            image: {
                'entities': list(scores),
                'scores': {name: round(score, 4) for name, score in scores.items()},
            }
            for image, scores in sorted(annotations.images.items())
        },
    })


def read_annotations(path: Path) -> Annotations:
    """Read one set.

    Raises:
        InputError: not such a file: source, control, or an image whose entities and scores do
            not belong together.
    """
    content = read_object(path)
    source = _one_of(content.get('source'), get_args(Source), f'{path}: source')
    control = _one_of(content.get('control', ''), get_args(Control), f'{path}: control')
    images = content.get('images')
    if not isinstance(images, dict) or not images:
        raise InputError('has no images', where=str(path), accepted='{id: {entities, scores}}')
    return Annotations(
        {image: _scores(row, f'{path}: image {image!r}') for image, row in images.items()},
        source, control,
    )


def read_scores(path: Path) -> dict[str, dict[str, float]]:
    """Read image-text scores, ``{id: {entity: cosine}}``.

    Raises:
        InputError: not such a file, or a score that is no number of -1..1.
    """
    content = read_object(path)
    for image, row in content.items():
        where = f'{path}: image {image!r}'
        if not isinstance(row, dict):
            raise InputError(f'is a {type(row).__name__}', where=where, accepted='{entity: score}')
        for name, score in row.items():
            _check_score(name, score, -1, where)
    return content


def _scores(row: Any, where: str) -> dict[str, float]:
    names, scores = (
        (row.get('entities'), row.get('scores')) if isinstance(row, dict) else (None, None)
    )
    if not (
        isinstance(names, list) and isinstance(scores, dict)
        and all(isinstance(name, str) for name in names) and set(names) == set(scores)
    ):
        raise InputError(
            'entities and scores do not belong together', where=where,
            accepted='a list of names, and one score 0..1 for each',
        )
    for name, score in scores.items():
        _check_score(name, score, 0, where)
    return {name: float(scores[name]) for name in names}


def _check_score(name: str, score: Any, least: int, where: str) -> None:
    if isinstance(score, bool) or not isinstance(score, int | float) or not least <= score <= 1:
        raise InputError(f'score of {name!r} is {score!r}', where=where, accepted=f'{least}..1')


def _one_of(value: Any, accepted: tuple[Any, ...], where: str) -> Any:
    if value not in accepted:
        raise InputError(
            f'is {value!r}', where=where, accepted=', '.join(repr(item) for item in accepted)
        )
    return value
