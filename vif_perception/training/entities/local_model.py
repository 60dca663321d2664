"""Models of the package transformers from a local folder; nothing is ever downloaded.

The package belongs to the model that a user brings, so this one does not require it.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from vif_perception.errors import InputError


def load_local(folder: Path, reader: str, model: str) -> tuple[Any, Any]:
    """Load a tokenizer or processor, and a model in eval mode.

    Args:
        folder: where the model lies; reader, model: names of classes of transformers.

    Raises:
        InputError: no such folder, transformers is not installed, or the folder holds another
            kind of model.
    """
    if not folder.is_dir():
        raise InputError(
            'is no folder', where=str(folder), accepted='a folder with a downloaded model'
        )
    transformers = transformers_package()
    try:
        parts = [
            getattr(transformers, name).from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
            for name in (reader, model)
        ]
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f'cannot be loaded as {model} ({error})', where=str(folder)) from None
    return parts[0], parts[1].eval()


def transformers_package() -> ModuleType:
    """Return the package transformers.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module('transformers')
    except ImportError:
        raise InputError(
            'loading a model needs the package transformers',
            remedy='pip install transformers, or bring the file the model would write',
        ) from None
