"""Self-supervised stage: cells of both cameras are hidden, never the same, and asked back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.errors import InputError
from vif_perception.models.mafs import MAFS
from vif_perception.models.mafs.pretext import (
    VISIBLE,
    MaskedPair,
    masked_pair,
    reconstruction_loss,
    region_mean,
)
from vif_perception.models.rt import RT, FusionHead
from vif_perception.training.objective import Objective, Shown


class MAFSPretext(Objective[MAFS]):
    """Stage I of MAFS: the fused luma answers for both cameras."""

    TERMS: ClassVar[Mapping[str, float]] = {'reconstruction': 1.0}
    selects: Literal['miou', 'loss'] = 'loss'

    def __call__(self, shown: Shown, progress: float) -> dict[str, Tensor]:
        """Hide, reconstruct, compare."""
        pair = masked_pair(shown.rgb, shown.thermal)
        output = self.network.reconstruct(pair.rgb, pair.thermal)
        with torch.autocast(shown.rgb.device.type, enabled=False):
            loss = reconstruction_loss(output.float(), pair, shown.y, shown.thermal)
        return {'reconstruction': loss}


class RTPretext(Objective[RT]):
    """Masked reconstruction for ``rt``: luma and thermal, from the features of its decoder.

    The fused image of ``rt`` is a blend of its inputs and cannot show what is hidden, so a
    convolution to the 4x4 pixels of each cell reads the features; it is thrown away later.
    """

    TERMS: ClassVar[Mapping[str, float]] = {'reconstruction': 1.0}
    selects: Literal['miou', 'loss'] = 'loss'
    extra: nn.Module

    def __init__(self, network: RT, weights: Mapping[str, float] | None = None):
        super().__init__(network, weights)
        self.extra = nn.Conv2d(network.config.decoder[2], 2 * FusionHead.cell**2, 1)

    def __call__(self, shown: Shown, progress: float) -> dict[str, Tensor]:
        """Hide, reconstruct, compare."""
        pair = masked_pair(shown.rgb, shown.thermal)
        _, features = self.network.features(pair.rgb, pair.thermal, shown.present)
        output = F.pixel_shuffle(self.extra(features), FusionHead.cell)
        with torch.autocast(shown.rgb.device.type, enabled=False):
            loss = two_way_loss(output.float(), pair, shown.y, shown.thermal)
        return {'reconstruction': loss}


def two_way_loss(output: Tensor, pair: MaskedPair, y: Tensor, thermal: Tensor) -> Tensor:
    """L1 where the camera was hidden, and a tenth of it where it was seen.

    Args:
        output: N x 2 x H x W: luma, thermal; y, thermal: N x 1 x H x W before hiding, 0..1.
    """
    loss = output.new_zeros(())
    for found, target, seen in zip(
        output.split(1, 1), (y, thermal), (pair.seen_rgb, pair.seen_thermal), strict=True
    ):
        error = (found - target).abs()
        loss = loss + region_mean(error, 1 - seen) + VISIBLE * region_mean(error, seen)
    return loss


def pretext_for(
    network: nn.Module, weights: Mapping[str, float] | None = None
) -> Objective[Any]:
    """The pretext of a network.

    Raises:
        InputError: a family without one.
    """
    if isinstance(network, MAFS):
        return MAFSPretext(network, weights)
    if isinstance(network, RT) and network.config.inputs == 'both':
        return RTPretext(network, weights)
    raise InputError(
        f'{type(network).__name__} has no pre-training', where='objective.stage',
        accepted='rt, mafs', remedy='train it supervised from the start',
    )
