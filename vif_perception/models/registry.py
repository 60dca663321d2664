"""Networks by name and preset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vif_perception.errors import InputError
from vif_perception.models.rt import RT, RTConfig


@dataclass(frozen=True)
class Preset:
    """One buildable network: ``build(classes, entities)`` returns it with fresh weights."""

    build: Callable[[int, int], nn.Module]
    summary: str


def _rt(**sizes: object) -> Callable[[int, int], nn.Module]:
    return lambda classes, entities: RT(
        replace(RTConfig(**sizes), classes=classes, entities=entities)  # type: ignore[arg-type]
    )


_WIDE_STREAM = {'stem': (24, 48, 80), 'rgb_blocks': (1, 1), 'thermal_blocks': (1, 1)}

NETWORKS: dict[tuple[str, str], Preset] = {
    ('rt', 'n'): Preset(
        _rt(stem=(16, 16, 48), trunk=(96, 128), trunk_blocks=(1, 1), decoder=(64, 48, 32)),
        'thermal and RGB, nano',
    ),
    ('rt', 's'): Preset(_rt(), 'thermal and RGB, the default'),
    ('rt', 'm'): Preset(
        _rt(stem=(24, 48, 96), rgb_blocks=(1, 2), thermal_blocks=(1, 2), trunk=(160, 256),
            trunk_blocks=(3, 2), decoder=(128, 96, 48)),
        'thermal and RGB, medium',
    ),
    ('rt_early', 's'): Preset(
        _rt(inputs='early', **_WIDE_STREAM), 'comparison: early fusion of four channels'
    ),
    ('rt_rgb', 's'): Preset(_rt(inputs='rgb', **_WIDE_STREAM), 'comparison: RGB only'),
    ('rt_thermal', 's'): Preset(
        _rt(inputs='thermal', **_WIDE_STREAM), 'comparison: thermal only'
    ),
}


@dataclass(frozen=True)
class Cost:
    """Size of a network: parameters, and multiply-accumulates for one pair at 640x480."""

    parameters: int
    macs: int


def build(name: str, preset: str, *, classes: int = 9, entities: int = 8) -> nn.Module:
    """Build a network with fresh weights.

    Raises:
        InputError: unknown name or preset.
    """
    if (name, preset) not in NETWORKS:
        known = ', '.join(f'{network} {size}' for network, size in NETWORKS)
        raise InputError(
            f'unknown network {name!r} preset {preset!r}', where='model.name, model.preset',
            accepted=known,
        )
    return NETWORKS[name, preset].build(classes, entities)


def cost(model: nn.Module, size: tuple[int, int] = (640, 480)) -> Cost:
    """Count parameters and multiply-accumulates of everything at ``size`` (width, height)."""
    width, height = size
    rgb, plane = torch.zeros(1, 3, height, width), torch.zeros(1, 1, height, width)
    training = model.training
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(rgb, plane, plane, torch.ones(1, 2))
    model.train(training)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Cost(parameters, counter.get_total_flops() // 2)
