"""Inverted pyramid Transformer of MAFS's segmentation decoder: MDTA, LeFF, UpEmbed.

The pyramid grows from coarse to fine as in InvPT (arXiv 2203.07997); attention is between
channels as in Restormer (arXiv 2111.09881), so its cost is linear in the pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.models.blocks import ConvBN, resize

#: Attention heads, and channels of LeFF per channel of its input.
HEADS, EXPANSION = 2, 4


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of each pixel."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, h, w)."""
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class MDTA(nn.Module):
    """Multi-head transposed attention: C/heads x C/heads affinities over all pixels."""

    def __init__(self, channels: int, heads: int = HEADS):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.project = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.mix = nn.Conv2d(
            3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=False
        )
        self.out = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, h, w)."""
        n, c, h, w = x.shape
        heads = len(self.temperature)
        qkv = self.mix(self.project(x)).reshape(n, 3, heads, c // heads, h * w)
        q, k, v = qkv.unbind(1)                                              # N heads c hw
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        affinity = (q @ k.transpose(-2, -1) * self.temperature).softmax(-1)  # N heads c c
        return self.out((affinity @ v).reshape(n, c, h, w))


class LeFF(nn.Module):
    """Locally enhanced feed-forward: a depthwise 3x3 between the two linear layers."""

    def __init__(self, channels: int):
        super().__init__()
        hidden = EXPANSION * channels
        self.body = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.GELU(),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden), nn.GELU(),
            nn.Conv2d(hidden, channels, 1), nn.GELU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, h, w)."""
        return x + self.body(x)


class Block(nn.Module):
    """Pre-norm attention and feed-forward, each beside an identity."""

    def __init__(self, channels: int):
        super().__init__()
        self.attention = nn.Sequential(ChannelNorm(channels), MDTA(channels))
        self.feed = nn.Sequential(ChannelNorm(channels), LeFF(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, h, w)."""
        x = x + self.attention(x)
        return x + self.feed(x)


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
        self.stages = nn.ModuleList(Block(channels) for _ in range(3))
        self.norms = nn.ModuleList(ChannelNorm(channels) for _ in range(3))
        self.out = ConvBN(channels, channels)

    def forward(self, start: Tensor, skips: tuple[Tensor, Tensor], like: Tensor) -> Tensor:
        """Return features (N, C, H/2, W/2).

        Args:
            start: (N, C, H/16, W/16); skips: H/8 and H/4; like: any map at H/2.
        """
        x = self.stages[0](start)
        total = resize(self.norms[0](x), like)
        for grow, skip, stage, norm in zip(
            self.grow, skips, self.stages[1:], self.norms[1:], strict=True
        ):
            x = stage(grow(x) + skip)
            total = total + resize(norm(x), like)
        return self.out(total)
