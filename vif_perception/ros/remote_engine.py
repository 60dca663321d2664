"""An engine whose results come from another process: those of a fusion node, by topics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vif_perception.pipeline.view import View
from vif_perception.types import Calibration, LabelSet


@dataclass(frozen=True)
class RemoteResult:
    """What a fusion node published with one stamp; the fields of ``inference.EngineOutput``.

    Attributes:
        fused: HxWx3 uint8 rgb8; mask, confidence: HxW uint8.
        entity_names, entities: names and K float32 scores.
    """

    fused: np.ndarray
    mask: np.ndarray
    confidence: np.ndarray
    entity_names: tuple[str, ...]
    entities: np.ndarray


class RemoteEngine:
    """Obeys the Engine protocol, so that the pipeline judges pairs as the fusion node does.

    Attributes:
        result: what the next run returns.
        last: what the engine was given last.
    """

    weights = None
    description = 'a fusion node, by its topics'

    def __init__(self, labels: LabelSet):
        self.labels = labels
        self.result: RemoteResult | None = None
        self.last: View | None = None

    @property
    def entity_names(self) -> tuple[str, ...]:
        """Names that belong to the scores of ``result``."""
        return self.result.entity_names if self.result else ()

    def run(
        self, rgb: np.ndarray | None, thermal: np.ndarray | None, *, bgr: bool,
        window: tuple[float, float], calibration: Calibration,
    ) -> Any:
        """Return ``result``, whatever the pictures are."""
        assert self.result is not None
        self.last = View(rgb, thermal, bgr, window, calibration)
        return self.result
