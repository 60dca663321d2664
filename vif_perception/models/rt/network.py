"""``rt``: the robot's own real-time network.

Three published ideas in one small network: a multi-task head on a shared encoder (MultiTaskVIF),
an entity head that gates the features (EGMT, without a text model on the robot), and both streams
segmented, not the fused picture (MAFS). The fused image is a per-pixel blend of the two inputs
with predicted weights and a small bounded residual, so texture is never painted and chroma passes
through untouched. All dense convolutions run at a quarter of the resolution or below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from vif_perception.models.inputs import check_inputs
from vif_perception.models.prediction import Prediction, check_head
from vif_perception.models.registry import Family, Preset, register
from vif_perception.models.rt.blocks import (
    Context,
    Decoder,
    EntityHead,
    FusionHead,
    Level,
    Merge,
    Stream,
)

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


class Again(NamedTuple):
    """Images of a batch that are segmented once more, as if other cameras were there.

    Attributes:
        images: M int64, which ones; present: M x 2 flags 0 or 1: rgb, thermal.
    """

    images: Tensor
    present: Tensor


class RT(nn.Module):
    """The whole network; see the module's docstring.

    Input height and width must be multiples of :attr:`stride`.
    """

    stride = 32

    def __init__(self, config: RTConfig | None = None):
        super().__init__()
        self.config = config = config or RTConfig()
        check_head(config.entities)
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

    def forward(
        self, rgb: Tensor, y: Tensor, thermal: Tensor, present: Tensor, again: Again | None = None
    ) -> Prediction:
        """Run all three tasks.

        Args:
            rgb: N x 3 x H x W, 0..1, in the network's precision.
            y: N x 1 x H x W, luma of rgb, 0..1, float32 (the blend keeps its precision).
            thermal: N x 1 x H x W, 0..1, float32.
            present: N x 2 flags 0 or 1: rgb, thermal.
            again: in training, M images to be segmented once more with other cameras: the streams
                run once, and the M masks and entities follow the N others.

        Raises:
            InputError: see ``inputs.check_inputs``.
        """
        check_inputs(self, rgb, y, thermal, present)
        x8, x4 = self.features(rgb, thermal.to(rgb.dtype), present, again)
        entity_logits, gate = self.entity_head(x8)
        fused_y = self.fusion_head(y, thermal, x4[: len(y)], present)
        return Prediction(fused_y, self.mask_head(x4 * gate), entity_logits)

    def features(
        self, rgb: Tensor, thermal: Tensor, present: Tensor, again: Again | None = None
    ) -> tuple[Tensor, Tensor]:
        """Features of the decoder at H/8 and H/4, which all heads read."""
        f4, f8 = self._streams(rgb, thermal, present, again)
        f16 = self.sixteenth(f8)
        return self.decoder(f4, f8, f16, self.coarse(f16))

    def last_shared(self) -> list[nn.Parameter]:
        """Parameters of the last block that all three heads use."""
        return list(self.decoder.smooth8.parameters())

    def _streams(
        self, rgb: Tensor, thermal: Tensor, present: Tensor, again: Again | None
    ) -> tuple[Tensor, Tensor]:
        if self.config.inputs == 'rgb':
            return self.rgb_stream(rgb)[1:]
        if self.config.inputs == 'thermal':
            return self.thermal_stream(thermal)[1:]
        if self.config.inputs == 'early':
            return self.rgb_stream(torch.cat([rgb, thermal], 1))[1:]
        streams = *self.rgb_stream(rgb)[1:], *self.thermal_stream(thermal)[1:]
        if again is not None:
            streams = tuple(torch.cat([x, x[again.images]]) for x in streams)
            present = torch.cat([present, again.present])
        rgb4, rgb8, thermal4, thermal8 = streams
        return (
            self.merge4(rgb4, thermal4, present), self.merge8(rgb8, thermal8, present)
        )


OUTPUTS = 'fused luma, class logits at H/4, entity logits from a head of its own'

register('rt', Family(
    title='real-time network of the robot: thermal and RGB', source='ours', outputs=OUTPUTS,
    ours='all of it; ideas of MAFS, MultiTaskVIF and EGMT', config=RTConfig, network=RT,
    presets={
        'n': Preset('nano', 0.88, 1.96, {
            'stem': (16, 16, 48), 'trunk': (96, 128), 'trunk_blocks': (1, 1),
            'decoder': (64, 48, 32),
        }),
        's': Preset('the default', 2.06, 3.67),
        'm': Preset('medium', 5.65, 10.21, {
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


_register_comparison('early', 'four channels', 2.06, 3.91)
_register_comparison('rgb', 'RGB only', 2.06, 3.90)
_register_comparison('thermal', 'thermal only', 2.06, 3.86)
