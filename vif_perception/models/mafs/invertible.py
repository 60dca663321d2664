"""Fusion decoder of MAFS: affine coupling blocks that lose nothing, then one image.

Coupling with a bounded scale as in invertible rescaling networks, 1x1 convolutions as in Glow
(arXiv 1807.03039), half instance normalisation as in HINet (arXiv 2105.06086).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.models.blocks import Foldable, unit_range

#: Bound of the logarithm of a coupling's scale.
CLAMP = 0.8
#: Slope of LeakyReLU inside a HIN block, and after each.
INSIDE, AFTER = 0.1, 0.2
#: Blocks in a row, and how many of the last ones the image is made of.
BLOCKS, READ = 5, 3


class HalfInstanceNorm(nn.Module):
    """InstanceNorm of the first half of the channels; the rest keeps its contrast."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels // 2, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, H, W)."""
        first, second = x.chunk(2, 1)
        return torch.cat([self.norm(first), second], 1)


class HINBlock(nn.Module):
    """3x3 - half InstanceNorm - LeakyReLU - 3x3 - LeakyReLU beside a 1x1 convolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), HalfInstanceNorm(channels),
            nn.LeakyReLU(INSIDE),
            nn.Conv2d(channels, channels, 3, padding=1), nn.LeakyReLU(INSIDE),
        )
        self.skip = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, H, W)."""
        return self.body(x) + self.skip(x)


class InvertibleConv(Foldable):
    """1x1 convolution whose kernel is P L U, so that it can always be inverted.

    P is a fixed permutation, L unit lower and U upper triangular; U's diagonal keeps its signs
    and learns its logarithm. ``fold()`` leaves a constant kernel.
    """

    permutation: Tensor
    sign: Tensor
    kernel: Tensor | None

    def __init__(self, channels: int):
        super().__init__()
        permutation, lower, upper = torch.linalg.lu(
            nn.init.orthogonal_(torch.empty(channels, channels))
        )
        self.register_buffer('permutation', permutation)
        self.register_buffer('sign', upper.diagonal().sign())
        self.register_buffer('kernel', None, persistent=False)
        self.log_scale = nn.Parameter(upper.diagonal().abs().log())
        self.lower = nn.Parameter(lower.tril(-1))
        self.upper = nn.Parameter(upper.triu(1))

    def matrix(self) -> Tensor:
        """C x C: outputs from inputs of one pixel."""
        one = torch.diag(torch.ones_like(self.sign))
        scale = torch.diag(self.sign * self.log_scale.exp())
        return self.permutation @ (self.lower.tril(-1) + one) @ (self.upper.triu(1) + scale)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, H, W)."""
        kernel = self.matrix()[:, :, None, None] if self.kernel is None else self.kernel
        return F.conv2d(x, kernel)

    def inverse(self, y: Tensor) -> Tensor:
        """Undo ``forward``."""
        return F.conv2d(y, torch.linalg.inv(self.matrix())[:, :, None, None])

    def fold(self) -> None:
        """Multiply the factors out, before a lower precision could spoil them."""
        self.kernel = self.matrix().detach()[:, :, None, None]


class InvertibleBlock(nn.Module):
    """Invertible 1x1 convolution and affine coupling of the two halves of the channels."""

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2
        self.mix = InvertibleConv(channels)
        self.f, self.g, self.h = (
            nn.Sequential(
                HINBlock(half), nn.LeakyReLU(AFTER), HINBlock(half), nn.LeakyReLU(AFTER)
            )
            for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, H, W)."""
        x1, x2 = self.mix(x).chunk(2, 1)
        y1 = x1 + self.f(x2)
        y2 = x2 * self._scale(y1) + self.g(y1)
        return torch.cat([y1, y2], 1)

    def inverse(self, y: Tensor) -> Tensor:
        """Undo ``forward``."""
        y1, y2 = y.chunk(2, 1)
        x2 = (y2 - self.g(y1)) / self._scale(y1)
        return self.mix.inverse(torch.cat([y1 - self.f(x2), x2], 1))

    def _scale(self, y1: Tensor) -> Tensor:
        return torch.exp(CLAMP * (2 * torch.sigmoid(self.h(y1)) - 1))


class FusionDecoder(nn.Module):
    """Refined features to the fused luma."""

    def __init__(self, width: int):
        super().__init__()
        self.blocks = nn.ModuleList(InvertibleBlock(width) for _ in range(BLOCKS))
        self.gather = nn.Conv2d((1 + READ) * width, width, 1)
        self.image = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, r: Tensor) -> Tensor:
        """Map (N, width, H, W) to float32 luma (N, 1, H, W), 0..1."""
        outputs = [r]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        gathered = self.gather(torch.cat([r, *outputs[-READ:]], 1))          # N width H W
        return unit_range(self.image(gathered))
