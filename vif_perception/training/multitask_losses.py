"""Objectives of fusion networks that segment: MultiTaskVIF's three ways, and their kin.

Fusion: L1 to the brighter source plus ten times L1 to the stronger gradient, the loss that
SeAFusion and CDDFuse share. Segmentation: hard-example cross-entropy plus half of Dice.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vif_perception.training.losses import dice_loss, sobel

#: Weight of the gradient term; of Dice beside cross-entropy.
GRADIENT, DICE = 10.0, 0.5
#: :func:`losses.sobel` is per px; the published weights go with the plain Sobel kernel.
PLAIN_SOBEL = 8.0
#: Window of SSIM: sides and sigma in px.
SSIM_WINDOW, SSIM_SIGMA = 11, 1.5


def segmentation_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of the hard pixels plus half of Dice, at the mask's resolution.

    Args:
        logits: N x C x h x w; mask: N x H x W ids, 255 ignored.
    """
    logits = F.interpolate(
        logits.float(), mask.shape[-2:], mode='bilinear', align_corners=False
    )
    return ohem_cross_entropy(logits, mask) + DICE * dice_loss(logits, mask)


def joint_fusion_loss(fused: Tensor, y: Tensor, thermal: Tensor, both: Tensor) -> Tensor:
    """L1 to max(y, thermal) + 10 L1 to the larger of the |Sx| + |Sy|.

    Args:
        fused, y, thermal: N x 1 x H x W, 0..1.
        both: N flags; images with one camera are copied by construction and carry no loss.
    """
    share = both[:, None, None, None].to(fused.dtype)
    loss = ((fused - torch.maximum(y, thermal)).abs() * share).mean()
    wanted = torch.maximum(gradient_size(y), gradient_size(thermal))
    return loss + GRADIENT * ((gradient_size(fused) - wanted).abs() * share).mean()


def ssim_loss(fused: Tensor, y: Tensor, thermal: Tensor, both: Tensor) -> Tensor:
    """1 - SSIM, the mean over the two sources; arguments as for :func:`joint_fusion_loss`."""
    alike = (structural_similarity(fused, y) + structural_similarity(fused, thermal)) / 2
    return ((1 - alike) * both.to(fused.dtype)).mean()


def gradient_size(image: Tensor) -> Tensor:
    """|Sx| + |Sy| of N x 1 x H x W, kernel 1 2 1 as published."""
    across, down = sobel(image)
    return PLAIN_SOBEL * (across.abs() + down.abs())


def structural_similarity(first: Tensor, second: Tensor) -> Tensor:
    """SSIM (Wang et al. 2004) of N x 1 x H x W, 0..1, Gaussian 11x11 window; N values.

    The metric of evaluation is another: uniform window, float64, 0..255.

    Args:
        first, second: height and width of at least 11 px.
    """
    offset = torch.arange(SSIM_WINDOW, dtype=first.dtype, device=first.device) - SSIM_WINDOW // 2
    bell = torch.exp(-offset.square() / (2 * SSIM_SIGMA**2))
    bell = bell / bell.sum()

    def blur(image: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(image, bell.view(1, 1, 1, -1)), bell.view(1, 1, -1, 1))

    mean1, mean2 = blur(first), blur(second)
    variance1 = blur(first * first) - mean1 * mean1
    variance2 = blur(second * second) - mean2 * mean2
    covariance = blur(first * second) - mean1 * mean2
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean1 * mean2 + c1) / (mean1 * mean1 + mean2 * mean2 + c1)
    structure = (2 * covariance + c2) / (variance1 + variance2 + c2)
    return (luminance * structure).mean((1, 2, 3))


def ohem_cross_entropy(
    logits: Tensor, mask: Tensor, *, threshold: float = 0.7, least: int | None = None
) -> Tensor:
    """Cross-entropy of the pixels the network finds hard (Shrivastava et al. 2016).

    Pixels whose true class has a chance below ``threshold`` count; if they are fewer than
    ``least``, the hardest ``least`` pixels do. Ignored pixels are never among them.

    Args:
        logits: N x C x H x W; mask: N x H x W ids, 255 ignored.
        least: default a sixteenth of all pixels.

    Returns:
        Mean loss of the hard pixels; 0 where everything is ignored.
    """
    losses = F.cross_entropy(logits.float(), mask, ignore_index=255, reduction='none')
    losses = losses[mask != 255]
    least = mask.numel() // 16 if least is None else least
    least = min(max(least, 1), losses.numel())
    hard = losses[losses > -math.log(threshold)]
    if hard.numel() < least:
        hard = losses.topk(least).values
    return hard.sum() / max(hard.numel(), 1)
