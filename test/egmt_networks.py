"""A small EGMT whose entities have a say, and what to show it."""

import torch

from vif_perception.models.egmt import EGMT
from vif_perception.models.registry import build

ENTITIES = 3
SIZE = (24, 40)
BOTH = torch.ones(2, 2)


def tiny() -> EGMT:
    """Return a fresh network whose entities have a say: at the start their gate is shut."""
    network = build('egmt', 'tiny', classes=5, entities=ENTITIES).eval()
    with torch.no_grad():
        for ecim in (network.ecim4, network.ecim8):
            ecim.gate.fill_(0.8)
        for missing in (network.missing_vi, network.missing_ir):
            for vector in missing.vectors:
                vector.normal_()
    return network


def inputs(count: int = 2, size: tuple[int, int] = SIZE) -> tuple[torch.Tensor, ...]:
    rgb, heat = torch.rand(count, 3, *size), torch.rand(count, 1, *size)
    return rgb, rgb.mean(1, keepdim=True), heat


def results(network, *args, **kwargs):
    with torch.no_grad():
        out = network(*args, **kwargs)
    return out.fused_y, out.logits, out.entity_logits


def assert_same(one, other, **tolerance) -> None:
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, **tolerance)
