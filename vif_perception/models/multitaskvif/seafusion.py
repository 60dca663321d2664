"""Host H1: SeAFusion (L. Tang et al., Information Fusion 2022), dense blocks beside gradients."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.models.blocks import ConvBN, unit_range
from vif_perception.models.multitaskvif.host import FusionHost, HostFeatures, conv_leaky

#: Channels of a stream: after its first convolution and after each gradient block.
STREAM = (16, 32, 48)


class Gradient(nn.Module):
    """Size of the derivatives of every channel; starts as Sobel and goes on learning."""

    def __init__(self, channels: int):
        super().__init__()
        sobel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
        self.across, self.down = (
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
            for _ in range(2)
        )
        with torch.no_grad():
            self.across.weight.copy_(sobel)
            self.down.weight.copy_(sobel.t())

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, H, W)."""
        return self.across(x).abs() + self.down(x).abs()


class GradientResidualDense(nn.Module):
    """GRDB: two densely connected convolutions, with a branch that carries the gradient."""

    def __init__(self, cin: int, cout: int):
        super().__init__()
        self.first = conv_leaky(cin, cin)
        self.second = conv_leaky(2 * cin, cin)
        self.main = nn.Conv2d(3 * cin, cout, 1)
        self.gradient = nn.Sequential(Gradient(cin), nn.Conv2d(cin, cout, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, cin, H, W) to (N, cout, H, W)."""
        seen = torch.cat([x, self.first(x)], 1)                              # N 2cin H W
        seen = torch.cat([seen, self.second(seen)], 1)                       # N 3cin H W
        return F.leaky_relu(self.main(seen) + self.gradient(x), 0.1)


class SeAFusionHost(FusionHost):
    """Two streams of two gradient blocks, concatenated."""

    channels = 2 * STREAM[-1]

    def __init__(self) -> None:
        super().__init__()
        self.rgb, self.thermal = (
            nn.Sequential(
                conv_leaky(1, STREAM[0]), GradientResidualDense(STREAM[0], STREAM[1]),
                GradientResidualDense(STREAM[1], STREAM[2]),
            )
            for _ in range(2)
        )

    def forward(self, y: Tensor, thermal: Tensor) -> HostFeatures:
        """Return both streams, 96 channels at H."""
        return HostFeatures(torch.cat([self.rgb(y), self.thermal(thermal)], 1))

    def decoder(self) -> nn.Module:
        """Build the published decoder."""
        return SeAFusionDecoder()


class SeAFusionDecoder(nn.Module):
    """Four convolutions: 96, 64, 32, 16, 1 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(*[
            nn.Sequential(ConvBN(cin, cout, relu=False), nn.LeakyReLU(0.2))
            for cin, cout in ((2 * STREAM[-1], 64), (64, 32), (32, 16))
        ])
        self.image = nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, features: HostFeatures, y: Tensor, thermal: Tensor) -> Tensor:
        """Return the fused luma (N, 1, H, W), 0..1."""
        return unit_range(self.image(self.body(features.full)))
