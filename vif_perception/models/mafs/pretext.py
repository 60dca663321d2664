"""Stage I of MAFS: hide cells of both cameras, never the same cell in both.

As the cells are hidden independently and one camera may be hidden almost whole, reconstructing
them is largely predicting one camera from the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

#: Cells along each side of the image.
CELLS = 8
#: Smallest keep-probability, and the divisor of the uniform number added to it.
LEAST, SPREAD = 0.1, 1.12
#: Weight of a reconstruction's intensity and curvature; share of the regions that were visible.
WEIGHT, VISIBLE = 5.0, 0.1
#: Second derivatives xx + xy + yy of a 3x3 neighbourhood, in one kernel.
CURVATURE = ((0.25, 1.0, -0.25), (1.0, -4.0, 1.0), (-0.25, 1.0, 0.25))


@dataclass(frozen=True)
class MaskedPair:
    """Input of stage I.

    Attributes:
        rgb: N x 3 x H x W; thermal: N x 1 x H x W: images with noise in the hidden cells, 0..1.
        seen_rgb, seen_thermal: N x 1 x H x W, 1 where the image is as it was, 0 where hidden.
    """

    rgb: Tensor
    thermal: Tensor
    seen_rgb: Tensor
    seen_thermal: Tensor


def masked_pair(
    rgb: Tensor, thermal: Tensor, generator: torch.Generator | None = None
) -> MaskedPair:
    """Hide cells of N x 3 x H x W and N x 1 x H x W.

    Args:
        generator: of random numbers on the CPU; without one torch's own draws, the noise on the
            images' device.
    """
    seen = cell_masks(keep_probability(len(rgb), generator), generator)
    seen_rgb, seen_thermal = (enlarged(mask.to(rgb), rgb) for mask in seen)
    return MaskedPair(
        hidden(rgb, seen_rgb, generator), hidden(thermal, seen_thermal, generator),
        seen_rgb, seen_thermal,
    )


def keep_probability(count: int, generator: torch.Generator | None) -> Tensor:
    """One p a sample, in 0.1..0.993: (N,)."""
    return LEAST + torch.rand(count, generator=generator) / SPREAD


def cell_masks(p: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Draw which cells of rgb and of thermal stay: two N x 1 x 8 x 8 of 0 or 1, from p (N,).

    A cell stays with p squared; one that neither keeps is given to the first grid with p
    squared, else to the second. Then the two grids are exchanged in half of the samples.
    """
    shape = (len(p), 1, CELLS, CELLS)
    # The product of two draws with p is one draw with p squared.
    first, second, chooser = (
        torch.rand(shape, generator=generator) < p.square()[:, None, None, None]
        for _ in range(3)
    )
    neither = ~(first | second)
    first, second = first | (neither & chooser), second | (neither & ~chooser)
    swap = torch.rand((len(p), 1, 1, 1), generator=generator) < 0.5
    return (
        torch.where(swap, second, first).float(), torch.where(swap, first, second).float()
    )


def enlarged(cells: Tensor, image: Tensor) -> Tensor:
    """Spread (N, 1, 8, 8) cells over the pixels of an image of any size."""
    rows, columns = (
        torch.arange(side, device=cells.device) * CELLS // side for side in image.shape[-2:]
    )
    return cells[:, :, rows[:, None], columns]


def hidden(image: Tensor, seen: Tensor, generator: torch.Generator | None) -> Tensor:
    """Exchange what is not seen for uniform noise 0..1, not for black: black is a grey value."""
    if generator is None:
        noise = torch.rand(image.shape, device=image.device).to(image)
    else:
        noise = torch.rand(image.shape, generator=generator).to(image)
    return torch.where(seen > 0, image, noise)


def reconstruction_loss(output: Tensor, pair: MaskedPair, y: Tensor, thermal: Tensor) -> Tensor:
    """L_I: the one output against luma where rgb was hidden, against thermal where that was.

    What was visible counts a tenth. Each part is a mean over its own region, so that the weight of
    a sample does not depend on how much of it was hidden.

    Args:
        output, y, thermal: N x 1 x H x W, 0..1; y and thermal as they were before hiding.
    """
    loss = output.new_zeros(())
    for target, seen in ((y, pair.seen_rgb), (thermal, pair.seen_thermal)):
        error = (output - target).abs() + (curvature(output) - curvature(target)).abs()
        loss = loss + WEIGHT * region_mean(error, 1 - seen)
        loss = loss + VISIBLE * WEIGHT * region_mean(error, seen)
    return loss


def curvature(image: Tensor) -> Tensor:
    """Magnitude of the summed second derivatives of N x 1 x H x W, per px squared."""
    kernel = torch.tensor(CURVATURE, dtype=image.dtype, device=image.device)
    return F.conv2d(F.pad(image, (1, 1, 1, 1), mode='replicate'), kernel[None, None]).abs()


def region_mean(values: Tensor, region: Tensor) -> Tensor:
    """Mean over the pixels where ``region`` is 1; 0 where there are none."""
    return (values * region).sum() / region.sum().clamp_min(1)
