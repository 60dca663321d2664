"""Inverted pyramid Transformer of MAFS's segmentation decoder: UpEmbed and three stages.

The pyramid grows from coarse to fine as in InvPT (arXiv 2203.07997); the blocks are MDTA and
LeFF, see :mod:`vif_perception.models.attention`.
"""

from __future__ import annotations

from torch import Tensor, nn

from vif_perception.models.attention import Block, ChannelNorm
from vif_perception.models.blocks import ConvBN, resize

#: Attention heads, and channels of LeFF per channel of its input.
HEADS, EXPANSION = 2, 4


class UpEmbed(nn.Sequential):
    """Doubles the resolution: bilinear, then two dilated 3x3 convolutions."""

    def __init__(self, channels: int):
        super().__init__(
            nn.Upsample(scale_factor=2.0, mode='bilinear', align_corners=False),
            ConvBN(channels, channels, dilation=2), ConvBN(channels, channels, dilation=2),
        )


class InvertedPyramid(nn.Module):
    """Three Transformer stages at H/16, H/8, H/4; their sum at H/2."""

    def __init__(self, channels: int):
        super().__init__()
        self.grow = nn.ModuleList(UpEmbed(channels) for _ in range(2))
        self.stages = nn.ModuleList(Block(channels, HEADS, EXPANSION) for _ in range(3))
        self.norms = nn.ModuleList(ChannelNorm(channels) for _ in range(3))
        self.out = ConvBN(channels, channels)

    def forward(self, start: Tensor, skips: tuple[Tensor, Tensor], like: Tensor) -> Tensor:
        """Return features (N, C, H/2, W/2).

        Args:
            start: (N, C, H/16, W/16); skips: H/8 and H/4; like: any map at H/2.
        """
        x = self.norms[0](self.stages[0](start))
        total = resize(x, like)
        for grow, skip, stage, norm in zip(
            self.grow, skips, self.stages[1:], self.norms[1:], strict=True
        ):
            x = norm(stage(grow(x) + skip))
            total = total + resize(x, like)
        return self.out(total)
