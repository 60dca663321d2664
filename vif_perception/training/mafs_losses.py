"""Objective of MAFS's stage II: fusion, mask, the maps of the auxiliary heads.

Terms and their inner weights are those of the released loss file; which of them the paper sums,
and with which weights, is not published. ``docs/models/mafs.md`` says what is ours.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from vif_perception.training.losses import sobel
from vif_perception.training.multitask_losses import PLAIN_SOBEL, ohem_cross_entropy

#: Weights of the gradient and of the intensity term beside the correlation term.
GRADIENT, INTENSITY = 10.0, 10.0
#: Weights of the auxiliary class maps and of the auxiliary distance maps.
CLASSES, DISTANCES = 0.4, 0.2
#: Side and sigma, px, of the window in which sources are compared.
WINDOW, SIGMA = 9, 1.5
OHEM_THRESHOLD = 0.75


def fusion_loss(fused: Tensor, y: Tensor, thermal: Tensor, both: Tensor) -> Tensor:
    """1 / (1.05 + correlation) + 10 gradient + 10 intensity.

    Where thermal varies more than luma in a 9x9 window, thermal is the target, elsewhere luma is;
    errors are squared and averaged over 9x9. The released code is called with the two sources
    exchanged; here each plays its own part.

    Args:
        fused, y, thermal: N x 1 x H x W, 0..1, sides of at least 9 px.
        both: N flags; images with one camera are copied by construction and carry no loss.
    """
    used = both > 0
    if not used.any():
        return fused.sum() * 0
    fused, y, thermal = fused[used], y[used], thermal[used]
    salient = (local_variance(thermal) > local_variance(y)).to(fused.dtype)
    error = salient * box_mean((fused - thermal).square())
    error = error + (1 - salient) * box_mean((fused - y).square())
    gradient = sum(
        (PLAIN_SOBEL * (torch.maximum(y_d.abs(), heat_d.abs()) - fused_d.abs())).abs().mean()
        for fused_d, y_d, heat_d in zip(sobel(fused), sobel(y), sobel(thermal), strict=True)
    )
    alike = (correlation(fused, y) + correlation(fused, thermal)) / 2
    return (1 / (1.05 + alike)).mean() + GRADIENT * gradient + INTENSITY * error.mean()


def box_mean(image: Tensor) -> Tensor:
    """Mean of the 9x9 neighbourhood of each pixel of N x 1 x H x W, borders repeated."""
    reach = WINDOW // 2
    return F.avg_pool2d(F.pad(image, (reach,) * 4, mode='replicate'), WINDOW, 1)


def local_variance(image: Tensor) -> Tensor:
    """Variance of N x 1 x H x W in a Gaussian 9x9 window around each pixel."""
    offset = torch.arange(WINDOW, dtype=image.dtype, device=image.device) - WINDOW // 2
    bell = torch.exp(-offset.square() / (2 * SIGMA**2))
    bell = bell / bell.sum()

    def blur(x: Tensor) -> Tensor:
        x = F.pad(x, (WINDOW // 2,) * 4, mode='replicate')
        return F.conv2d(F.conv2d(x, bell.view(1, 1, 1, -1)), bell.view(1, 1, -1, 1))

    return blur(image.square()) - blur(image).square()


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Correlation coefficient of two images N x 1 x H x W over their pixels, -1..1: N values."""
    first, second = (x.flatten(1) - x.flatten(1).mean(1, keepdim=True) for x in (first, second))
    size = first.square().sum(1) * second.square().sum(1)
    return (first * second).sum(1) / (size + 1e-12).sqrt()


def mask_losses(logits: Tensor, maps: Mapping[str, Tensor], mask: Tensor) -> Tensor:
    """Hard-example cross-entropy + 0.4 sum CE(out2, out4, out6) + 0.2 sum L1(out1, out3, out5).

    Args:
        logits: N x C x h x w; maps: the auxiliaries of a network in training mode; mask:
            N x H x W ids, 255 ignored. Auxiliary maps are compared at their own resolution.
    """
    full = F.interpolate(logits.float(), mask.shape[-2:], mode='bilinear', align_corners=False)
    loss = ohem_cross_entropy(full, mask, threshold=OHEM_THRESHOLD)
    for name, output in maps.items():
        small = F.interpolate(mask[:, None].float(), output.shape[-2:], mode='nearest')[:, 0]
        if output.shape[1] == 2 and name in ('out1', 'out3', 'out5'):
            loss = loss + DISTANCES * (output.float() - foreground_distance(small)).abs().mean()
        elif (small != 255).any():
            loss = loss + CLASSES * F.cross_entropy(output.float(), small.long(), ignore_index=255)
    return loss


def foreground_distance(mask: Tensor) -> Tensor:
    """Signed distance maps of background and foreground, N x 2 x H x W, -1..1.

    Positive inside, divided by the largest distance on either side of the outline; -1 or 1
    everywhere where there is only one of the two.

    Args:
        mask: N x H x W ids; every id but 0 and 255 is foreground.
    """
    foreground = (mask != 0) & (mask != 255)
    inside, outside = distance_to(~foreground), distance_to(foreground)
    signed = _unit(inside) - _unit(outside)
    return torch.stack([-signed, signed], 1)


def distance_to(flags: Tensor) -> Tensor:
    """Distance, px, of every pixel to the nearest flagged one: N x H x W; infinite without one.

    Exact: first along the columns, then, from squares, along the rows.
    """
    height, width = flags.shape[-2:]
    rows, columns = (
        (torch.arange(side)[:, None] - torch.arange(side)).square().float().to(flags.device)
        for side in (height, width)
    )
    cost = torch.zeros(flags.shape, device=flags.device).masked_fill(~flags, torch.inf)
    down = (cost[:, None] + rows[None, :, :, None]).amin(2)                  # N H W
    return (down[:, :, None] + columns[None, None]).amin(3).sqrt()           # N H W


def _unit(distance: Tensor) -> Tensor:
    """Divide by the image's largest value; what is infinite everywhere becomes 1."""
    distance = torch.where(torch.isinf(distance), 1.0, distance)
    return distance / distance.amax((1, 2), keepdim=True).clamp_min(1e-6)
