"""Fusion metrics of a few outputs, evenly spread over a recording of unknown length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vif_perception.errors import InputError
from vif_perception.pipeline.view import View

METHOD = 'vif_perception'
#: Larger pictures are not scored: in double precision the metrics would take gigabytes.
MAX_PIXELS = 1920 * 1080


@dataclass(frozen=True)
class _Kept:
    fused: np.ndarray
    thermal: np.ndarray
    visible: np.ndarray


class FusionSample:
    """Keeps every n-th FUSED output; n doubles whenever more than ``most`` are kept.

    So between most/2 and most outputs are scored, and memory is a few images.

    Args:
        most: outputs that are kept at most; 0: none are scored.
    """

    def __init__(self, most: int):
        self._most = most
        self._stride = 1
        self._count = 0
        self._kept: dict[int, _Kept] = {}
        self._too_large = ''

    def add(self, fused: np.ndarray, view: View) -> None:
        """Offer one output made from both cameras; ``fused`` is HxWx3 uint8 rgb8."""
        height, width = fused.shape[:2]
        if height * width > MAX_PIXELS:
            self._too_large = f'{width}x{height}'
            return
        place, self._count = self._count, self._count + 1
        if not self._most or place % self._stride:
            return
        # copies: the frames are views of whole messages
        self._kept[place] = _Kept(
            fused.copy(), view.thermal_picture().copy(), view.rgb_picture().copy()
        )
        while len(self._kept) > self._most:
            self._stride *= 2
            self._kept = {p: kept for p, kept in self._kept.items() if p % self._stride == 0}

    def compute(
        self, progress: Callable[[str, int, float], None] | None = None
    ) -> dict[str, dict[str, float]] | None:
        """Return {method: {metric: mean}} for ours, VIS, IR, AVG, MAX; None without outputs.

        The thermal picture is what the network saw: the same window, the same warp.

        Raises:
            InputError: the images are too small for the metrics, or all larger than MAX_PIXELS.
        """
        if not self._kept and self._most and self._too_large:
            raise InputError(
                f'images of {self._too_large} px', accepted=f'at most {MAX_PIXELS} px',
                remedy='reduce the images, or switch the metrics off by --fusion-frames 0',
            )
        if not self._kept:
            return None
        import torch

        from vif_perception.metrics.fusion import FusionScorer, baselines, luma

        sums: dict[str, dict[str, float]] = {}
        count = len(self._kept)
        for done, kept in enumerate(self._kept.values()):
            if progress is not None:
                progress('fusion metrics', done, done / count)
            thermal = torch.from_numpy(kept.thermal)[None].double()
            visible = luma(torch.from_numpy(kept.visible))[None]
            scorer = FusionScorer(thermal, visible)
            images = {METHOD: luma(torch.from_numpy(kept.fused))[None]}
            for method, image in {**images, **baselines(thermal, visible)}.items():
                into = sums.setdefault(method, {})
                for metric, value in scorer.score(image).items():
                    into[metric] = into.get(metric, 0.0) + float(value[0])
        if progress is not None:
            progress('fusion metrics', count, 1.0)
        return {
            method: {metric: round(total / count, 6) for metric, total in values.items()}
            for method, values in sums.items()
        }
