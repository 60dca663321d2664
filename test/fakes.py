"""A tiny deterministic engine for tests of everything above ``inference``."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from vif_perception.labels import MFNET
from vif_perception.types import Calibration, LabelSet


class FakeWeights(NamedTuple):
    name: str
    sha256: str


class FakeOutput(NamedTuple):
    fused: np.ndarray
    mask: np.ndarray
    confidence: np.ndarray
    entities: np.ndarray


FAKE_WEIGHTS = FakeWeights('fake', '0' * 64)


def _open() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class FakeEngine:
    """Obeys the Engine protocol: fused is the RGB (thermal grey without one), mask all zeros.

    Attributes:
        calls: (rgb there, thermal there, bgr, window, calibration) of every run.
        fail: exceptions raised by the next runs, one each.
        release: while it is cleared, runs wait for it.
    """

    labels: LabelSet = MFNET
    entity_names: tuple[str, ...] = ('person', 'vehicle')
    weights: FakeWeights = FAKE_WEIGHTS
    description: str = 'fake engine'
    fail: list[Exception] = field(default_factory=list)
    calls: list[tuple[bool, bool, bool, tuple[float, float], Calibration]] = field(
        default_factory=list
    )
    release: threading.Event = field(default_factory=_open)

    def run(
        self,
        rgb: np.ndarray | None,
        thermal: np.ndarray | None,
        *,
        bgr: bool,
        window: tuple[float, float],
        calibration: Calibration,
    ) -> FakeOutput:
        self.calls.append((rgb is not None, thermal is not None, bgr, window, calibration))
        assert self.release.wait(60)
        if self.fail:
            raise self.fail.pop(0)
        if rgb is not None:
            picture = rgb[..., ::-1] if bgr else rgb
        elif thermal is not None:
            picture = _grey(thermal, window)
        else:
            raise ValueError('no camera at all')
        fused = _fit(picture, calibration.size)
        present = np.array([rgb is not None, thermal is not None], np.float32)
        flat = fused.shape[:2]
        return FakeOutput(fused, np.zeros(flat, np.uint8), np.full(flat, 255, np.uint8), present)


def _grey(thermal: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    low, high = window
    scaled = (thermal.astype(np.float32) - low) / max(high - low, 1e-6)
    grey = np.round(np.clip(np.nan_to_num(scaled), 0, 1) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _fit(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Nearest neighbour to (width, height); always a fresh C-contiguous array."""
    height, width = picture.shape[:2]
    rows = np.arange(size[1]) * height // size[1]
    columns = np.arange(size[0]) * width // size[0]
    return np.ascontiguousarray(picture[rows[:, None], columns[None, :]])
