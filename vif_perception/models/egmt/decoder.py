"""Up-path of EGMT to the fused luma, and the mask head."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from vif_perception.models.attention import Block, ChannelNorm
from vif_perception.models.egmt.streams import HEADS


class Up(nn.Sequential):
    """Doubles the resolution: linear map of the channels, then pixel shuffle."""

    def __init__(self, coarse: int, fine: int):
        super().__init__(nn.Conv2d(coarse, 4 * fine, 1), nn.PixelShuffle(2))


class FusionDecoder(nn.Module):
    """U-Net up-path from H/8; every level adds what the cameras have there."""

    def __init__(self, dims: Sequence[int], expansion: int):
        super().__init__()
        self.ups = nn.ModuleList(
            Up(coarse, fine) for fine, coarse in pairwise(dims)
        )
        self.blocks = nn.ModuleList(
            Block(dim, heads, expansion) for dim, heads in zip(dims[:-1], HEADS, strict=False)
        )
        self.out = nn.Conv2d(dims[0], 1, 3, padding=1)

    def forward(self, skips: Sequence[Tensor], coarsest: Tensor) -> tuple[Tensor, Tensor]:
        """Decode.

        Args:
            skips: features at H, H/2, H/4; coarsest: at H/8.

        Returns:
            Luma N x 1 x H x W, 0..1, and the features at H/4.
        """
        steps = [*zip(self.ups, self.blocks, skips, strict=True)]
        x = coarsest
        features: list[Tensor] = []
        for up, block, skip in reversed(steps):
            x = block(up(x) + skip)
            features.append(x)
        return (torch.tanh(self.out(x)) + 1) / 2, features[0]


class MaskHead(nn.Sequential):
    """Class logits at H/4. Ours: the published network has no segmentation output."""

    def __init__(self, channels: int, classes: int):
        hidden = channels // 2
        super().__init__(
            ChannelNorm(channels), nn.Conv2d(channels, hidden, 1), nn.GELU(),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden), nn.GELU(),
            nn.Conv2d(hidden, classes, 1),
        )
