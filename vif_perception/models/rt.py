"""``rt``: the robot's own real-time network.

Three published ideas in one small network: a multi-task head on a shared encoder (MultiTaskVIF),
an entity head that gates the features (EGMT, without a text model on the robot), and both streams
segmented, not the fused picture (MAFS). The fused image is a per-pixel blend of the two inputs
with predicted weights and a small bounded residual, so texture is never painted and chroma passes
through untouched. All convolutions run at a quarter of the resolution or below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.models.blocks import ConvBN, Residual
from vif_perception.models.inputs import check_inputs
from vif_perception.models.prediction import Prediction
from vif_perception.models.registry import Family, Preset, register

#: Largest change the fusion may add to the blend of the two inputs (intensity range 0..1).
RESIDUAL_BOUND = 0.15

Inputs = Literal['both', 'rgb', 'thermal', 'early']


@dataclass(frozen=True)
class RTConfig:
    """Sizes of the network.

    Attributes:
        classes: ids in the mask; entities: outputs of the entity head.
        inputs: ``both``: one stream per camera; ``rgb``, ``thermal``: one camera only;
            ``early``: one stream over the four stacked channels. The last three are the
            comparison networks of the evaluation protocol.
        stem: channels at H/2, H/4, H/8 of each stream.
        rgb_blocks, thermal_blocks: residual blocks at H/4 and H/8.
        trunk: channels at H/16, H/32; trunk_blocks: residual blocks there.
        decoder: channels at H/16, H/8, H/4.
    """

    classes: int = 9
    entities: int = 8
    inputs: Inputs = 'both'
    stem: tuple[int, int, int] = (16, 32, 64)
    rgb_blocks: tuple[int, int] = (1, 1)
    thermal_blocks: tuple[int, int] = (0, 1)
    trunk: tuple[int, int] = (128, 192)
    trunk_blocks: tuple[int, int] = (2, 1)
    decoder: tuple[int, int, int] = (96, 64, 32)


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
    """Blend weights and residual at full resolution, computed at a quarter of it.

    The 4x4 pixels of a cell are channels (pixel unshuffle), so every output pixel has its own
    weight, guided by the full-resolution inputs, at the price of convolutions at H/4.
    """

    cell = 4

    def __init__(self, features: int):
        super().__init__()
        pixels = self.cell**2
        self.reduce = ConvBN(2 * pixels + features, 2 * pixels, kernel=1)
        self.mix = ConvBN(2 * pixels, 2 * pixels)
        self.out = nn.Conv2d(2 * pixels, 2 * pixels, 3, padding=1)

    def forward(self, y: Tensor, thermal: Tensor, features: Tensor, present: Tensor) -> Tensor:
        """Return fused luma (N, 1, H, W) from luma and thermal (N, 1, H, W), all 0..1."""
        both_images = torch.cat([y, thermal], 1).to(features.dtype)
        cells = F.pixel_unshuffle(both_images, self.cell)
        cells = cells.contiguous(memory_format=torch.channels_last)
        out = self.out(self.mix(self.reduce(torch.cat([cells, features], 1))))
        weight, residual = F.pixel_shuffle(out, self.cell).to(y.dtype).split(1, 1)
        has_rgb, has_thermal = present[:, 0, None, None, None], present[:, 1, None, None, None]
        both = has_rgb * has_thermal
        weight = torch.sigmoid(weight) * both + has_rgb * (1 - has_thermal)
        residual = torch.tanh(residual) * (RESIDUAL_BOUND * both)
        return torch.lerp(thermal, y, weight).add_(residual).clamp_(0, 1)


class RT(nn.Module):
    """The whole network; see the module's docstring.

    Input height and width must be multiples of :attr:`stride`.
    """

    stride = 32

    def __init__(self, config: RTConfig | None = None):
        super().__init__()
        self.config = config = config or RTConfig()
        _, quarter, eighth = config.stem
        if config.inputs in ('both', 'rgb', 'early'):
            channels = 4 if config.inputs == 'early' else 3
            self.rgb_stream = Stream(channels, config.stem, config.rgb_blocks)
        if config.inputs in ('both', 'thermal'):
            self.thermal_stream = Stream(1, config.stem, config.thermal_blocks)
        if config.inputs == 'both':
            self.merge4, self.merge8 = Merge(quarter), Merge(eighth)
        mid, coarse = config.trunk
        self.sixteenth = Level(eighth, mid, config.trunk_blocks[0])
        self.coarse = Level(mid, coarse, config.trunk_blocks[1], Context(coarse))
        self.decoder = Decoder((quarter, eighth, mid, coarse), config.decoder)
        _, d8, d4 = config.decoder
        self.entity_head = EntityHead(d8, config.entities, d4)
        self.mask_head = nn.Conv2d(d4, config.classes, 1)
        self.fusion_head = FusionHead(d4)

    def forward(self, rgb: Tensor, y: Tensor, thermal: Tensor, present: Tensor) -> Prediction:
        """Run all three tasks.

        Args:
            rgb: N x 3 x H x W, 0..1, in the network's precision.
            y: N x 1 x H x W, luma of rgb, 0..1, float32 (the blend keeps its precision).
            thermal: N x 1 x H x W, 0..1, float32.
            present: N x 2 flags 0 or 1: rgb, thermal.

        Raises:
            InputError: see ``inputs.check_inputs``.
        """
        check_inputs(self, rgb, y, thermal, present)
        x8, x4 = self.features(rgb, thermal.to(rgb.dtype), present)
        entity_logits, gate = self.entity_head(x8)
        fused_y = self.fusion_head(y, thermal, x4, present)
        return Prediction(fused_y, self.mask_head(x4 * gate), entity_logits)

    def features(self, rgb: Tensor, thermal: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the decoder at H/8 and H/4, which all heads read."""
        f4, f8 = self._streams(rgb, thermal, present)
        f16 = self.sixteenth(f8)
        return self.decoder(f4, f8, f16, self.coarse(f16))

    def last_shared(self) -> list[nn.Parameter]:
        """Parameters of the last block that all three heads use."""
        return list(self.decoder.smooth8.parameters())

    def _streams(self, rgb: Tensor, thermal: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        if self.config.inputs == 'rgb':
            return self.rgb_stream(rgb)[1:]
        if self.config.inputs == 'thermal':
            return self.thermal_stream(thermal)[1:]
        if self.config.inputs == 'early':
            return self.rgb_stream(torch.cat([rgb, thermal], 1))[1:]
        _, rgb4, rgb8 = self.rgb_stream(rgb)
        _, thermal4, thermal8 = self.thermal_stream(thermal)
        return (
            self.merge4(rgb4, thermal4, present), self.merge8(rgb8, thermal8, present)
        )


def double(x: Tensor) -> Tensor:
    """Bilinear x2."""
    return F.interpolate(x, scale_factor=2.0, mode='bilinear', align_corners=False)


OUTPUTS = 'fused luma, class logits at H/4, entity logits from a head of its own'

register('rt', Family(
    title='real-time network of the robot: thermal and RGB', source='ours', outputs=OUTPUTS,
    ours='all of it; ideas of MAFS, MultiTaskVIF and EGMT', config=RTConfig, network=RT,
    presets={
        'n': Preset('nano', 0.88, 1.87, {
            'stem': (16, 16, 48), 'trunk': (96, 128), 'trunk_blocks': (1, 1),
            'decoder': (64, 48, 32),
        }),
        's': Preset('the default', 2.06, 3.58),
        'm': Preset('medium', 5.64, 10.12, {
            'stem': (24, 48, 96), 'rgb_blocks': (1, 2), 'thermal_blocks': (1, 2),
            'trunk': (160, 256), 'trunk_blocks': (3, 2), 'decoder': (128, 96, 48),
        }),
    },
))


def _register_comparison(inputs: Inputs, title: str, parameters: float, macs: float) -> None:
    settings = {
        'inputs': inputs, 'stem': (24, 48, 80), 'rgb_blocks': (1, 1), 'thermal_blocks': (1, 1)
    }
    register(f'rt_{inputs}', Family(
        title=f'comparison at the cost of rt s: {title}', source='ours', outputs=OUTPUTS,
        ours='all of it', config=RTConfig, network=RT,
        presets={'s': Preset(title, parameters, macs, settings)},
    ))


_register_comparison('early', 'four channels', 2.05, 3.82)
_register_comparison('rgb', 'RGB only', 2.05, 3.81)
_register_comparison('thermal', 'thermal only', 2.05, 3.77)
