"""Up-path of EGMT to the fused luma, and the mask head."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from vif_perception.models.attention import Block, ChannelNorm
from vif_perception.models.blocks import resize, unit_range
from vif_perception.models.egmt.streams import HEADS


class FusionDecoder(nn.Module):
    """U-Net up-path from H/8; every level adds what the cameras have there.

    Stripes and checkers of 2 px are invisible to Sobel, so no loss would unlearn them: the way up
    is bilinear, which cannot paint them, and what reaches the tanh has unit size, so that it
    starts in its linear part.
    """

    def __init__(self, dims: Sequence[int], expansion: int):
        super().__init__()
        self.ups = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(dims))
        self.blocks = nn.ModuleList(
            Block(dim, heads, expansion) for dim, heads in zip(dims[:-1], HEADS, strict=False)
        )
        self.out = nn.Sequential(ChannelNorm(dims[0]), nn.Conv2d(dims[0], 1, 3, padding=1))

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
            x = block(resize(up(x), skip) + skip)
            features.append(x)
        return unit_range(self.out(x)), features[0]


class MaskHead(nn.Sequential):
    """Class logits at H/4. Ours: the published network has no segmentation output."""

    def __init__(self, channels: int, classes: int):
        hidden = 2 * channels
        super().__init__(
            ChannelNorm(channels), nn.Conv2d(channels, hidden, 1), nn.GELU(),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden), nn.GELU(),
            nn.Conv2d(hidden, classes, 1),
        )
