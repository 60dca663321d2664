"""Text embeddings of a vocabulary, K x 512 float32, unit length: ``text_emb.npy``."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vif_perception.errors import InputError
from vif_perception.files import write_whole
from vif_perception.training.entities.local_model import load_local
from vif_perception.training.entities.vocabulary import Vocabulary

#: Length of a CLIP ViT-B/32 text embedding.
WIDTH = 512
#: The embedding of an entity is the mean over these sentences.
TEMPLATES = (
    'a photo of a {}.', 'a photo of the {}.', 'a street scene with a {}.',
    'a thermal image of a {}.', 'a blurry photo of a {}.', 'a dark photo of a {}.',
    'a {} in the distance.',
)


def hashed_embeddings(names: Sequence[str]) -> np.ndarray:
    """Random directions that depend on the name alone: the same word, the same row, anywhere."""
    rows = np.empty((len(names), WIDTH))
    for row, name in zip(rows, names, strict=True):
        digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
        row[:] = np.random.default_rng(int.from_bytes(digest, 'big')).standard_normal(WIDTH)
    return _unit(rows)


def clip_embeddings(
    folder: Path, names: Sequence[str], templates: Sequence[str] = TEMPLATES
) -> np.ndarray:
    """Mean over ``templates`` of the text embeddings of a CLIP model in a local folder.

    Whole sentences are embedded as they are, with the one template ``{}``; what is longer than
    the model reads is cut.

    Raises:
        InputError: no such folder, transformers is not installed, or another width than 512.
    """
    tokenizer, model = load_local(folder, 'AutoTokenizer', 'CLIPTextModelWithProjection')
    rows = []
    for name in names:
        words = tokenizer(
            [template.format(name) for template in templates], padding=True, truncation=True,
            return_tensors='pt',
        )
        rows.append(_unit(model(**words).text_embeds.detach().numpy()).mean(0))
    table = np.stack(rows)
    if table.shape[1] != WIDTH:
        raise InputError(f'embeds texts in {table.shape[1]}', where=str(folder),
                         accepted=f'{WIDTH}, as CLIP ViT-B/32')
    return _unit(table)


def write_embeddings(path: Path, table: np.ndarray) -> None:
    """Write ``text_emb.npy``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    np.save(content, table.astype(np.float32))
    write_whole(path, content.getbuffer())


def read_embeddings(path: Path, vocabulary: Vocabulary) -> np.ndarray:
    """Read ``text_emb.npy`` of a vocabulary.

    Raises:
        InputError: not such a file, another shape than the vocabulary needs, not finite, or a
            row without length.
    """
    try:
        table = np.load(path)
    except Exception as error:  # damaged files make numpy raise nearly anything
        raise InputError(f'cannot be read ({error})', where=str(path)) from None
    wanted = (len(vocabulary), WIDTH)
    if not isinstance(table, np.ndarray) or table.shape != wanted or table.dtype.kind != 'f':
        raise InputError(
            f'is {getattr(table, "dtype", type(table).__name__)} of shape '
            f'{getattr(table, "shape", "")}', where=str(path),
            accepted=f'float of shape {wanted}, one row for each name of vocab.json',
        )
    lengths = np.linalg.norm(table.astype(np.float64), axis=1)
    if not ((lengths > 1e-6) & (lengths < 1e6)).all():
        raise InputError('has a row that is zero or not finite', where=str(path),
                         accepted='rows of a length of 1e-6 to 1e6')
    return _unit(table)


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
