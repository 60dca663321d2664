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

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from vif_perception.errors import InputError
from vif_perception.models.mafs import backbones
from vif_perception.models.mafs.attention import DEM, SFE
from vif_perception.models.mafs.backbones import Backbone
from vif_perception.models.mafs.decoder import SegDecoder
from vif_perception.models.mafs.fusion import AFM, CAM, DSRM, PHF
from vif_perception.models.mafs.invertible import FusionDecoder
from vif_perception.models.mafs.pyramid import Levels
from vif_perception.models.prediction import Prediction
from vif_perception.models.registry import register

SOURCE = 'arXiv 2509.11817'


@dataclass(frozen=True)
class MAFSConfig:
    """Sizes of the network.

    Attributes:
        classes: ids in the mask; entities: scores read off the mask, see :func:`entity_evidence`.
        backbone: builds the four stages of one stream; called twice.
        shallow: channels of the fusion path, at full and half resolution.
        width: channels of the segmentation decoder.
    """

    classes: int = 9
    entities: int = 8
    backbone: Callable[[], Backbone] = backbones.tiny
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
        self.backbone_rgb, self.backbone_thermal = config.backbone(), config.backbone()
        stem, channels = self.backbone_rgb.stem, self.backbone_rgb.channels
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
            self.dems, self.backbone_rgb.layers, self.backbone_thermal.layers, self.cams,
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
        if not 0 <= config.entities < config.classes:
            raise InputError(
                f'{config.entities} entities cannot be read off {config.classes} classes',
                where='mafs', accepted=f'0 to {config.classes - 1}: entity k is class k + 1',
            )
        # Mid-grey: the mean of the noise that hides a camera in the pretext.
        self.missing_rgb = nn.Parameter(torch.full((1, 3, 1, 1), 0.5))
        self.missing_thermal = nn.Parameter(torch.full((1, 1, 1, 1), 0.5))
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
            InputError: height or width is not a multiple of the stride.
        """
        height, width = rgb.shape[-2:]
        if height % self.stride or width % self.stride:
            raise InputError(
                f'input of {width}x{height}', where='mafs',
                accepted=f'multiples of {self.stride}', remedy='use models.deploy, which pads',
            )
        has_rgb, has_thermal = (present[:, i, None, None, None] > 0.5 for i in range(2))
        features = self.encoder(
            torch.where(has_rgb, rgb, self.missing_rgb),
            torch.where(has_thermal, thermal.to(rgb.dtype), self.missing_thermal),
        )
        fused_y = self.fusion_decoder(features.r)
        fused_y = torch.where(
            has_rgb & has_thermal, fused_y, torch.where(has_rgb, y, thermal)
        )
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


def entity_evidence(logits: Tensor, entities: int) -> Tensor:
    """Log-odds (N, entities) that class k + 1 is somewhere in the image: its surest pixel's."""
    chance = logits.float().softmax(1)[:, 1 : entities + 1].amax((2, 3)).clamp(1e-6, 1 - 1e-6)
    return torch.log(chance) - torch.log1p(-chance)


def _register(
    preset: str, config: partial[MAFSConfig], summary: str, *, needs: str = 'torchvision'
) -> None:
    @register('mafs', preset, summary=summary, source=SOURCE, needs=needs)
    def build(classes: int, entities: int) -> MAFS:
        return MAFS(config(classes, entities))


def _resnet(depth: int) -> partial[MAFSConfig]:
    return partial(MAFSConfig, backbone=partial(backbones.resnet, depth))


_register('r152', _resnet(152), 'two ResNet-152 streams, as published')
_register('r50', _resnet(50), 'two ResNet-50 streams')
_register('r34', _resnet(34), 'two ResNet-34 streams')
_register('r18', _resnet(18), 'two ResNet-18 streams')
_register(
    'mobilenet_v3',
    partial(MAFSConfig, backbone=backbones.mobilenet_v3, shallow=16, width=32),
    'two MobileNetV3-Large streams, decoders of half the width',
)
_register(
    'tiny', partial(MAFSConfig, shallow=8, width=16),
    'two small streams of basic blocks, for trying out', needs='',
)
