"""Metrics of edges: how much of them was kept (Qabf), how much was invented (Nabf)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

#: Sigmoid (height, slope, centre) of edge strength and of orientation, Xydeas and Petrovic.
QABF_STRENGTH = (0.9994, 15.0, 0.5)
QABF_ORIENTATION = (0.9879, 22.0, 0.8)

#: The same for Nabf, Shreyamsha Kumar.
NABF_STRENGTH = (0.9999, 19.0, 0.5)
NABF_ORIENTATION = (0.9995, 22.0, 0.5)

#: Nabf: gradient (Sobel / 8) from which an edge counts, its weight below that, its exponent.
NABF_THRESHOLD = 2.0
NABF_SMALLEST_WEIGHT = 0.001
NABF_EXPONENT = 1.5

#: Gradients below this are 0 but for the order of a float64 sum; it must not turn their angle.
ROUNDING = 1e-9


class EdgeScores:
    """Qabf and Nabf against 2xNxHxW float64 ``sources``."""

    def __init__(self, sources: Tensor):
        self._strength, self._angle = _edges(sources)
        self._total = self._strength.sum((0, -2, -1))
        strength = _inside(self._strength) / 8
        weight = torch.where(
            strength >= NABF_THRESHOLD, strength**NABF_EXPONENT, NABF_SMALLEST_WEIGHT
        )
        self._weight = weight / weight.sum((0, -2, -1), keepdim=True)

    def score(self, fused: Tensor) -> dict[str, Tensor]:
        """Return Qabf and Nabf of NxHxW float64 ``fused``."""
        strength, angle = _edges(fused)
        ratio = torch.minimum(strength, self._strength)
        ratio /= torch.maximum(strength, self._strength).clamp_min(1e-12)
        turn = (self._angle - angle).abs_().mul_(2 / math.pi)
        invented = (strength > self._strength).all(0)
        return {
            'Qabf': self._kept(ratio, turn),
            'Nabf': self._invented(_inside(ratio), _inside(turn), _inside(invented)),
        }

    def _kept(self, ratio: Tensor, turn: Tensor) -> Tensor:
        """Xydeas and Petrovic, Objective image fusion performance measure, El. Letters 2000."""
        kept = _sigmoid(ratio, QABF_STRENGTH) * _sigmoid(1 - turn, QABF_ORIENTATION)
        score = (kept * self._strength).sum((0, -2, -1)) / self._total
        return torch.where(self._total > 0, score, 1.0)

    def _invented(self, ratio: Tensor, turn: Tensor, invented: Tensor) -> Tensor:
        """Weight of the edges stronger than in both sources (Shreyamsha Kumar, SIViP 2013).

        Unlike Qabf it takes opposite orientations for the same one.
        """
        kept = _sigmoid(ratio, NABF_STRENGTH) * _sigmoid((turn - 1).abs_(), NABF_ORIENTATION)
        return ((1 - kept.sqrt_()) * self._weight * invented).sum((0, -2, -1))


def _edges(image: Tensor) -> tuple[Tensor, Tensor]:
    """Sobel strength and orientation (-pi/2..pi/2) of ...xHxW, zero outside the image.

    The zeros make the image border an edge. That is the field's convention, and 0.7 % of a
    640x480 image; Nabf leaves the border out.
    """
    padded = functional.pad(image, (1, 1, 1, 1))
    down = padded[..., :-2, :] + padded[..., 2:, :] + 2 * padded[..., 1:-1, :]
    across = padded[..., :-2] + padded[..., 2:] + 2 * padded[..., 1:-1]
    dx = down[..., :-2] - down[..., 2:]
    dy = across[..., 2:, :] - across[..., :-2, :]
    angle = torch.where(dx.abs() < ROUNDING, math.pi / 2, torch.atan(dy / dx))
    return (dx * dx + dy * dy).sqrt_(), angle


def _inside(image: Tensor) -> Tensor:
    return image[..., 1:-1, 1:-1]


def _sigmoid(value: Tensor, shape: tuple[float, float, float]) -> Tensor:
    height, slope, centre = shape
    return torch.sigmoid((value - centre) * slope) * height
