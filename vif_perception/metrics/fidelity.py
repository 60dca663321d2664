"""Metrics of local windows: structural similarity and visual information fidelity."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

#: Variance of the visual noise of VIF, grey levels squared.
VISUAL_NOISE = 2.0

#: Variance below which a window carries no information.
NO_VARIANCE = 1e-10

#: Side of the uniform SSIM window, px.
SSIM_WINDOW = 7


class VisualInformation:
    """VIF, pixel domain, four scales, summed over both sources.

    Sheikh and Bovik, Image information and visual quality, IEEE TIP 2006, in the form of their
    vifp_mscale code: windows of 17, 9, 5 and 3 px, sigma of a fifth of the side.

    Args:
        sources: 2xNxHxW float64, 0..255, sides of at least 41 px.
    """

    def __init__(self, sources: Tensor):
        self._scales = []
        self._total = torch.zeros(sources.shape[:2], dtype=sources.dtype, device=sources.device)
        for window, image in _pyramid(sources):
            mean = _filter(image, window)
            variance = (_filter(image * image, window) - mean * mean).clamp_min(0)
            variance = torch.where(variance < NO_VARIANCE, 0.0, variance)
            self._scales.append((image, mean, variance))
            self._total += _information(variance / VISUAL_NOISE)

    def score(self, fused: Tensor) -> Tensor:
        """Return VIF of NxHxW float64 ``fused``; a source without information counts 1."""
        kept = torch.zeros_like(self._total)
        for (source, mean, variance), (window, image) in zip(
            self._scales, _pyramid(fused), strict=True
        ):
            fused_mean = _filter(image, window)
            fused_variance = _filter(image * image, window) - fused_mean * fused_mean
            covariance = _filter(source * image, window) - mean * fused_mean
            seen = (covariance > 0) & (variance > 0) & (fused_variance >= NO_VARIANCE)
            gain = torch.where(seen, covariance / (variance + NO_VARIANCE), 0.0)
            noise = (fused_variance - gain * covariance).clamp_min(NO_VARIANCE) + VISUAL_NOISE
            kept += _information(gain * gain * variance / noise)
        return torch.where(self._total > 0, kept / self._total, 1.0).sum(0)


class StructuralSimilarity:
    """SSIM of Wang et al., IEEE TIP 2004, with the 7x7 uniform window of scikit-image.

    Sample covariance, windows that lie wholly inside the image.

    Args:
        sources: 2xNxHxW float64, 0..255.
    """

    def __init__(self, sources: Tensor):
        self._sources = sources
        self._mean, self._variance = _moments(sources)

    def score(self, fused: Tensor) -> dict[str, Tensor]:
        """Return both SSIM columns of NxHxW float64 ``fused``.

        SSIM: data range 255, mean over both sources. SSIM_sum: the sum over both sources with a
        data range of 2, which published tables have because their code leaves scikit-image to
        guess the range of a float image.
        """
        fused_mean, fused_variance = _moments(fused)
        means = self._mean * fused_mean
        product = _filter(self._sources * fused, _SSIM_WEIGHTS) - means
        double_covariance = product * (2 * _SAMPLE_COVARIANCE)
        double_means = 2 * means
        squares = self._mean.square() + fused_mean.square()
        variances = self._variance + fused_variance

        def similarity(data_range: float) -> Tensor:
            brightness, contrast = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
            above = (double_means + brightness) * (double_covariance + contrast)
            below = (squares + brightness) * (variances + contrast)
            return (above / below).mean((-2, -1))

        return {'SSIM': similarity(255.0).mean(0), 'SSIM_sum': similarity(2.0).sum(0)}


_SSIM_WEIGHTS = [1 / SSIM_WINDOW] * SSIM_WINDOW
_SAMPLE_COVARIANCE = SSIM_WINDOW**2 / (SSIM_WINDOW**2 - 1)


def _moments(image: Tensor) -> tuple[Tensor, Tensor]:
    mean = _filter(image, _SSIM_WEIGHTS)
    variance = _filter(image * image, _SSIM_WEIGHTS) - mean * mean
    return mean, variance.clamp_min(0) * _SAMPLE_COVARIANCE


def _pyramid(image: Tensor) -> Iterator[tuple[list[float], Tensor]]:
    """Yield (window, image) of the four scales, each half the size of the one before."""
    for scale, side in enumerate((17, 9, 5, 3)):
        window = _gaussian(side)
        if scale:
            image = _filter(image, window, stride=2)
        yield window, image


def _gaussian(side: int) -> list[float]:
    weights = [math.exp(-((i - side // 2) ** 2) / (2 * (side / 5) ** 2)) for i in range(side)]
    return [weight / sum(weights) for weight in weights]


def _information(ratio: Tensor) -> Tensor:
    return torch.log(1 + ratio).sum((-2, -1))


def _filter(image: Tensor, weights: Sequence[float], stride: int = 1) -> Tensor:
    """Filter ...xHxW with the same weights along rows and columns; windows inside the image.

    A sum of shifted slices: on a CPU it is ten times faster in float64 than conv2d.
    """
    reach = len(weights) - 1
    rows, columns = image.shape[-2] - reach, image.shape[-1] - reach
    down = image[..., :rows:stride, :] * weights[0]
    for i in range(1, reach + 1):
        down.add_(image[..., i : i + rows : stride, :], alpha=weights[i])
    across = down[..., :columns:stride] * weights[0]
    for i in range(1, reach + 1):
        across.add_(down[..., i : i + columns : stride], alpha=weights[i])
    return across
