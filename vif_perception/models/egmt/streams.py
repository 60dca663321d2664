"""The two encoders of EGMT and what stands in for a missing camera."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from vif_perception.models.attention import Block

#: Attention heads at H, H/2, H/4, H/8, as in Restormer.
HEADS = (1, 2, 4, 8)


class Stream(nn.Module):
    """Encoder of one camera: features at H, H/2, H/4, H/8.

    Args:
        cin: channels of the camera; dims: channels per level; blocks: Transformer blocks per
            level; expansion: of their feed-forward part.
    """

    def __init__(self, cin: int, dims: Sequence[int], blocks: int, expansion: int):
        super().__init__()
        self.stem = nn.Conv2d(cin, dims[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * fine, coarse, 1))
            for fine, coarse in pairwise(dims)
        )
        self.levels = nn.ModuleList(
            nn.Sequential(*[Block(dim, heads, expansion) for _ in range(blocks)])
            for dim, heads in zip(dims, HEADS, strict=True)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (N, cin, H, W) to four levels, (N, dims[i], H / 2^i, W / 2^i)."""
        features = [self.levels[0](self.stem(image))]
        for down, level in zip(self.down, self.levels[1:], strict=True):
            features.append(level(down(features[-1])))
        return features


class Missing(nn.Module):
    """Learned stand-in for the features of an absent camera, one vector per level."""

    def __init__(self, dims: Sequence[int]):
        super().__init__()
        self.vectors = nn.ParameterList(torch.zeros(1, dim, 1, 1) for dim in dims)

    def forward(self, features: list[Tensor], has: Tensor) -> list[Tensor]:
        """Replace all levels of the images whose flag ``has`` (N x 1 x 1 x 1) is False."""
        return [
            torch.where(has, level, vector.to(level.dtype))
            for vector, level in zip(self.vectors, features, strict=True)
        ]
