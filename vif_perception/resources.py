"""Where the files that travel with the package are: messages, presets, weights.

Installed by pip or colcon they lie inside the package. Run from the source tree (also by an
editable install) ``msg/`` and ``config/`` lie beside it, where ROS users look for them.
"""

from __future__ import annotations

import re
from pathlib import Path

from vif_perception.errors import InputError

_PACKAGE = Path(__file__).parent
_INSTALLED_AS = {'msg': 'definitions', 'config': 'presets'}


def message_definition(name: str) -> str:
    """Return the text of one of our message definitions, as rosbags and DDS need it.

    Args:
        name: message name without package, such as ``FusionStatus``.

    Raises:
        InputError: there is no such message.
    """
    return _find(_folder('msg'), name, '.msg').read_text(encoding='utf-8')


def preset(name: str = 'default') -> Path:
    """Return the path of a packaged configuration, such as ``default`` or ``train/rt_s``.

    Raises:
        InputError: there is no such preset.
    """
    return _find(_folder('config'), name, '.yaml')


def recipe_file(name: str) -> Path:
    """Return the path of a packaged recipe of training, such as ``rt_s``.

    Raises:
        InputError: there is no such recipe.
    """
    return _find(_folder('config') / 'train', name, '.yaml',
                 remedy='name one of these recipes, or a .yaml file of your own')


def study_file(name: str) -> Path:
    """Return the path of a packaged study, such as ``comparison``.

    Raises:
        InputError: there is no such study.
    """
    return _find(_folder('config') / 'studies', name, '.yaml',
                 remedy='name one of these studies, or a .yaml file of your own')


def packaged_recipes() -> list[str]:
    """Names of all packaged recipes, such as ``rt_s``."""
    return _names(_folder('config') / 'train', '.yaml')


def weights_file(name: str) -> Path:
    """Return the path of a packaged ``.safetensors`` file; its JSON card lies beside it.

    Args:
        name: file name without extension.

    Raises:
        InputError: there are no such weights.
    """
    return _find(
        _PACKAGE / 'weights', name, '.safetensors',
        remedy='choose one of these by model.name and model.preset, or give a trained file of '
        'your own as model.weights',
    )


def packaged_weights() -> list[str]:
    """Names of all packaged weights, such as ``rt-s``."""
    return _names(_PACKAGE / 'weights', '.safetensors')


def _folder(source: str) -> Path:
    installed = _PACKAGE / _INSTALLED_AS[source]
    checkout = _PACKAGE.parent
    if not installed.is_dir() and (checkout / 'package.xml').is_file():
        return checkout / source
    return installed


def _find(folder: Path, name: str, suffix: str, remedy: str = '') -> Path:
    path = folder / f'{name}{suffix}'
    if re.fullmatch(r'\w[\w.-]*(/\w[\w.-]*)*', name) and path.is_file():
        return path
    raise InputError(
        f'{name!r} is not among the packaged {suffix} files', where=folder.name,
        accepted=', '.join(_names(folder, suffix)) or 'none: the installation is incomplete',
        remedy=remedy,
    )


def _names(folder: Path, suffix: str) -> list[str]:
    return sorted(
        file.relative_to(folder).as_posix().removesuffix(suffix)
        for file in folder.rglob(f'*{suffix}')
    )
