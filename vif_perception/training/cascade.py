"""SeAFusion's protocol for a cascade: fusion and segmentation networks take turns, in rounds.

In round n the fusion network learns from its own loss plus n times the loss of the frozen
segmenter, then the segmenter learns on what the frozen fusion network now makes.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from vif_perception.errors import InputError
from vif_perception.models.multitaskvif import MultiTaskVIF

Turn = Literal['fusion', 'segmentation']


def take_turn(network: MultiTaskVIF, turn: Turn) -> None:
    """Let one part of a cascade learn and freeze the other, its running statistics included.

    Raises:
        InputError: the network is not a cascade, or there is no such turn.
    """
    segmenter = network.segmenter
    if segmenter is None:
        raise InputError(
            f'turns with head {network.config.head!r}', where='multitaskvif',
            accepted='head cascade', remedy='train the other heads in one stage',
        )
    if turn not in ('fusion', 'segmentation'):
        raise InputError(f'unknown turn {turn!r}', where='multitaskvif',
                         accepted='fusion, segmentation')
    network.requires_grad_(turn == 'fusion').train(turn == 'fusion')
    segmenter.requires_grad_(turn == 'segmentation').train(turn == 'segmentation')


def cascade_loss(losses: Tensor, turn: Turn, round_number: int) -> Tensor:
    """Loss of a turn from (fusion loss, segmentation loss); rounds count from 0."""
    fusion, segmentation = losses
    return segmentation if turn == 'segmentation' else fusion + round_number * segmentation
