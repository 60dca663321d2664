"""Training objectives of ``rt``: mask, entities, fused image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vif_perception.models.rt.blocks import BRIGHTER, WARMTH

#: Thermal gradients per px below this are sensor noise and banding, not structure.
THERMAL_NOISE = 0.006
#: Share of lamp glare that is cut; weight of its pixels; mean luma (0..1) below which bright
#: spots are lamps.
GLARE_CUT, GLARE_WEIGHT, NIGHT = 0.4, 30.0, 0.45


def class_weights(pixels: Tensor, power: float = 0.5) -> Tensor:
    """ENet's weights 1 / ln(1.02 + frequency) from pixel counts per class, to a power 0..1.

    1 finds every rare object and paints it too large; 0 is plain cross-entropy. Nothing counted
    gives equal weights.
    """
    return (1.0 / torch.log(1.02 + pixels.double() / pixels.sum().clamp_min(1))).pow(power).float()


def mask_loss(logits: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy plus soft Dice over the classes in the batch, at half resolution.

    Args:
        logits: N x C x H/4 x W/4; mask: N x H x W ids, 255 ignored; weights: C.
    """
    target = mask[:, ::2, ::2]
    logits = F.interpolate(
        logits.float(), size=target.shape[-2:], mode='bilinear', align_corners=False
    )
    costs = F.cross_entropy(logits, target, weights, ignore_index=255, reduction='none')
    weight = weights[target.where(target != 255, 0)] * (target != 255)
    # Not the reduction of cross_entropy: it has no value where nothing is labelled.
    return costs.sum() / weight.sum().clamp_min(1e-6) + dice_loss(logits, target)


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Soft Dice, the mean over the classes that ``target`` holds; 0 where it holds none.

    Args:
        logits: N x C x H x W; target: N x H x W ids, 255 ignored.
    """
    known = (target != 255)[:, None]
    truth = F.one_hot(target.clamp_max(logits.shape[1] - 1), logits.shape[1])
    truth = truth.permute(0, 3, 1, 2) * known
    chance = logits.softmax(1) * known
    overlap = (chance * truth).sum((0, 2, 3))
    total, present = (chance + truth).sum((0, 2, 3)), truth.sum((0, 2, 3)) > 0
    dice = 1 - (2 * overlap + 1) / (total + 1)
    return (dice * present).sum() / present.sum().clamp_min(1)


def lovasz_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Lovasz-softmax (Berman et al. 2018): a convex stand-in for 1 - IoU.

    The mean over the classes that ``target`` holds, over all pixels of the batch; 0 where it
    holds none.

    Args:
        logits: N x C x H x W; target: N x H x W ids, 255 ignored.
    """
    chance = logits.float().softmax(1).movedim(1, 0).flatten(1)              # C P
    flat = target.flatten()
    known = flat != 255
    truth = (flat == torch.arange(len(chance), device=flat.device)[:, None]).float()
    # Pixels that do not count have no error and no truth, so they sort last and cost nothing.
    errors, order = ((truth - chance).abs() * known).sort(dim=1, descending=True)
    hit = truth.gather(1, order)
    size = hit.sum(1, keepdim=True)
    miss = ((1 - hit) * known[order]).cumsum(1)
    jaccard = 1 - (size - hit.cumsum(1)) / (size + miss).clamp_min(1)
    steps = torch.diff(jaccard, dim=1, prepend=jaccard.new_zeros(len(jaccard), 1))
    present = truth.any(1)
    return ((errors * steps).sum(1) * present).sum() / present.sum().clamp_min(1)


def entities_in(mask: Tensor, classes: int, share: float = 5e-4) -> Tensor:
    """N x (classes - 1) flags 0 or 1: classes 1.. that cover at least ``share`` of the image."""
    flat = mask.flatten(1)
    counts = torch.stack([(flat == index).sum(1) for index in range(1, classes)], 1)
    return (counts >= share * flat.shape[1]).float()


def fusion_target(y: Tensor, thermal: Tensor) -> tuple[Tensor, Tensor]:
    """Intensity that ``rt`` fuses to and where it cuts lamp glare, both N x 1 x H x W, 0..1.

    Luma plus a part of what is brighter in thermal and of what is warmer or colder than the
    scene. The maximum alone adds nothing that is dark in thermal and whitens dark cars; warmth
    alone halves thermal edges. At night the outline of what a lamp outshines is let through.

    Args:
        y, thermal: N x 1 x H x W, 0..1.
    """
    scene = thermal.mean((2, 3), keepdim=True)
    night = ((NIGHT - y.mean((2, 3), keepdim=True)) / 0.15).clamp(0, 1)
    # A lamp is small; an overexposed sky is not.
    coarse = F.avg_pool2d(y, 8, ceil_mode=True, count_include_pad=False)  # a 72 px window is slow
    around = F.avg_pool2d(coarse, 9, stride=1, padding=4, count_include_pad=False)
    around = F.interpolate(around, y.shape[-2:], mode='bilinear')
    lamp = ((0.65 - around) / 0.2).clamp(0, 1) * (thermal < y)
    glare = ((y - 0.8) / 0.2).clamp(0, 1) * lamp * night
    blend = y + BRIGHTER * F.relu(thermal - y) + WARMTH * (thermal - scene)
    return (blend - GLARE_CUT * glare * (y - thermal)).clamp(0, 1), glare


def fusion_loss(fused: Tensor, y: Tensor, thermal: Tensor, both: Tensor) -> Tensor:
    """10 x L1 to the target intensity plus 10 x L1 to the stronger gradient.

    Lamps are few pixels: each counts GLARE_WEIGHT times more.

    Args:
        fused, y, thermal: N x 1 x H x W, 0..1.
        both: N flags; images with one camera are copied by construction and carry no loss.
    """
    share = both[:, None, None, None]
    target, glare = fusion_target(y, thermal)
    weight = share * (1 + GLARE_WEIGHT * glare)
    intensity = ((fused - target).abs() * weight).mean()
    gradient = fused.new_zeros(())
    for fused_d, y_d, heat_d in zip(sobel(fused), sobel(y), sobel(thermal), strict=True):
        heat_d = F.softshrink(heat_d, THERMAL_NOISE)
        wanted = torch.where(heat_d.abs() > y_d.abs(), heat_d, y_d)
        gradient = gradient + ((fused_d - wanted).abs() * share).mean()
    return 10 * intensity + 10 * gradient


def sobel(image: Tensor) -> tuple[Tensor, Tensor]:
    """Horizontal and vertical Sobel derivatives of N x 1 x H x W, per px."""
    # Sums, not convolutions: a kernel made here would have to wait for the GPU to get there.
    padded = F.pad(image, (1, 1, 1, 1), mode='replicate')
    rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    columns = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    return (
        (rows[..., 2:] - rows[..., :-2]) / 8, (columns[..., 2:, :] - columns[..., :-2, :]) / 8
    )
