"""Host H2: CDDFuse (Z. Zhao et al., CVPR 2023): Restormer base path, invertible detail path.

One encoder serves both cameras. What they share in the large is the base, mixed by attention;
what is fine is the detail, kept whole by coupling layers; each is summed over the cameras and
fused by one more layer of its own kind.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.models.attention import MDTA, ChannelNorm
from vif_perception.models.multitaskvif.host import FusionHost, HostFeatures

#: Channels, attention heads, Transformer blocks before and after the split, detail layers.
DIM, HEADS, BLOCKS, DETAIL_LAYERS = 64, 8, 4, 3


class BaseAttention(MDTA):
    """MDTA whose 3x3 mixes all channels, as published for the base path only."""

    def __init__(self, channels: int, heads: int):
        super().__init__(channels, heads)
        self.project[1] = nn.Conv2d(3 * channels, 3 * channels, 3, padding=1, bias=False)


class GatedFeed(nn.Module):
    """GDFN of Restormer: one half of the channels opens the other.

    Args:
        hidden: channels after the gate; groups: of the 3x3 before it, on twice as many.
    """

    def __init__(self, channels: int, hidden: int, groups: int):
        super().__init__()
        self.spread = nn.Sequential(
            nn.Conv2d(channels, 2 * hidden, 1, bias=False),
            nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=groups, bias=False),
        )
        self.out = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, H, W)."""
        gate, value = self.spread(x).chunk(2, 1)
        return self.out(F.gelu(gate) * value)


class Transformer(nn.Module):
    """Pre-norm channel attention and gated feed-forward, each beside an identity."""

    def __init__(self, attention: nn.Module, feed: nn.Module):
        super().__init__()
        self.attention = nn.Sequential(ChannelNorm(DIM), attention)
        self.feed = nn.Sequential(ChannelNorm(DIM), feed)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, H, W)."""
        x = x + self.attention(x)
        return x + self.feed(x)


class InvertedResidual(nn.Sequential):
    """MobileNetV2 bottleneck without norm: 1x1 to twice the channels, depthwise 3x3, 1x1."""

    def __init__(self, channels: int):
        wide = 2 * channels
        super().__init__(
            nn.Conv2d(channels, wide, 1, bias=False), nn.ReLU6(),
            nn.Conv2d(
                wide, wide, 3, padding=1, groups=wide, bias=False, padding_mode='reflect'
            ),
            nn.ReLU6(), nn.Conv2d(wide, channels, 1, bias=False),
        )


class DetailNode(nn.Module):
    """1x1 shuffle and affine coupling of two halves; nothing is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.shuffle = nn.Conv2d(DIM, DIM, 1)
        self.phi, self.rho, self.eta = (InvertedResidual(DIM // 2) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, H, W)."""
        z1, z2 = self.shuffle(x).chunk(2, 1)
        z2 = z2 + self.phi(z1)
        z1 = z1 * torch.exp(self.rho(z2)) + self.eta(z2)
        return torch.cat([z1, z2], 1)

    def inverse(self, y: Tensor) -> Tensor:
        """Undo ``forward``."""
        z1, z2 = y.chunk(2, 1)
        z1 = (z1 - self.eta(z2)) * torch.exp(-self.rho(z2))
        mixed = torch.cat([z1, z2 - self.phi(z1)], 1)
        matrix = torch.linalg.inv(self.shuffle.weight[:, :, 0, 0])
        assert self.shuffle.bias is not None
        return F.conv2d(mixed - self.shuffle.bias[:, None, None], matrix[:, :, None, None])


class CDDFuseHost(FusionHost):
    """Shared encoder, and the two layers that fuse base and detail."""

    channels = 2 * DIM

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, DIM, 3, padding=1, bias=False)
        self.common = restormer()
        self.base, self.fuse_base = base_layer(), base_layer()
        self.detail = nn.Sequential(*[DetailNode() for _ in range(DETAIL_LAYERS)])
        self.fuse_detail = DetailNode()

    def forward(self, y: Tensor, thermal: Tensor) -> HostFeatures:
        """Return fused base and fused detail, 128 channels at H."""
        rgb, heat = (self.common(self.embed(image)) for image in (y, thermal))
        base = self.fuse_base(self.base(rgb) + self.base(heat))
        detail = self.fuse_detail(self.detail(rgb) + self.detail(heat))
        return HostFeatures(torch.cat([base, detail], 1))

    def decoder(self) -> nn.Module:
        """Build the published decoder."""
        return CDDFuseDecoder()


class CDDFuseDecoder(nn.Module):
    """Restormer blocks whose output corrects the luma."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(2 * DIM, DIM, 1, bias=False)
        self.body = restormer()
        self.image = nn.Sequential(
            nn.Conv2d(DIM, DIM // 2, 3, padding=1, bias=False), nn.LeakyReLU(),
            nn.Conv2d(DIM // 2, 1, 3, padding=1, bias=False),
        )

    def forward(self, features: HostFeatures, y: Tensor, thermal: Tensor) -> Tensor:
        """Return the fused luma (N, 1, H, W), 0..1."""
        x = self.image(self.body(self.reduce(features.full)))
        return torch.sigmoid(x.float() + y.float())


def restormer() -> nn.Sequential:
    """Blocks of depthwise attention and feed-forward of twice the channels."""
    return nn.Sequential(*[
        Transformer(MDTA(DIM, HEADS), GatedFeed(DIM, 2 * DIM, groups=4 * DIM))
        for _ in range(BLOCKS)
    ])


def base_layer() -> Transformer:
    """One layer of the base path."""
    return Transformer(BaseAttention(DIM, HEADS), GatedFeed(DIM, DIM, groups=DIM))
