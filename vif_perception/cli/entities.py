"""``vif-perception entities``: what the scenes of a data set contain, for training EGMT."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vif_perception.errors import InputError

if TYPE_CHECKING:
    from vif_perception.training.entities.annotations import Annotations
    from vif_perception.training.entities.captions import Captions


VOCABULARY = 'vocab.json'


class Control(str, Enum):
    """What guidance by entities has to beat."""

    SHUFFLED = 'shuffled'
    RANDOM = 'random'
    SENTENCE = 'sentence'


def entities(
    source: Annotated[
        Path,
        typer.Argument(
            help='Captions (JSON lines with id and captions), or a folder of MFNet masks (PNG).'
        ),
    ],
    out: Annotated[Path, typer.Option('--out', '-o', help='Folder to write.')] = Path('entities'),
    name: Annotated[str, typer.Option('--set', help='Name of the data set.')] = 'set',
    votes: Annotated[
        int, typer.Option(min=1, help='Captions of an image that must agree on an entity.')
    ] = 2,
    scores: Annotated[
        Path | None,
        typer.Option(
            help='Captions: image-text scores, JSON {id: {entity: cosine}}; the lowest fifth of '
            'each entity is dropped.'
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help='Captions: a folder of MFNet masks (PNG), which overrule them.'),
    ] = None,
    size: Annotated[int, typer.Option(min=1, help='Most entities in the vocabulary.')] = 32,
    least_images: Annotated[
        int, typer.Option(min=1, help='Fewest images an entity must be in.')
    ] = 20,
    text_model: Annotated[
        Path | None,
        typer.Option(help='Folder of a CLIP model; without it embeddings are hashed names.'),
    ] = None,
    control: Annotated[
        Control | None,
        typer.Option(
            help='Write what the entities have to beat: those of another image, drawn ones, or '
            'one whole sentence in their place.'
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help='Of the control.')] = 0,
) -> None:
    """Write entities per image, their vocabulary and their text embeddings.

    With --control the file is marked: guidance that does not beat its controls guides nothing.
    """
    from vif_perception.training.entities.annotations import write_annotations
    from vif_perception.training.entities.captions import read_captions
    from vif_perception.training.entities.controls import random_entities, shuffled
    from vif_perception.training.entities.embeddings import (
        TEMPLATES,
        clip_embeddings,
        hashed_embeddings,
        write_embeddings,
    )
    from vif_perception.training.entities.sentences import sentence_control
    from vif_perception.training.entities.vocabulary import build_vocabulary, write_vocabulary

    if not name or Path(name).name != name or name == Path(VOCABULARY).stem:
        raise InputError(f'{name!r} is no name for a data set', where='--set',
                         accepted=f'the name of a file but {Path(VOCABULARY).stem}')
    if not source.exists():
        raise InputError('is not there', where=str(source), remedy='check the path',
                         accepted='captions as JSON lines, or a folder of MFNet masks (PNG)')
    files = [out / f'{name}.json', out / VOCABULARY, out / 'text_emb.npy']
    if source.resolve() in [file.resolve() for file in files]:
        raise InputError('would be replaced by what is made of it', where=str(source),
                         remedy='choose another --out or --set')
    captions = None if source.is_dir() else read_captions(source)
    if captions is None and (scores or truth):
        raise InputError('are for captions', where='--scores and --truth',
                         remedy='leave them out: masks need no filter')
    found = (
        _from_masks(source) if captions is None
        else _from_captions(captions, votes, scores, truth)
    )
    vocabulary = build_vocabulary(found, size=size, least_images=least_images)
    templates: tuple[str, ...] = TEMPLATES
    if control is Control.SENTENCE:
        found, vocabulary = sentence_control(found, vocabulary, captions, size=size)
        templates = ('{}',)
    elif control is not None:
        found = (shuffled if control is Control.SHUFFLED else random_entities)(found, seed)
    table = (
        clip_embeddings(text_model, vocabulary.names, templates) if text_model
        else hashed_embeddings(vocabulary.names)
    )
    write_annotations(files[0], found)
    write_vocabulary(files[1], vocabulary)
    write_embeddings(files[2], table)
    kind = f'{found.control} {found.source}'.strip()
    what = 'sentences' if control is Control.SENTENCE else 'entities'
    typer.echo(f'{len(found.images)} images ({kind}), {len(vocabulary)} {what}: '
               + ', '.join(vocabulary.names))


def _from_captions(
    captions: Captions, votes: int, scores: Path | None, truth: Path | None
) -> Annotations:
    from vif_perception.labels import MFNET
    from vif_perception.training.entities.annotate import annotate_captions
    from vif_perception.training.entities.annotations import read_scores
    from vif_perception.training.entities.extraction import ROAD_SCENES, simplemma_lemmatizer
    from vif_perception.training.entities.from_labels import as_truth

    return annotate_captions(
        captions, ROAD_SCENES, simplemma_lemmatizer(), votes=votes,
        scores=None if scores is None else read_scores(scores),
        truth=None if truth is None else as_truth(_from_masks(truth), MFNET.names[1:]),
    )


def _from_masks(folder: Path) -> Annotations:
    from vif_perception.labels import MFNET
    from vif_perception.training.datasets.images import read_mask
    from vif_perception.training.entities.from_labels import annotate_labels, entities_in_mask

    found: dict[str, list[str]] = {}
    if not any(folder.glob('*.png')):
        raise InputError('holds no masks', where=str(folder), accepted='PNG images of class ids')
    for path in sorted(folder.glob('*.png')):
        try:
            path.stem.encode()
            found[path.stem] = entities_in_mask(read_mask(path), MFNET.names)
        except UnicodeEncodeError:
            raise InputError('has a name that is not UTF-8', where=str(path)) from None
        except InputError as error:
            raise error.at(str(path)) from None
    return annotate_labels(found, {})
