"""``mafs``: masked pre-training, attention gates, two mutually coupled decoders.

L. Wang, X. Zhang, C. Jia, S. Ma, arXiv 2509.11817, IEEE TIP 2025. Names as in the figure::

    SFE -> F1, F2              per camera, separate weights
    [DEM -> stage] x 4         two streams, gated together before every stage
    AFM  F1, F2 -> f1, f2      CAM  stages -> f3, f4, f5, f6
    PHF  r1 = f2 given f3, r = f1 given r1, refined by DSRM
    FusionDecoder(r) -> fused luma        SegDecoder(r1, f3..f6) -> logits

The fusion path is conditioned on semantics (f3), and the mask receives the fused shallow features
(r1): that is the coupling. ``docs/models/mafs.md`` says what is published and what is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from vif_perception.errors import InputError
from vif_perception.models.inputs import StandIns, check_inputs, unless_alone
from vif_perception.models.mafs import backbones
from vif_perception.models.mafs.attention import DEM, SFE
from vif_perception.models.mafs.decoder import SegDecoder
from vif_perception.models.mafs.fusion import AFM, CAM, DSRM, PHF
from vif_perception.models.mafs.invertible import FusionDecoder
from vif_perception.models.mafs.pyramid import Levels
from vif_perception.models.prediction import Prediction, check_evidence, entity_evidence
from vif_perception.models.registry import Family, Preset, register


@dataclass(frozen=True)
class MAFSConfig:
    """Sizes of the network.

    Attributes:
        classes: ids in the mask; entities: scores read off the mask.
        backbone: of one stream, a name of :data:`backbones.BACKBONES`.
        shallow: channels of the fusion path, at full and half resolution.
        width: channels of the segmentation decoder.
    """

    classes: int = 9
    entities: int = 8
    backbone: str = 'tiny'
    shallow: int = 32
    width: int = 64


@dataclass(frozen=True)
class Features:
    """What the encoder hands to the decoders.

    Attributes:
        r: N x shallow x H x W; r1: N x shallow x H/2 x W/2.
        semantic: f3..f6, N x width x H/4 x W/4 .. H/32 x W/32.
    """

    r: Tensor
    r1: Tensor
    semantic: Levels


class Encoder(nn.Module):
    """Both streams with their gates, and the modules where they meet."""

    def __init__(self, config: MAFSConfig):
        super().__init__()
        make = backbones.BACKBONES[config.backbone]
        self.rgb, self.thermal = make(), make()
        stem, channels = self.rgb.stem, self.rgb.channels
        self.sfe_rgb = SFE(3, config.shallow, stem)
        self.sfe_thermal = SFE(1, config.shallow, stem)
        self.dems = nn.ModuleList(DEM(c) for c in (stem, *channels[:3]))
        self.afms = nn.ModuleList(AFM(c, config.shallow) for c in (config.shallow, stem))
        self.cams = nn.ModuleList(CAM(c, config.width) for c in channels)
        self.phf_half = PHF(config.shallow, config.width)
        self.phf_full = PHF(config.shallow, config.shallow)
        self.dsrm = DSRM(config.shallow)

    def forward(self, rgb: Tensor, thermal: Tensor) -> Features:
        """Encode N x 3 x H x W and N x 1 x H x W, 0..1; H and W multiples of 32."""
        f1_rgb, x = self.sfe_rgb(rgb)
        f1_thermal, z = self.sfe_thermal(thermal)
        f1, f2 = self.afms[0](f1_rgb, f1_thermal), self.afms[1](x, z)
        semantic = []
        for dem, stage_rgb, stage_thermal, cam in zip(
            self.dems, self.rgb.layers, self.thermal.layers, self.cams,
            strict=True,
        ):
            x, z = dem(x, z)
            x, z = stage_rgb(x), stage_thermal(z)
            semantic.append(cam(x, z))
        f3, f4, f5, f6 = semantic
        r1 = self.phf_half(f2, f3)
        r = self.dsrm(self.phf_full(f1, r1))
        return Features(r, r1, (f3, f4, f5, f6))


class MAFS(nn.Module):
    """The whole network; see the module's docstring.

    Input height and width must be multiples of :attr:`stride`.
    """

    stride = 32

    def __init__(self, config: MAFSConfig | None = None):
        super().__init__()
        self.config = config = config or MAFSConfig()
        _check(config)
        self.stand_ins = StandIns(3)
        self.encoder = Encoder(config)
        self.fusion_decoder = FusionDecoder(config.shallow)
        self.seg_decoder = SegDecoder(config.shallow, config.width, config.classes)

    def forward(self, rgb: Tensor, y: Tensor, thermal: Tensor, present: Tensor) -> Prediction:
        """Run both tasks.

        Args:
            rgb: N x 3 x H x W, 0..1, in the network's precision.
            y: N x 1 x H x W, luma of rgb, 0..1, float32.
            thermal: N x 1 x H x W, 0..1, float32.
            present: N x 2 flags 0 or 1: rgb, thermal. An absent camera is replaced by a learned
                grey at the input, and the fused luma is the other camera's image.

        Raises:
            InputError: see ``inputs.check_inputs``.
        """
        check_inputs(self, rgb, y, thermal, present)
        features = self.encoder(*self.stand_ins(rgb, thermal.to(rgb.dtype), present))
        fused_y = unless_alone(self.fusion_decoder(features.r), y, thermal, present)
        logits, auxiliaries = self.seg_decoder(features.r1, features.semantic)
        return Prediction(
            fused_y, logits, entity_evidence(logits, self.config.entities), auxiliaries
        )

    def reconstruct(self, rgb: Tensor, thermal: Tensor) -> Tensor:
        """Stage I: encoder and fusion decoder on masked images (see :mod:`.pretext`).

        Returns:
            N x 1 x H x W, 0..1, compared with luma and with thermal: no cell is hidden in both.
        """
        return self.fusion_decoder(self.encoder(rgb, thermal).r)

    def last_shared(self) -> list[nn.Parameter]:
        """Parameters of the last block that both tasks use: r1 goes to both decoders."""
        return list(self.encoder.phf_half.parameters())


def _check(config: MAFSConfig) -> None:
    check_evidence(config.classes, config.entities)
    for name in ('shallow', 'width'):
        channels = getattr(config, name)
        if channels < 4 or channels % 4:
            raise InputError(
                f'is {channels}', where=f'model.options.{name}', accepted='multiples of 4'
            )


register('mafs', Family(
    title='masked pre-training, attention gates, two mutually coupled decoders',
    source='MAFS, arXiv 2509.11817, IEEE TIP 2025',
    ours='backbones but ResNet-152, any size, absent cameras, entities read off the mask, the '
    'dynamic factor',
    outputs='fused luma, class logits at H/2, entity logits read off the mask; in training '
    'out1..out6',
    config=MAFSConfig, network=MAFS, preset_is='backbone', options=('shallow', 'width'),
    presets={
        'r152': Preset('as published', 127.98, 312.08, {'backbone': 'r152'}, 'torchvision'),
        'r50': Preset('ResNet-50', 58.71, 221.17, {'backbone': 'r50'}, 'torchvision'),
        'r34': Preset('ResNet-34', 46.52, 210.71, {'backbone': 'r34'}, 'torchvision'),
        'r18': Preset('ResNet-18', 26.31, 188.06, {'backbone': 'r18'}, 'torchvision'),
        'mobilenet_v3': Preset(
            'narrow decoders', 6.55, 43.18,
            {'backbone': 'mobilenet_v3', 'shallow': 16, 'width': 32}, 'torchvision',
        ),
        'tiny': Preset(
            'for trying out', 0.44, 12.01, {'backbone': 'tiny', 'shallow': 8, 'width': 16}
        ),
    },
))
