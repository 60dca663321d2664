"""Files that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

from vif_perception.errors import InputError


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file that other processes, and a later run, see whole or not at all.

    Raises:
        InputError: the disk is full or cannot be written; what was there is kept.
    """
    beside = path.with_name(path.name + '.tmp')
    try:
        with beside.open('wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        if os.path.lexists(beside):
            beside.unlink()
        raise InputError(
            f'cannot be written ({error.strerror})', where=str(path),
            remedy='make room on the disk or choose another place; what was there is kept',
        ) from None
