"""Metrics of the whole image: histograms (EN, MI), moments (SD, CC, SCD, PSNR), gradients."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Below this variance (grey levels squared) an image is flat: one pixel of ten million pixels
#: that differs by one level has a larger one, the rounding of float64 sums a smaller one.
FLAT_VARIANCE = 1e-8

#: PSNR of identical images, dB, in place of infinity.
LARGEST_PSNR = 100.0


def gradient_scores(fused: Tensor) -> dict[str, Tensor]:
    """Return SF and AG of NxHxW ``fused``.

    SF (spatial frequency): root of the mean squared row and column differences, added.
    AG (average gradient): mean of sqrt((dx^2 + dy^2) / 2), central differences, one-sided at the
    border.
    """
    rows, columns = fused.diff(dim=-2), fused.diff(dim=-1)
    frequency = (rows.square().mean((-2, -1)) + columns.square().mean((-2, -1))).sqrt()
    dy, dx = torch.gradient(fused, dim=(-2, -1))
    return {'SF': frequency, 'AG': ((dx.square() + dy.square()) / 2).sqrt().mean((-2, -1))}


class SourceStatistics:
    """Histogram and moment scores against 2xNxHxW float64 ``sources``."""

    def __init__(self, sources: Tensor):
        count = sources.shape[1]
        self._bins = _levels(sources) * 256
        self._bins += 65536 * torch.arange(2 * count, device=sources.device).view(2, count, 1, 1)
        self._means = sources.mean((-2, -1))
        self._centred = (sources - self._means[..., None, None]).flatten(2)

    def score(self, fused: Tensor) -> dict[str, Tensor]:
        """Return EN, MI, SD, CC, SCD and PSNR of NxHxW float64 ``fused``."""
        return self._histogram_scores(fused) | self._moment_scores(fused)

    def _histogram_scores(self, fused: Tensor) -> dict[str, Tensor]:
        """EN in bits; MI in nats, summed over both sources; both of 256 whole grey levels."""
        images = self._bins.shape[0] * self._bins.shape[1]
        bins = (self._bins + _levels(fused)).flatten()
        joint = torch.bincount(bins, minlength=images * 65536).view(2, -1, 256, 256)
        joint = joint.double() / fused[0].numel()
        fused_entropy = _entropy(joint[0].sum(-2))
        shared = _entropy(joint.sum(-1)) + fused_entropy - _entropy(joint.flatten(2))
        return {'EN': fused_entropy / math.log(2), 'MI': shared.clamp_min(0).sum(0)}

    def _moment_scores(self, fused: Tensor) -> dict[str, Tensor]:
        """SD; CC (Pearson, mean over both sources); SCD; PSNR of the mean squared error of both.

        SCD, the sum of the correlations of differences, is Aslantas and Bendes, AEU 2015: each
        source against what remains of the fused image without the other source.
        """
        mean = fused.mean((-2, -1))
        centred = (fused - mean[:, None, None]).flatten(1)
        images = torch.stack((*self._centred, centred), dim=1)
        covariance = images @ images.mT / images.shape[-1]
        thermal, visible, both, fused_variance = (
            covariance[:, 0, 0], covariance[:, 1, 1], covariance[:, 0, 1], covariance[:, 2, 2],
        )
        of_thermal, of_visible = covariance[:, 0, 2], covariance[:, 1, 2]
        without_thermal = fused_variance + thermal - 2 * of_thermal
        without_visible = fused_variance + visible - 2 * of_visible
        bias = (mean - self._means).square().mean(0)
        error = (without_thermal + without_visible) / 2 + bias
        error = error.clamp_min(255**2 / 10 ** (LARGEST_PSNR / 10))
        return {
            'SD': fused_variance.sqrt(),
            'CC': (
                _correlation(of_thermal, thermal, fused_variance)
                + _correlation(of_visible, visible, fused_variance)
            ) / 2,
            'SCD': (
                _correlation(of_thermal - both, thermal, without_visible)
                + _correlation(of_visible - both, visible, without_thermal)
            ),
            'PSNR': 10 * torch.log10(255**2 / error),
        }


def _levels(image: Tensor) -> Tensor:
    return image.round().long()


def _entropy(probabilities: Tensor) -> Tensor:
    """Entropy in nats over the last dimension; 0 log 0 = 0."""
    return -torch.xlogy(probabilities, probabilities).sum(-1)


def _correlation(covariance: Tensor, variance: Tensor, other_variance: Tensor) -> Tensor:
    flat = torch.minimum(variance, other_variance) < FLAT_VARIANCE
    return torch.where(flat, 0.0, covariance / (variance * other_variance).sqrt())
