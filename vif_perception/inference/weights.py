"""Weights files: safetensors beside a JSON card that says what they are.

The card ``NAME.json`` beside ``NAME.safetensors`` holds the architecture with every option,
classes, colours, training data, protocol, metrics and the sha256 of the weights file. Nothing is
downloaded, no pickle is ever opened.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, isfinite, nn

from vif_perception.errors import InputError
from vif_perception.files import write_whole
from vif_perception.labels import MFNET
from vif_perception.models.inputs import MODES
from vif_perception.models.registry import build, options_of
from vif_perception.types import LabelSet


class Card(BaseModel):
    """What a weights file is: the JSON beside it.

    ``training``, ``protocol`` and ``metrics`` are for people; the rest is checked on loading.
    ``temperature`` of the mask's softmax is one number, or one for each mode.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    version: int = Field(1, ge=1, le=1, alias='schema')
    name: str
    network: str
    preset: str
    options: dict[str, Any] = {}
    classes: tuple[str, ...] = Field(min_length=2, max_length=255)
    colors: tuple[tuple[int, int, int], ...]
    entities: tuple[str, ...]
    temperature: dict[str, float] = dict.fromkeys(MODES, 1.0)
    sha256: str = Field(pattern='^[0-9a-f]{64}$')
    training: dict[str, Any] = {}
    protocol: str = ''
    metrics: dict[str, Any] = {}

    @field_validator('temperature', mode='before')
    @classmethod
    def _of_every_mode(cls, value: Any) -> Any:
        found = value if isinstance(value, dict) else dict.fromkeys(MODES, value)
        if found.keys() != MODES.keys() or not all(
            type(one) in (int, float) and 0.01 <= one <= 100 for one in found.values()
        ):
            raise ValueError(f'is {value!r}; accepted: a number 0.01 to 100, or one for each of '
                             f'{", ".join(MODES)}')
        return found

    @property
    def labels(self) -> LabelSet:
        """Classes and colours as the rooms use them."""
        return LabelSet(self.classes, self.colors)


def load_network(path: Path) -> tuple[nn.Module, Card]:
    """Build the network a weights file is for and load it, in eval mode.

    Raises:
        InputError: missing file or card, pickle, wrong hash, keys, shapes, class count or number
            type, unknown network or option, values that are not finite.
    """
    tensors, card = read_weights(path)
    network = build_from(card, str(path.with_suffix('.json')))
    _check_fit(tensors, network.state_dict(), card, str(path))
    _check_types(tensors, network.state_dict(), str(path))
    network.load_state_dict(tensors)
    return network.eval(), card


def read_weights(path: Path) -> tuple[dict[str, Tensor], Card]:
    """Read tensors and card, whatever network they are for.

    Raises:
        InputError: file or card is missing or damaged, the hash differs, values are not finite.
    """
    if not path.name:
        raise InputError('is no file', where=str(path), accepted='a .safetensors file')
    if os.path.isdir(path):
        raise InputError('is a folder', where=str(path), accepted='a .safetensors file',
                         remedy='that of a run holds best-STEP.safetensors')
    try:
        card = read_card(path.with_suffix('.json'))
    except InputError:
        if os.path.isfile(path):  # unlike Path.is_file also for names that no file can have
            _tensors(_read(path), str(path))  # what is no weights file needs no card
        raise
    content = _read(path)
    found = hashlib.sha256(content).hexdigest()
    if found != card.sha256:
        raise InputError(
            f'sha256 is {found}', where=str(path), accepted=f'{card.sha256} (the card)',
            remedy='copy weights and card again from the same release',
        )
    tensors = _tensors(content, str(path))
    for key, tensor in tensors.items():
        if tensor.dtype.itemsize > 1 and not isfinite(tensor).all():
            raise InputError(
                f'{key} holds values that are not finite', where=str(path),
                remedy='the training diverged: take an earlier checkpoint',
            )
    return tensors, card


def untrained(network: str, preset: str) -> tuple[nn.Module, Card]:
    """Fresh weights for the classes of MFNet, with a card that says so.

    Raises:
        InputError: there is no such network, or a package it needs is not installed.
    """
    made = build(network, preset, classes=len(MFNET), entities=len(MFNET) - 1).eval()
    return made, Card.model_validate({
        'schema': 1, 'name': 'untrained', 'network': network, 'preset': preset,
        'options': options_of(network, made), 'classes': MFNET.names, 'colors': MFNET.colors,
        'entities': MFNET.names[1:], 'sha256': '0' * 64, 'protocol': 'untrained',
    })


def build_from(card: Card, where: str) -> nn.Module:
    """Build the network of a card, with fresh weights.

    Raises:
        InputError: the card names no network or option of this package; ``where`` is the card.
    """
    try:
        return build(
            card.network, card.preset, classes=len(card.classes), entities=len(card.entities),
            options=card.options,
        )
    except InputError as error:
        said = f'{error.where}: {error.what}' if error.where else error.what
        raise InputError(
            said, where=where, accepted=error.accepted, remedy=error.remedy
        ) from None


def read_card(path: Path) -> Card:
    """Read and check a card.

    Raises:
        InputError: missing, not JSON, missing or unknown keys, colours that do not fit classes.
    """
    remedy = 'weights and card belong together: NAME.safetensors and NAME.json'
    try:
        card = Card.model_validate(json.loads(path.read_text(encoding='utf-8')))
    except OSError as error:
        raise InputError(f'cannot be read ({error})', where=str(path), remedy=remedy) from None
    except ValidationError as error:
        first = error.errors()[0]
        key = '.'.join(map(str, first['loc'])) or 'the document'
        raise InputError(
            f'is not a card: {key}: {first["msg"].removeprefix("Value error, ")}',
            where=str(path), remedy=remedy,
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f'is not a card: {error}', where=str(path), remedy=remedy) from None
    if len(card.colors) != len(card.classes):
        raise InputError(
            f'{len(card.colors)} colours for {len(card.classes)} classes', where=str(path)
        )
    return card


def save_network(network: nn.Module, path: Path, /, **card: Any) -> Card:
    """Write ``path`` (.safetensors) and its card.

    Args:
        card: the card's fields but ``sha256`` and ``options``, which are the network's own.
    """
    content = save({k: value.contiguous() for k, value in network.state_dict().items()})
    digest = hashlib.sha256(content).hexdigest()
    own = {'options': options_of(card['network'], network), 'sha256': digest}
    made = Card.model_validate({'schema': 1, **card, **own})
    text = json.dumps(made.model_dump(by_alias=True), indent=1)
    write_whole(path, content)
    write_whole(path.with_suffix('.json'), (text + '\n').encode())
    return made


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f'cannot be read ({error})', where=str(path)) from None
    # A safetensors header starts with its length, whose first byte may be any, then '{'.
    if content[8:9] != b'{' and content.startswith((b'PK', b'\x80')):
        raise InputError(
            'is a pickle, which can run code when opened', where=str(path),
            accepted='.safetensors', remedy='convert it with safetensors where you trust it',
        )
    return content


def _tensors(content: bytes, where: str) -> dict[str, Tensor]:
    try:
        return load(content)
    except (SafetensorError, KeyError, RuntimeError) as error:  # number types it cannot make
        raise InputError(
            f'is not safetensors ({error})', where=where,
            accepted='the .safetensors file that the training wrote', remedy='copy it again',
        ) from None


def _check_fit(
    tensors: dict[str, Tensor], wanted: dict[str, Tensor], card: Card, where: str
) -> None:
    missing, extra = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    shapes = [
        f'{key}: file {tuple(tensors[key].shape)}, network {tuple(wanted[key].shape)}'
        for key in sorted(wanted.keys() & tensors.keys())
        if tensors[key].shape != wanted[key].shape
    ]
    if not (missing or extra or shapes):
        return
    sides = [
        f'{title}: {", ".join(items[:4])}{" and more" if len(items) > 4 else ""}'
        for title, items in (
            ('only in the network', missing), ('only in the file', extra), ('shapes', shapes)
        )
        if items
    ]
    raise InputError(
        f'does not fit {card.network} {card.preset} with {len(card.classes)} classes '
        f'and {len(card.entities)} entities: {"; ".join(sides)}',
        where=where, remedy='use the card that was written with these weights',
    )


def _check_types(tensors: dict[str, Tensor], wanted: dict[str, Tensor], where: str) -> None:
    for key, tensor in tensors.items():
        if tensor.dtype != wanted[key].dtype:
            found, asked = (str(x.dtype).removeprefix('torch.') for x in (tensor, wanted[key]))
            raise InputError(
                f'{key} is {found}', where=where, accepted=asked,
                remedy='convert it where it was made; inference.precision sets what runs',
            )
