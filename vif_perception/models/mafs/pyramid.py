"""First half of MAFS's segmentation decoder: pixel decoder, auxiliary refinement, wide views."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.models.blocks import ConvBN, resize

#: One feature map a level: H/4, H/8, H/16, H/32.
Levels = tuple[Tensor, Tensor, Tensor, Tensor]


class FPN(nn.Module):
    """Pixel decoder: top-down path with lateral connections, GroupNorm of two channels a group."""

    def __init__(self, width: int):
        super().__init__()
        self.lateral = nn.ModuleList(_grouped(width, kernel=1) for _ in range(3))
        self.smooth = nn.ModuleList(
            nn.Sequential(_grouped(width, kernel=3), nn.ReLU()) for _ in range(4)
        )

    def forward(self, levels: Levels) -> Levels:
        """Map f3..f6 to p3..p6, shapes kept."""
        f3, f4, f5, f6 = levels
        p6 = self.smooth[3](f6)
        p5 = self.smooth[2](self.lateral[2](f5) + nearest(p6))
        p4 = self.smooth[1](self.lateral[1](f4) + nearest(p5))
        p3 = self.smooth[0](self.lateral[0](f3) + nearest(p4))
        return p3, p4, p5, p6


class WideConv(nn.Module):
    """3x3 convolutions side by side with growing dilation, joined by a 1x1."""

    def __init__(self, cin: int, width: int, dilations: Sequence[int]):
        super().__init__()
        self.views = nn.ModuleList(ConvBN(cin, width, dilation=rate) for rate in dilations)
        self.join = ConvBN(width * len(dilations), width, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, cin, h, w) to (N, width, h, w)."""
        return self.join(torch.cat([view(x) for view in self.views], 1))


class ARM(nn.Module):
    """Auxiliary refinement of one level by the level above it."""

    def __init__(self, width: int):
        super().__init__()
        self.wide = WideConv(3 * width, width, (1, 2, 4))
        self.reduce = ConvBN(width, width, kernel=1)

    def forward(self, low: Tensor, previous: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Return the odd and the even output (N, C, h, w).

        Args:
            low: features of this level, (N, C, h, w).
            previous, high: odd and even output of the level above, both (N, C, h/2, w/2); for
                the first level the encoder's and the pixel decoder's features there.
        """
        previous, high = resize(previous, low), resize(high, low)
        attention = self.wide(torch.cat([low, previous, high], 1))
        reduced = self.reduce(high)
        odd = attention * reduced
        return odd, odd + reduced


class Refinement(nn.Module):
    """Coarse to fine: ARM at f5, f4, f3, and the six maps that only training reads."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.arms = nn.ModuleList(ARM(width) for _ in range(3))
        self.foreground, self.classes = (
            nn.ModuleList(
                nn.Sequential(ConvBN(width, width), nn.Conv2d(width, maps, 1)) for _ in range(3)
            )
            for maps in (2, classes)
        )

    def forward(self, features: Levels, pixels: Levels) -> dict[str, Tensor]:
        """Map f3..f6, p3..p6 to out1..out6 at H/16, H/16, H/8, H/8, H/4, H/4.

        Odd ones have 2 channels (background, foreground), even ones one channel a class; the
        loss resizes them.
        """
        outputs: dict[str, Tensor] = {}
        odd, even = features[3], pixels[3]
        for step, low in enumerate(features[2::-1]):
            odd, even = self.arms[step](low, odd, even)
            outputs[f'out{2 * step + 1}'] = self.foreground[step](odd)
            outputs[f'out{2 * step + 2}'] = self.classes[step](even)
        return outputs


class ASPP(nn.Module):
    """Atrous views of one level beside an identity; one set of weights serves all levels."""

    def __init__(self, width: int):
        super().__init__()
        self.point = nn.Conv2d(width, width, 1)
        self.views = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=d, dilation=d) for d in (1, 2, 3, 4)
        )
        self.join = nn.Conv2d(5 * width, width, 1)
        self.out = ConvBN(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, h, w)."""
        seen = torch.cat([self.point(x), *[view(x) for view in self.views]], 1)
        return self.out(self.join(seen) + x)


def _grouped(width: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=False),
        nn.GroupNorm(width // 2, width),
    )


def nearest(x: Tensor) -> Tensor:
    """Repeat pixels, x2."""
    return F.interpolate(x, scale_factor=2.0, mode='nearest')
