"""SeAFusion's protocol for a cascade: fusion and segmentation networks take turns, in rounds.

In round n the fusion network learns from its own loss plus n times the loss of the frozen
segmenter, then the segmenter learns on what the frozen fusion network now makes.
"""

from __future__ import annotations

from typing import Literal

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
            f'turns with way {network.config.way!r}', where='multitaskvif',
            accepted='way cascade', remedy='train the other ways in one stage',
        )
    if turn not in ('fusion', 'segmentation'):
        raise InputError(f'unknown turn {turn!r}', where='multitaskvif',
                         accepted='fusion, segmentation')
    network.requires_grad_(turn == 'fusion').train(turn == 'fusion')
    segmenter.requires_grad_(turn == 'segmentation').train(turn == 'segmentation')


def cascade_weights(turn: Turn, round_number: int) -> tuple[float, float]:
    """Weights of fusion and segmentation loss in a turn; rounds count from 0."""
    return (0.0, 1.0) if turn == 'segmentation' else (1.0, float(round_number))
