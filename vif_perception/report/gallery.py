"""Which frames of a bag of unknown length are kept as pictures, in bounded memory."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vif_perception.report.palette import display_colors
from vif_perception.report.pictures import (
    ERRORS,
    class_layer,
    encode_frame,
    error_layer,
    error_map,
)
from vif_perception.report.series import reason_kind
from vif_perception.types import FramePair, LabelSet, Perception

#: An image, or a function that makes it when the frame is chosen, or None when there is none.
Picture = np.ndarray | Callable[[], np.ndarray] | None

_BYTES = 8_000_000  # of all pictures together; base64 adds a third


@dataclass
class GalleryEntry:
    """One frame that was kept.

    Attributes:
        row: its line of frames.jsonl.
        why: 'worst', 'change' (of mode or reason), 'spread': what it was chosen for.
        images: view -> file; rgb, thermal, fused are JPEG; overlay, truth, errors are PNG
            layers of the same size to lay over them. Views that do not exist are missing.
        confidence: mean confidence 0..1.
        classes: class id -> part of the pixels.
        errors: name as in pictures.ERRORS -> part of the pixels; empty without truth.
    """

    row: dict[str, Any]
    why: set[str]
    images: dict[str, bytes]
    confidence: float
    classes: dict[int, float]
    errors: dict[str, float]


@dataclass
class _Candidate:
    position: int
    row: Mapping[str, Any]
    confidence: float
    fused: np.ndarray
    mask: np.ndarray
    rgb: Picture
    thermal: Picture
    truth: np.ndarray | None

    @property
    def badness(self) -> tuple[int, float]:
        """Lower is worse; frames with truth come before those without."""
        miou = self.row.get('miou')
        if miou is not None and math.isfinite(miou):
            return 0, float(miou)
        return 1, self.confidence

    def hold(self) -> _Candidate:
        """Copy what an engine may write again for the next frame."""
        return replace(self, fused=self.fused.copy(), mask=self.mask.copy())


class Gallery:
    """Keeps the worst frames, those where the mode changed, and others evenly over time.

    The bag is cut into stretches of equal length. The first frame of each is kept for an even
    spread, the worst of each competes for a place among the worst of all, so that one bad second
    does not fill them. When there are more than ``max_frames``, the stretches double and every
    other spread frame goes. Worst is the lowest mIoU; without truth the lowest mean confidence.
    The choice depends on the sequence only.

    Args:
        labels: class names and colours.
        max_frames: most frames kept, at least 1. Memory is about 170 kB for each, plus
            the arrays of one frame.
    """

    def __init__(self, labels: LabelSet, max_frames: int = 48):
        if max_frames < 1:
            raise ValueError(f'max_frames is {max_frames}, needs at least 1')
        self.labels = labels
        self.colors = display_colors(labels)
        self._max = max_frames
        self._budget = _BYTES // max_frames
        self._entries: dict[int, GalleryEntry] = {}
        self._worst: list[tuple[tuple[int, float], int]] = []
        self._changes: list[tuple[int, tuple[str, str]]] = []
        self._held: _Candidate | None = None
        self._last_kind: tuple[str, str] | None = None
        self._stride = 1
        self._count = 0

    def add(
        self, row: Mapping[str, Any], pair: FramePair, perception: Perception,
        truth: np.ndarray | None, rgb_picture: Picture, thermal_picture: Picture,
    ) -> None:
        """Offer one output; call for every one, in order.

        Args:
            row: its line of frames.jsonl, with ``miou`` already in it (None without truth).
            pair: the camera frames; a camera that is None has no picture.
            perception: the output, at the reference size HxW.
            truth: HxW uint8 class ids, 255 not labelled; None when there is none.
            rgb_picture: HxWx3 uint8 in rgb order, or a function that makes it.
            thermal_picture: HxW uint8 in the reference geometry, or a function that makes it.
                Functions are called only for frames that are kept, some frames later.
        """
        frame = _Candidate(
            self._count, row, float(perception.confidence[::4, ::4].mean()) / 255,
            perception.fused, perception.mask,
            None if pair.rgb is None else rgb_picture,
            None if pair.thermal is None else thermal_picture, truth,
        )
        self._count += 1
        if frame.position % self._stride == 0:
            self._settle()
            self._keep(frame, 'spread')
        self._note_change(frame)
        if self._held is None or frame.badness < self._held.badness:
            self._held = frame.hold()
        self._trim()

    def entries(self) -> list[GalleryEntry]:
        """Return the frames kept so far, in the order they came."""
        self._settle()
        self._trim()
        return [self._entries[position] for position in sorted(self._entries)]

    def _settle(self) -> None:
        """Let the worst frame of the stretch that ended compete with those of the others."""
        frame, self._held = self._held, None
        if frame is None or self._max < 3:
            return
        self._worst.append((frame.badness, frame.position))
        self._rank()
        if any(position == frame.position for _, position in self._worst):
            self._keep(frame, 'worst')

    def _rank(self) -> None:
        """Keep the worst of each stretch, and of those the worst."""
        before = {position for _, position in self._worst}
        stretches: dict[int, tuple[tuple[int, float], int]] = {}
        for item in sorted(self._worst):
            stretches.setdefault(item[1] // self._stride, item)
        self._worst = list(stretches.values())[: self._max // 3]
        for position in before - {position for _, position in self._worst}:
            self._release(position, 'worst')

    def _note_change(self, frame: _Candidate) -> None:
        """Keep the first frame after a change; when full, rare changes replace frequent ones."""
        kind = (str(frame.row.get('mode')), reason_kind(frame.row.get('reason')))
        changed = self._last_kind not in (None, kind)
        self._last_kind = kind
        if not changed or self._max < 4:
            return
        self._changes.append((frame.position, kind))
        if len(self._changes) > self._max // 4:
            counts = Counter(kind for _, kind in self._changes)
            most = max(counts.values())
            drop = max(i for i, (_, kind) in enumerate(self._changes) if counts[kind] == most)
            self._release(self._changes.pop(drop)[0], 'change')
        if self._changes[-1][0] == frame.position:
            self._keep(frame, 'change')

    def _trim(self) -> None:
        while len(self._entries) > self._max:
            self._stride *= 2
            for position in [p for p in self._entries if p % self._stride]:
                self._release(position, 'spread')
            self._rank()

    def _release(self, position: int, why: str) -> None:
        entry = self._entries.get(position)
        if entry is not None:
            entry.why.discard(why)
            if not entry.why:
                del self._entries[position]

    def _keep(self, frame: _Candidate, why: str) -> None:
        if frame.position in self._entries:
            self._entries[frame.position].why.add(why)
        else:
            self._entries[frame.position] = self._develop(frame, why)

    def _develop(self, frame: _Candidate, why: str) -> GalleryEntry:
        """Make the pictures; the only costly step."""
        mask, unlabeled = frame.mask, self.labels.unlabeled
        sources = {'rgb': frame.rgb, 'thermal': frame.thermal, 'fused': frame.fused}
        photographs = {
            name: picture() if callable(picture) else picture
            for name, picture in sources.items() if picture is not None
        }
        layers = {'overlay': class_layer(mask, self.colors, unlabeled)}
        errors: dict[str, float] = {}
        if frame.truth is not None:
            wrong = error_map(mask, frame.truth, unlabeled)
            layers['truth'] = class_layer(frame.truth, self.colors, unlabeled)
            layers['errors'] = error_layer(wrong)
            parts = _parts(wrong)
            errors = {name: parts.get(value, 0.0) for value, (name, _) in enumerate(ERRORS, 1)}
        images = encode_frame(photographs, layers, self._budget)
        return GalleryEntry(
            dict(frame.row), {why}, images, frame.confidence, _parts(mask), errors
        )


def _parts(values: np.ndarray) -> dict[int, float]:
    counts = np.bincount(values.ravel(), minlength=1)
    return {index: count / values.size for index, count in enumerate(counts.tolist()) if count}
