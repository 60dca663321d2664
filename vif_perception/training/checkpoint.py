"""Checkpoints that are whole or not there: written beside, flushed, then renamed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from vif_perception.errors import InputError
from vif_perception.files import write_whole

LAST = 'last.pt'
KEYS = {'step', 'best', 'learner', 'average', 'optimizer'}


def write_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Replace ``last.pt``; on failure the old one stays as it was.

    Raises:
        InputError: the disk is full or cannot be written.
    """
    content = io.BytesIO()
    torch.save(state, content)
    write_whole(folder / LAST, content.getbuffer())


def read_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Read ``last.pt``; None where there is none.

    Raises:
        InputError: it is not a checkpoint.
    """
    path = folder / LAST
    if not path.is_file():
        return None
    try:
        found = torch.load(path, weights_only=True, map_location='cpu')
        if not (isinstance(found, dict) and found.keys() >= KEYS):
            raise ValueError('no checkpoint of a run')
        return found
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise InputError(
            f'is damaged ({type(error).__name__})', where=str(path),
            remedy='copy it again, or train with another --out; best weights beside it are whole',
        ) from None
