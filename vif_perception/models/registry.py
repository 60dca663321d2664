"""Every network by ``model.name``, ``model.preset`` and ``model.options``: the one way to build.

A family is one architecture. Its presets name the one thing that sets the size (rt: the size,
mafs: the backbone, multitaskvif: the host); its options are the switches that remain.

A network is an ``nn.Module`` with an attribute ``stride`` (input height and width must be
multiples of it), its settings as ``config``, and ``forward(rgb, y, thermal, present) ->
Prediction``: rgb N x 3 x H x W and y, thermal N x 1 x H x W, all 0..1; present N x 2 flags
(rgb, thermal).
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from torch import nn

from vif_perception.errors import InputError

#: Modules of this package that register families when they are imported.
MODULES = ('rt', 'mafs', 'egmt', 'multitaskvif')


@dataclass(frozen=True)
class Preset:
    """One size of a family.

    Attributes:
        summary: what it is, at most 15 characters.
        parameters, macs: in millions and thousand millions for 640x480, 9 classes, 8 entities.
            Stated, so that a list needs no counting and no optional package; a test counts.
        settings: fields of the family's configuration that it sets.
        needs: package beyond torch that building takes; without it ``build`` raises InputError.
    """

    summary: str
    parameters: float
    macs: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: str = ''


@dataclass(frozen=True)
class Family:
    """One architecture.

    Attributes:
        title: what it is; source: the paper, or ``ours``; ours: what in it is not published.
        outputs: what it predicts.
        config: dataclass with ``classes``, ``entities`` and the settings.
        network: builds it from the configuration, with fresh weights.
        presets: by name; preset_is: what the name of a preset says, such as ``host``.
        options: fields of the configuration that ``model.options`` may set.
        onnx: empty, or why it cannot be written as ONNX.
    """

    title: str
    source: str
    ours: str
    outputs: str
    config: type
    network: Callable[[Any], nn.Module]
    presets: Mapping[str, Preset]
    preset_is: str = 'size'
    options: tuple[str, ...] = ()
    onnx: str = ''

    @property
    def default(self) -> str:
        """The preset that is meant when none is named: ``s``, else the first."""
        return 's' if 's' in self.presets else next(iter(self.presets))

    def accepted(self) -> dict[str, str]:
        """What every option takes, in words."""
        kinds = get_type_hints(self.config)
        return {option: _words(kinds[option]) for option in self.options}


_FAMILIES: dict[str, Family] = {}


def register(name: str, family: Family) -> None:
    """Add a family.

    Raises:
        KeyError: the name is taken.
    """
    if name in _FAMILIES:
        raise KeyError(f'{name} is registered twice')
    _FAMILIES[name] = family


def families() -> Mapping[str, Family]:
    """All families by name."""
    for module in MODULES:
        importlib.import_module(f'vif_perception.models.{module}')
    return dict(sorted(_FAMILIES.items(), key=_place))


def _place(item: tuple[str, Family]) -> int:
    """Order of the modules, whichever was imported first."""
    return MODULES.index(item[1].config.__module__.split('.')[2])


def find(name: str, preset: str | None) -> Family:
    """Return a family that has ``preset``; None: that may have any.

    Raises:
        InputError: there is no such family, or it has no such preset.
    """
    known = families()
    if name not in known:
        raise InputError(
            f'unknown network {name!r}', where='model.name', accepted=', '.join(known)
        )
    family = known[name]
    if preset is not None and preset not in family.presets:
        raise InputError(
            f'{name} has no preset {preset!r}', where='model.preset',
            accepted=f'{", ".join(family.presets)} (the {family.preset_is})',
            remedy='model.preset goes with model.name: set it too, such as '
            f'model.preset={family.default}',
        )
    return family


def build(
    name: str, preset: str, *, classes: int = 9, entities: int = 8,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> nn.Module:
    """Build a network with fresh weights.

    Args:
        name, preset, options: ``model.name``, ``model.preset``, ``model.options``; an option
            that is not given keeps the preset's value.
        classes: ids in the mask, 2 to 255 (255 is what is not labelled); entities: scores beside
            it, up to 4096.

    Raises:
        InputError: unknown name, preset or option, a value that the network cannot have, or a
            package it needs is not installed.
    """
    family = find(name, preset)
    for what, count, least, most in (
        ('classes', classes, 2, 255), ('entities', entities, 0, 4096),
    ):
        if type(count) is not int or not least <= count <= most:
            raise InputError(
                f'{count!r} {what}', where=name, accepted=f'a whole number of {least} to {most}'
            )
    settings = {**family.presets[preset].settings, **_checked(name, family, options)}
    return family.network(family.config(classes=classes, entities=entities, **settings))


def options_of(name: str, network: nn.Module) -> dict[str, Any]:
    """All options of a built network with their values, also those left at the preset's."""
    settings = dataclasses.asdict(network.config)  # type: ignore[call-overload]  # a dataclass in every family
    return {option: settings[option] for option in families()[name].options}


def _checked(name: str, family: Family, options: Mapping[str, Any]) -> dict[str, Any]:
    kinds = get_type_hints(family.config)
    taken = {}
    for option, value in options.items():
        if option not in family.options:
            named = option == family.preset_is
            raise InputError(
                f'{name} has no option {option!r}', where='model.options',
                accepted=', '.join(family.options) or 'none',
                remedy=f'the {option} is named by model.preset' if named else '',
            )
        value = tuple(value) if isinstance(value, list) else value
        if not _fits(value, kinds[option]):
            raise InputError(
                f'is {value!r}', where=f'model.options.{option}', accepted=_words(kinds[option])
            )
        taken[option] = value
    return taken


def _fits(value: Any, kind: Any) -> bool:
    parts = get_args(kind)
    if get_origin(kind) is Literal:
        return value in parts
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and len(value) == len(parts) and all(
            map(_fits, value, parts)
        )
    return type(value) is kind and (kind is not int or 1 <= value <= 4096)


def _words(kind: Any) -> str:
    parts = get_args(kind)
    if get_origin(kind) is Literal:
        return ', '.join(map(str, parts))
    if get_origin(kind) is tuple:
        return f'{len(parts)} whole numbers of 1 to 4096'
    return {bool: 'true, false', int: 'a whole number of 1 to 4096'}[kind]
