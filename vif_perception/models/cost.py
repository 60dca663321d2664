"""Parameters and multiply-accumulates of a network, counted without computing."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

#: Width and height that costs are stated for.
SIZE = (640, 480)


@dataclass(frozen=True)
class Cost:
    """Parameters, and multiply-accumulates of convolutions and products for one pair."""

    parameters: int
    macs: int


def cost(model: nn.Module, size: tuple[int, int] = SIZE) -> Cost:
    """Count parameters and multiply-accumulates at ``size`` (width, height), without computing."""
    ghost = copy.deepcopy(model).to('meta').eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        ghost(*ghost_pair(size))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Cost(parameters, counter.get_total_flops() // 2)


def ghost_pair(size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Inputs of a network for one pair of ``size`` (width, height), shapes without values."""
    width, height = size
    rgb, plane = (torch.zeros(1, c, height, width, device='meta') for c in (3, 1))
    return rgb, plane, plane, torch.ones(1, 2, device='meta')
