"""The parts of ``rt``: streams, gates, decoder and heads, most at a quarter of the resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.models.blocks import ConvBN, Residual

#: Fusion at the start: share of what is brighter in thermal, of what is warmer or colder than the
#: scene (half of the most there is). Chosen on a few test pairs, see docs/training.md.
BRIGHTER, WARMTH = 0.65, 0.27
#: Largest rest that the fusion may add, of the range 0..1.
REST = 0.15


class Stream(nn.Module):
    """Shallow encoder of one camera: features at H/2, H/4 and H/8."""

    def __init__(self, cin: int, stem: tuple[int, int, int], blocks: tuple[int, int]):
        super().__init__()
        half, quarter, eighth = stem
        self.quarter = nn.Sequential(
            ConvBN(cin, half, stride=2), ConvBN(half, quarter, stride=2),
            *[Residual(quarter) for _ in range(blocks[0])],
        )
        self.eighth = nn.Sequential(
            ConvBN(quarter, eighth, stride=2), *[Residual(eighth) for _ in range(blocks[1])]
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map (N, cin, H, W) to features at H/2, H/4 and H/8."""
        first, *rest = self.quarter
        half = quarter = first(x)
        for layer in rest:
            quarter = layer(quarter)
        return half, quarter, self.eighth(quarter)


class Merge(nn.Module):
    """Gated sum of two streams; a missing camera is replaced by a learned vector."""

    def __init__(self, channels: int):
        super().__init__()
        self.missing_rgb = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.missing_thermal = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.mix = ConvBN(2 * channels, channels, kernel=1)
        self.gate = nn.Conv2d(channels, channels, 1)

    def forward(self, rgb: Tensor, thermal: Tensor, present: Tensor) -> Tensor:
        """Merge (N, C, h, w) features; ``present`` is (N, 2): rgb, thermal flags 0 or 1."""
        present = present.to(rgb.dtype)
        has_rgb, has_thermal = present[:, 0, None, None, None], present[:, 1, None, None, None]
        rgb = torch.lerp(self.missing_rgb.to(rgb.dtype), rgb, has_rgb)
        thermal = torch.lerp(self.missing_thermal.to(rgb.dtype), thermal, has_thermal)
        mixed = self.mix(torch.cat([rgb, thermal], 1))
        return torch.lerp(thermal, rgb, torch.sigmoid(self.gate(mixed))) + mixed


class Level(nn.Sequential):
    """Half the resolution, then residual blocks, then what else is given."""

    def __init__(self, cin: int, cout: int, blocks: int, *more: nn.Module):
        residuals = [Residual(cout) for _ in range(blocks)]
        super().__init__(ConvBN(cin, cout, stride=2), *residuals, *more)


class Context(nn.Module):
    """Wide view at the coarsest level: a 7x7 depthwise convolution and a global channel gate."""

    def __init__(self, channels: int):
        super().__init__()
        self.wide = ConvBN(channels, channels, kernel=7, groups=channels)
        self.point = ConvBN(channels, channels, kernel=1, relu=False)
        self.gate = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, h, w)."""
        seen = x + self.point(self.wide(x))
        return seen * torch.sigmoid(self.gate(seen.mean((2, 3), keepdim=True)))


class Decoder(nn.Module):
    """Top-down path from H/32 to H/4 with lateral connections."""

    def __init__(self, laterals: tuple[int, int, int, int], widths: tuple[int, int, int]):
        super().__init__()
        quarter, eighth, sixteenth, coarse = laterals
        d16, d8, d4 = widths
        self.top = ConvBN(coarse, d16, kernel=1)
        self.lateral16 = ConvBN(sixteenth, d16, kernel=1, relu=False)
        self.smooth16 = ConvBN(d16, d16)
        self.top8 = ConvBN(d16, d8, kernel=1)
        self.lateral8 = ConvBN(eighth, d8, kernel=1, relu=False)
        self.smooth8 = ConvBN(d8, d8)
        self.top4 = ConvBN(d8, d4, kernel=1)
        self.lateral4 = ConvBN(quarter, d4, kernel=1, relu=False)
        self.smooth4 = ConvBN(d4, d4)

    def forward(
        self, f4: Tensor, f8: Tensor, f16: Tensor, f32: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return features at H/8 and H/4."""
        x16 = self.smooth16(double(self.top(f32)) + self.lateral16(f16))
        x8 = self.smooth8(double(self.top8(x16)) + self.lateral8(f8))
        return x8, self.smooth4(double(self.top4(x8)) + self.lateral4(f4))


class EntityHead(nn.Module):
    """Which classes are in the scene; their scores gate the features of the mask."""

    def __init__(self, channels: int, entities: int, gated: int):
        super().__init__()
        self.evidence = nn.Conv2d(channels, entities, 1)
        self.gate = nn.Linear(entities, gated)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, C, h, w) to entity logits (N, K) and a channel gate (N, gated, 1, 1)."""
        logits = self.evidence(x).amax((2, 3))
        gate = 1 + torch.tanh(self.gate(torch.sigmoid(logits)))
        return logits, gate[:, :, None, None]


class FusionHead(nn.Module):
    """Fused luma at full resolution from weights that are computed at a quarter of it.

    ``y + a * relu(thermal - y) + b * (thermal - mean of thermal) + r``: of what is brighter in
    thermal, of what is warmer or colder than the scene, and a small rest, as much as every pixel
    is given. The 4x4 pixels of a cell are channels (pixel unshuffle), so all of them have weights
    of their own at the price of convolutions at H/4. At the start a is BRIGHTER, b is WARMTH and
    r is 0 everywhere, which already is a good fusion.
    """

    cell = 4

    def __init__(self, features: int):
        super().__init__()
        pixels = self.cell**2
        self.reduce = ConvBN(2 * pixels + features, 2 * pixels, kernel=1)
        self.scene = nn.Linear(2, 2 * pixels)
        self.mix = ConvBN(2 * pixels, 2 * pixels)
        self.out = nn.Conv2d(2 * pixels, 3 * pixels, 3, padding=1)
        start = torch.tensor([BRIGHTER, 0.5, 0.5]).logit().repeat_interleave(pixels)
        nn.init.normal_(self.out.weight, std=1e-3)
        self.out.bias = nn.Parameter(start)

    def forward(self, y: Tensor, thermal: Tensor, features: Tensor, present: Tensor) -> Tensor:
        """Return fused luma (N, 1, H, W) from luma and thermal (N, 1, H, W), all 0..1."""
        images = torch.cat([y, thermal], 1)
        cells = F.pixel_unshuffle(images.to(features.dtype), self.cell)
        cells = cells.contiguous(memory_format=torch.channels_last)
        means = images.mean((2, 3))
        scene = self.scene(means.to(features.dtype))[:, :, None, None]
        out = self.out(self.mix(self.reduce(torch.cat([cells, features], 1)) + scene))
        brighter, warmer, rest = F.pixel_shuffle(out, self.cell).to(y.dtype).split(1, 1)
        warmth = thermal - means[:, 1, None, None, None]
        fused = torch.sigmoid(brighter) * F.relu(thermal - y)
        fused = fused + torch.sigmoid(warmer) * (2 * WARMTH) * warmth
        fused = fused + torch.tanh(rest) * REST
        has_rgb, has_thermal = present[:, 0, None, None, None], present[:, 1, None, None, None]
        alone = torch.lerp(thermal, y, has_rgb)
        return (alone + fused * (has_rgb * has_thermal)).clamp(0, 1)


def double(x: Tensor) -> Tensor:
    """Bilinear x2."""
    return F.interpolate(x, scale_factor=2.0, mode='bilinear', align_corners=False)
