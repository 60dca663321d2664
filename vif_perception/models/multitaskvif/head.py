"""Multi-task head: shared neck, fusion head, segmentation head, optional exchange between them.

The paper does not list the layers of its head; these are ours, from parts the field knows:
pyramid pooling (PSPNet, arXiv 1612.01105), all-MLP merge (SegFormer, arXiv 2105.15203).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from vif_perception.models.blocks import ConvBN, Residual, resize, unit_range
from vif_perception.models.mafs.fusion import PHF
from vif_perception.models.multitaskvif.host import HostFeatures

#: Side of the grids that the context pools to.
BINS = (1, 2, 3, 6)


class Neck(nn.Sequential):
    """S0, what both tasks share: 1x1 and two residual blocks at full resolution."""

    def __init__(self, cin: int, width: int):
        super().__init__(ConvBN(cin, width, kernel=1), Residual(width), Residual(width))


class FusionHead(nn.Module):
    """S0 to the fused luma."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width // 2, 3, padding=1), nn.ReLU(),
            nn.Conv2d(width // 2, width // 4, 3, padding=1), nn.ReLU(),
            nn.Conv2d(width // 4, 1, 3, padding=1),
        )

    def forward(self, s0: Tensor) -> Tensor:
        """Map (N, width, H, W) to (N, 1, H, W), 0..1."""
        return unit_range(self.body(s0))


class PyramidPooling(nn.Module):
    """What the whole image, its halves, thirds and sixths say, beside every pixel.

    No BatchNorm on the pooled grids: a lone image has no variance at the coarsest.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.views = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, channels // 4, 1), nn.ReLU()) for _ in BINS
        )
        self.join = ConvBN(channels + len(BINS) * (channels // 4), channels, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, h, w)."""
        seen = [
            resize(view(grid_means(x, bins)), x)
            for view, bins in zip(self.views, BINS, strict=True)
        ]
        return self.join(torch.cat([x, *seen], 1))


class SegmentationHead(nn.Module):
    """S0 and the host's pyramid, if it has one, to class logits at H/4.

    Args:
        width: channels of S0; S1..S4 have 1, 1.5, 2 and 2.5 times as many.
        pyramid: channels of the host's F1, F2, F3, added to S1, S2, S3; may be empty.
    """

    def __init__(self, width: int, classes: int, pyramid: Sequence[int] = ()):
        super().__init__()
        widths = tuple(width * share // 2 for share in (2, 3, 4, 5))
        self.merged = width * 3 // 2
        self.stem = nn.ModuleList(
            ConvBN(cin, cout, stride=2) for cin, cout in pairwise((width, *widths))
        )
        self.laterals = nn.ModuleList(
            nn.Conv2d(cin, cout, 1) for cin, cout in zip(pyramid, widths, strict=False)
        )
        self.context = PyramidPooling(widths[-1])
        self.projections = nn.ModuleList(nn.Conv2d(c, self.merged, 1) for c in widths)
        self.merge = ConvBN(4 * self.merged, self.merged, kernel=1)
        self.score = nn.Sequential(nn.Dropout2d(0.1), nn.Conv2d(self.merged, classes, 1))

    def forward(self, s0: Tensor, pyr: Sequence[Tensor] = ()) -> tuple[Tensor, Tensor, Tensor]:
        """Return S1 (H/2), the merged features (H/4) and the logits (H/4)."""
        levels = []
        for index, down in enumerate(self.stem):
            s0 = down(s0)
            if index < len(self.laterals):
                s0 = s0 + self.laterals[index](pyr[index])
            levels.append(s0)
        levels[-1] = self.context(levels[-1])
        merged = self.merge(torch.cat([
            resize(project(level), levels[1])
            for project, level in zip(self.projections, levels, strict=True)
        ], 1))
        return levels[0], merged, self.score(merged)


class TaskExchange(nn.Module):
    """What the mask knows conditions the fusion: a PHF gate at H/2, added to S0."""

    def __init__(self, width: int, condition: int):
        super().__init__()
        self.gate = PHF(width, condition)

    def forward(self, s0: Tensor, s1: Tensor, merged: Tensor) -> Tensor:
        """Return S0 with the gated S1 on top."""
        return s0 + resize(self.gate(s1, merged), s0)


class MultiTaskHead(nn.Module):
    """Both tasks on one host, in one stage.

    Args:
        fuses: whether the head makes the fused image; False: the host's decoder does.
        exchange: let the mask's features condition the fusion head.
    """

    def __init__(
        self, cin: int, pyramid: Sequence[int], width: int, classes: int, *, fuses: bool = True,
        exchange: bool = False,
    ):
        super().__init__()
        self.neck = Neck(cin, width)
        self.segmentation = SegmentationHead(width, classes, pyramid)
        self.fusion = FusionHead(width) if fuses else None
        self.exchange = TaskExchange(width, self.segmentation.merged) if exchange else None

    def forward(self, features: HostFeatures) -> tuple[Tensor | None, Tensor]:
        """Return the fused luma (N, 1, H, W), None without a fusion head, and logits at H/4."""
        s0 = self.neck(features.full)
        s1, merged, logits = self.segmentation(s0, features.pyr)
        if self.fusion is None:
            return None, logits
        if self.exchange is not None:
            s0 = self.exchange(s0, s1, merged)
        return self.fusion(s0), logits


class Segmenter(nn.Module):
    """The second network of a cascade: neck and segmentation head on the fused image."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.neck = Neck(3, width)
        self.head = SegmentationHead(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, 3, H, W), 0..1, to logits at H/4."""
        return self.head(self.neck(image))[2]


def grid_means(x: Tensor, bins: int) -> Tensor:
    """Mean of each cell of a bins x bins grid, as adaptive average pooling.

    Written with slices: ONNX has no adaptive pooling for sides that bins does not divide.
    """
    for dim in (2, 3):
        side = x.shape[dim]
        x = torch.cat([
            x.narrow(dim, i * side // bins, -(-(i + 1) * side // bins) - i * side // bins)
            .mean(dim, keepdim=True) for i in range(bins)
        ], dim)
    return x
