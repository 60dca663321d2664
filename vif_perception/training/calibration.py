"""Temperatures of the mask's softmax, set on val (Guo et al., ICML 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from vif_perception.metrics.segmentation import SegmentationScore
from vif_perception.models.inputs import MODES
from vif_perception.training.data import Triple
from vif_perception.training.score import answers
from vif_perception.training.validation import modes_of
from vif_perception.types import LabelSet

TRIED = np.arange(0.5, 3.01, 0.125).tolist()


def calibrate(network: nn.Module, triples: Sequence[Triple], labels: LabelSet) -> dict[str, float]:
    """Return the temperature of each mode: the one of 0.5..3 whose calibration error is least.

    A network is surer than it should be of what it was trained on most, so that the modes differ.
    One that looks at one picture has one temperature.

    Args:
        network: in eval mode; triples: not trained on; labels: of the masks.
    """
    found = {mode: _best(network, triples, mode, labels) for mode in modes_of(network)}
    return {mode: found.get(mode, found['FUSED']) for mode in MODES}


def _best(network: nn.Module, triples: Sequence[Triple], mode: str, labels: LabelSet) -> float:
    scores = [SegmentationScore(labels) for _ in TRIED]
    for triple, logits in answers(network, triples, mode):
        top, mask = logits.max(0)
        ids, below = mask.to(torch.uint8).cpu().numpy(), logits - top
        for temperature, score in zip(TRIED, scores, strict=True):
            chance = (below / temperature).exp_().sum(0).reciprocal_()
            confidence = (chance * 255).round_().to(torch.uint8).cpu().numpy()
            score.update(ids, triple.mask, confidence)
    return TRIED[int(np.argmin([score.compute()['ece'] for score in scores]))]
