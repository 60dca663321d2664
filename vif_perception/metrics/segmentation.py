"""Segmentation scores from one streaming confusion matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from vif_perception.errors import InputError
from vif_perception.types import LabelSet

#: Truth pixels of this id are not labelled at all and are left out.
IGNORED = 255

#: Equal-width confidence bins of the calibration error.
CALIBRATION_BINS = 15


class SegmentationScore:
    """Accumulates masks against their truth; memory does not grow with the number of frames.

    Args:
        labels: the class list both masks are in; ids are its indices.
    """

    def __init__(self, labels: LabelSet):
        self._labels = labels
        self._matrix = np.zeros((len(labels), len(labels)), np.int64)
        # rows: wrong, right; columns: the 256 levels of the confidence map
        self._confidence = np.zeros((2, 256), np.int64)
        self._frames = 0

    @property
    def confusion(self) -> np.ndarray:
        """Pixel counts so far, int64, row = id in the truth, column = id in the mask."""
        return self._matrix.copy()

    def update(
        self, mask: np.ndarray, truth: np.ndarray, confidence: np.ndarray | None = None
    ) -> float | None:
        """Add one frame and return its own mIoU over the classes present in it.

        Args:
            mask: HxW uint8 ids.
            truth: HxW uint8 ids; 255 is left out.
            confidence: HxW uint8, round(255 * probability of the id in the mask).

        Returns:
            mIoU of this frame, background included; None when every pixel is left out.

        Raises:
            InputError: sizes differ, not uint8, or an id outside the class list. Nothing of the
                frame is counted then.
        """
        for name, image in (('mask', mask), ('confidence', confidence)):
            if image is not None:
                _check(name, image, truth)
        # every pair of bytes is counted first: one pass serves both the check and the score
        pairs = truth.astype(np.uint16)
        pairs <<= 8
        pairs |= mask
        counts = np.bincount(pairs.ravel(), minlength=65536).reshape(256, 256)
        self._check_ids('truth', counts.sum(1), ignored=IGNORED)
        self._check_ids('mask', counts.sum(0))
        frame = counts[: len(self._labels), : len(self._labels)]
        self._matrix += frame
        self._frames += 1
        if confidence is not None:
            self._add_confidence(mask, truth, confidence)
        return _mean(_iou(frame))

    def compute(self) -> dict[str, Any]:
        """Return the scores of everything added so far; values are None where undefined.

        Returns:
            miou_present: mean IoU of the classes in truth or mask, background included.
            miou_foreground: the same without the background (the label set's unlabeled id).
            miou_fixed: mean over the whole class list, absent classes counted 0.
            per_class: name -> IoU, None when absent from truth and mask.
            accuracy: share of right pixels.
            ece: expected calibration error (Guo et al., ICML 2017), 15 bins, of the frames
                that came with a confidence map.
            frames: how many were added.
        """
        iou = _iou(self._matrix)
        names = self._labels.names
        foreground = [value for i, value in enumerate(iou) if i != self._labels.unlabeled]
        pixels = int(self._matrix.sum())
        return {
            'miou_present': _mean(iou),
            'miou_foreground': _mean(foreground),
            'miou_fixed': _mean([value or 0.0 for value in iou]) if pixels else None,
            'per_class': dict(zip(names, iou, strict=True)),
            'accuracy': int(np.trace(self._matrix)) / pixels if pixels else None,
            'ece': self._calibration_error(),
            'frames': self._frames,
        }

    def _check_ids(self, name: str, pixels: np.ndarray, ignored: int | None = None) -> None:
        found = np.flatnonzero(pixels)
        found = found[(found >= len(self._labels)) & (found != ignored)]
        if found.size:
            raise InputError(
                f'ids {found.tolist()} are outside the class list', where=name,
                accepted=f'0..{len(self._labels) - 1} ({", ".join(self._labels.names)})'
                + (f' and {ignored} for not labelled' if ignored is not None else ''),
                remedy='score with the class list the mask was made with',
            )

    def _add_confidence(self, mask: np.ndarray, truth: np.ndarray, confidence: np.ndarray) -> None:
        cells = (mask == truth).astype(np.uint16)
        cells += 2 * (truth == IGNORED).astype(np.uint16)
        cells <<= 8
        cells |= confidence
        counts = np.bincount(cells.ravel(), minlength=1024).reshape(4, 256)
        self._confidence += counts[:2]

    def reliability(self) -> list[dict[str, float]]:
        """Return the bins of the calibration error that hold pixels, lowest confidence first.

        Returns:
            confidence: mean confidence of the pixels of a bin.
            accuracy: share of them that is right.
            share: part of all pixels that is in it.
        """
        right, claimed, pixels = self._bins()
        total = pixels.sum()
        return [
            {'confidence': float(c / n), 'accuracy': float(r / n), 'share': float(n / total)}
            for r, c, n in zip(right, claimed, pixels, strict=True) if n
        ]

    def _calibration_error(self) -> float | None:
        right, claimed, pixels = self._bins()
        return float(np.abs(right - claimed).sum() / pixels.sum()) if pixels.any() else None

    def _bins(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Right pixels, summed confidence and pixels of each bin.

        Bins are (lower, upper], so certainty falls in the last one and not outside.
        """
        level = np.arange(256)
        bins = np.maximum(np.ceil(level * CALIBRATION_BINS / 255).astype(int) - 1, 0)
        count = self._confidence.sum(0)
        right, claimed, pixels = (
            np.bincount(bins, weights, CALIBRATION_BINS)
            for weights in (self._confidence[1], count * (level / 255), count)
        )
        return right, claimed, pixels


def _check(name: str, image: np.ndarray, truth: np.ndarray) -> None:
    if truth.ndim != 2 or image.shape != truth.shape:
        raise InputError(
            f'size {image.shape}', where=name, accepted=f'that of the truth, {truth.shape}, HxW',
            remedy='give ground truth in the geometry of the reference camera',
        )
    for where, array in ((name, image), ('truth', truth)):
        if array.dtype != np.uint8:
            raise InputError(f'dtype {array.dtype}', where=where, accepted='uint8')


def _iou(matrix: np.ndarray) -> list[float | None]:
    hit = np.diagonal(matrix)
    union = matrix.sum(0) + matrix.sum(1) - hit
    return [int(h) / int(u) if u else None for h, u in zip(hit, union, strict=True)]


def _mean(values: list) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None
