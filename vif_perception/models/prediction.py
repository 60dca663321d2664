"""The one output contract of every network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Prediction:
    """What every network of the registry returns for N images of HxW.

    Attributes:
        fused_y: N x 1 x H x W, luma of the fused image, 0..1.
        logits: N x classes x h x w before softmax, with h, w a whole part of H, W.
        entity_logits: N x entities, before sigmoid; N x 0 without an entity head.
        auxiliaries: further outputs that only training reads, by name.
    """

    fused_y: Tensor
    logits: Tensor
    entity_logits: Tensor
    auxiliaries: Mapping[str, Tensor] = field(default_factory=dict)
