"""The one output contract of every network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vif_perception.errors import InputError


@dataclass(frozen=True)
class Prediction:
    """What every network of the registry returns for N images of HxW.

    Attributes:
        fused_y: N x 1 x H x W, luma of the fused image, 0..1.
        logits: N x classes x h x w before softmax, with h, w a whole part of H, W.
        entity_logits: N x entities, before sigmoid; N x 0 where none are asked for.
        auxiliaries: further outputs that only training reads, by name.
    """

    fused_y: Tensor
    logits: Tensor
    entity_logits: Tensor
    auxiliaries: Mapping[str, Tensor] = field(default_factory=dict)


def entity_evidence(logits: Tensor, entities: int) -> Tensor:
    """Log-odds (N, entities) that class k + 1 is somewhere in the image: its surest pixel's."""
    chance = logits.float().softmax(1)[:, 1 : entities + 1].amax((2, 3)).clamp(1e-6, 1 - 1e-6)
    return torch.log(chance) - torch.log1p(-chance)


def check_head(entities: int) -> None:
    """Refuse an entity head without entities.

    Raises:
        InputError: there is none.
    """
    if entities < 1:
        raise InputError(f'{entities} entities for an entity head', accepted='1 or more')


def check_evidence(classes: int, entities: int) -> None:
    """Refuse more entities than :func:`entity_evidence` can read off the mask.

    Raises:
        InputError: more entities than classes without background.
    """
    if not 0 <= entities < classes:
        raise InputError(
            f'{entities} entities cannot be read off {classes} classes',
            accepted=f'0 to {classes - 1}: entity k is class k + 1',
        )
