"""Networks by name and preset.

A network is an ``nn.Module`` with an attribute ``stride`` (input height and width must be
multiples of it) and ``forward(rgb, y, thermal, present) -> Prediction``:
rgb N x 3 x H x W and y, thermal N x 1 x H x W, all 0..1; present N x 2 flags (rgb, thermal).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from vif_perception.errors import InputError

#: Modules of this package that register networks when they are imported.
FAMILIES = ('rt', 'mafs', 'egmt', 'multitaskvif')

Builder = Callable[[int, int], nn.Module]


@dataclass(frozen=True)
class Entry:
    """One buildable network.

    Attributes:
        build: (classes, entities) -> network with fresh weights.
        summary: what it is, one line; source: the paper, or ``ours``.
        needs: package beyond torch that building takes; without it ``build`` raises InputError.
    """

    build: Builder
    summary: str
    source: str
    needs: str = ''


_ENTRIES: dict[tuple[str, str], Entry] = {}


def register(
    name: str, preset: str, *, summary: str, source: str, needs: str = '',
) -> Callable[[Builder], Builder]:
    """Decorate a builder ``(classes, entities) -> nn.Module``; a second one of a name is an error.

    Raises:
        KeyError: the name and preset are taken.
    """
    def keep(build: Builder) -> Builder:
        if (name, preset) in _ENTRIES:
            raise KeyError(f'{name} {preset} is registered twice')
        _ENTRIES[name, preset] = Entry(build, summary, source, needs)
        return build

    return keep


def networks() -> Mapping[tuple[str, str], Entry]:
    """All networks, keyed by (name, preset)."""
    for family in FAMILIES:
        importlib.import_module(f'vif_perception.models.{family}')
    return _ENTRIES


def build(name: str, preset: str, *, classes: int = 9, entities: int = 8) -> nn.Module:
    """Build a network with fresh weights.

    Raises:
        InputError: unknown name or preset, or a package it needs is not installed.
    """
    known = networks()
    if (name, preset) not in known:
        raise InputError(
            f'unknown network {name!r} preset {preset!r}', where='model.name, model.preset',
            accepted=', '.join(f'{network} {size}' for network, size in known),
        )
    return known[name, preset].build(classes, entities)
