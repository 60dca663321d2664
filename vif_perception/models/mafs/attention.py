"""Entrance and attention gates of the MAFS encoder: FReLU, SFE, DEM.

Names as in the figure of MAFS (arXiv 2509.11817); DEM is the explicit attention-enhanced fusion of
EAEFNet (arXiv 2303.15710), with two streams going out instead of one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.models.blocks import ConvBN


class FReLU(nn.Module):
    """Funnel activation: the larger of a pixel and what its 3x3 neighbourhood says."""

    def __init__(self, channels: int):
        super().__init__()
        self.funnel = ConvBN(channels, channels, groups=channels, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, h, w)."""
        return torch.maximum(x, self.funnel(x))


class SFE(nn.Module):
    """Shallow feature extraction of one camera, in place of the backbone's own stem.

    Args:
        cin: channels of the camera; shallow: channels of F1; deep: channels of F2, the width that
            the backbone's first stage takes. The last BatchNorm and ReLU stand where the
            backbone has its ``bn1``.
    """

    def __init__(self, cin: int, shallow: int, deep: int):
        super().__init__()
        self.part1 = nn.Sequential(
            ConvBN(cin, shallow, kernel=7, relu=False), FReLU(shallow),
            ConvBN(shallow, shallow, relu=False), FReLU(shallow),
        )
        self.part2 = nn.Sequential(
            ConvBN(shallow, deep, stride=2, relu=False), FReLU(deep), ConvBN(deep, deep)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, cin, H, W) to F1 (N, shallow, H, W) and F2 (N, deep, H/2, W/2)."""
        f1 = self.part1(image)
        return f1, self.part2(f1)


class DEM(nn.Module):
    """Attention gate between the two streams, before a stage of the backbone.

    Channels in which the cameras agree (large ``s``) are re-weighted together; channels in which
    they differ pass as they are. Then every pixel is shared out between the cameras.
    """

    def __init__(self, channels: int):
        super().__init__()
        c = channels
        self.describe = nn.Sequential(nn.Linear(c, 2 * c), nn.GELU(), nn.Linear(2 * c, c))
        self.tau = nn.Parameter(torch.tensor(float(c)))
        self.wide = nn.Conv2d(2 * c, 2 * c, 7, padding=3, groups=c)
        self.excite = nn.Sequential(
            nn.Linear(2 * c, c // 8), nn.GELU(), nn.Linear(c // 8, 2 * c), nn.Sigmoid()
        )
        self.score_rgb = nn.Conv2d(c, 1, 1, bias=False)
        self.score_thermal = nn.Conv2d(c, 1, 1, bias=False)

    def forward(self, rgb: Tensor, thermal: Tensor) -> tuple[Tensor, Tensor]:
        """Return both streams gated, shapes (N, C, h, w) kept."""
        s = self.cross_gate(rgb, thermal)                                    # N C 1 1
        agreed = torch.cat([s * rgb, s * thermal], 1)                        # N 2C h w
        u = self.excite(self.wide(agreed).amax((2, 3)))[:, :, None, None]    # N 2C 1 1
        u_rgb, u_thermal = (u * agreed).chunk(2, 1)                          # 2 x N C h w
        rgb, thermal = (1 - s) * rgb + u_rgb, (1 - s) * thermal + u_thermal
        scores = torch.cat([self.score_rgb(rgb), self.score_thermal(thermal)], 1)
        w_rgb, w_thermal = scores.softmax(1).chunk(2, 1)                     # 2 x N 1 h w
        shared = w_thermal * thermal
        return w_rgb * rgb + shared, shared  # only the RGB stream takes both: as published

    def cross_gate(self, rgb: Tensor, thermal: Tensor) -> Tensor:
        """Agreement per channel, (N, C, 1, 1), 0..1.

        The published code forms the C x C product of both descriptions and reads its diagonal
        only; the element-wise product is that diagonal.
        """
        a, b = (F.normalize(self.describe(x.mean((2, 3))), dim=1) for x in (rgb, thermal))
        return torch.sigmoid(self.tau * a * b)[:, :, None, None]
