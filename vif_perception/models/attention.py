"""Transformer blocks whose attention is between channels, so its cost is linear in the pixels.

MDTA is Restormer's (arXiv 2111.09881), LeFF Uformer's (arXiv 2106.03106).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of each pixel."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, h, w)."""
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class LocalMix(nn.Sequential):
    """Projection of MDTA: a linear map of the channels, then a 3x3 for each of them."""

    def __init__(self, cin: int, cout: int):
        super().__init__(
            nn.Conv2d(cin, cout, 1, bias=False),
            nn.Conv2d(cout, cout, 3, padding=1, groups=cout, bias=False),
        )


def channel_attention(queries: Tensor, keys: Tensor, values: Tensor, tau: Tensor) -> Tensor:
    """Mix the channels of ``values`` by how alike queries and keys are over all pixels.

    Args:
        queries, keys, values: N x C x h x w.
        tau: heads x 1 x 1, factor on the cosines; its length is the number of heads.
    """
    n, c, h, w = queries.shape
    heads = len(tau)
    q, k, v = (x.reshape(n, heads, c // heads, h * w) for x in (queries, keys, values))
    q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
    affinity = (q @ k.transpose(-2, -1) * tau).softmax(-1)                   # N heads c c
    return (affinity @ v).reshape(n, c, h, w)


class MDTA(nn.Module):
    """Multi-head transposed attention: C/heads x C/heads affinities over all pixels."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.project = LocalMix(channels, 3 * channels)
        self.out = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, h, w)."""
        queries, keys, values = self.project(x).chunk(3, 1)
        return self.out(channel_attention(queries, keys, values, self.temperature))


class LeFF(nn.Module):
    """Locally enhanced feed-forward: a depthwise 3x3 between the two linear layers."""

    def __init__(self, channels: int, expansion: int):
        super().__init__()
        hidden = expansion * channels
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

    def __init__(self, channels: int, heads: int, expansion: int):
        super().__init__()
        self.attention = nn.Sequential(ChannelNorm(channels), MDTA(channels, heads))
        self.feed = nn.Sequential(ChannelNorm(channels), LeFF(channels, expansion))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, h, w)."""
        x = x + self.attention(x)
        return x + self.feed(x)
