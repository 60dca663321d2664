"""Fusion metrics of the deployed 8-bit output, beside copies of the sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from vif_perception.errors import InputError
from vif_perception.inference.engine import EngineOutput
from vif_perception.metrics.fusion import FusionScorer, baselines, luma
from vif_perception.training.evaluation.frames import EvaluationFrame

#: Method -> metric -> mean over the frames, of each seed.
FusionScores = dict[str, dict[str, list[float]]]


class FusionRows:
    """Mean scores over one data set, each image at its own size, nothing stretched.

    Args:
        device: that the metrics are computed on.
    """

    def __init__(self, device: torch.device):
        self._device = device
        self._sums: dict[str, list[dict[str, float]]] = {}
        self._frames = 0

    def add(self, frame: EvaluationFrame, outputs: Mapping[str, Sequence[EngineOutput]]) -> None:
        """Score one output per seed and system, and the sources.

        Raises:
            InputError: the frame is too small for the metrics.
        """
        thermal = torch.from_numpy(frame.thermal)[None].to(self._device)
        visible = luma(torch.from_numpy(frame.rgb).to(self._device))[None]
        try:
            scorer = FusionScorer(thermal, visible)
        except InputError as error:
            raise InputError(f'{frame.name}, {error.where}: {error.what}',
                             accepted=error.accepted, remedy='leave small images out') from None
        for method, image in baselines(thermal, visible).items():
            self._add(method, 0, scorer.score(image))
        for method, seeds in outputs.items():
            for seed, output in enumerate(seeds):
                self._add(method, seed, scorer.score(self._grey(output.fused)))
        self._frames += 1

    def scores(self) -> FusionScores:
        """Return the means: VIS, IR, AVG, MAX, then the systems."""
        return {
            method: {
                metric: [sums[metric] / self._frames for sums in seeds] for metric in seeds[0]
            }
            for method, seeds in self._sums.items()
        }

    def _grey(self, fused: np.ndarray) -> Tensor:
        return luma(torch.from_numpy(fused).to(self._device))[None]

    def _add(self, method: str, seed: int, scores: Mapping[str, Tensor]) -> None:
        seeds = self._sums.setdefault(method, [])
        if seed == len(seeds):
            seeds.append(dict.fromkeys(scores, 0.0))
        for metric, value in scores.items():
            seeds[seed][metric] += float(value[0])
