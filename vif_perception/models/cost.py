"""Parameters and multiply-accumulates of a network."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Cost:
    """Parameters, and multiply-accumulates of convolutions and products for one pair."""

    parameters: int
    macs: int


def cost(model: nn.Module, size: tuple[int, int] = (640, 480)) -> Cost:
    """Count parameters and multiply-accumulates at ``size`` (width, height), without computing."""
    width, height = size
    ghost = copy.deepcopy(model).to('meta').eval()
    rgb, plane = (torch.zeros(1, c, height, width, device='meta') for c in (3, 1))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        ghost(rgb, plane, plane, torch.ones(1, 2, device='meta'))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Cost(parameters, counter.get_total_flops() // 2)
