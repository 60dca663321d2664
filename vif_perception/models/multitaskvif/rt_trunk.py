"""Host H5: the trunk of ``rt``, fed with luma instead of colour. Ours."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.models.blocks import ConvBN
from vif_perception.models.multitaskvif.host import FusionHost, HostFeatures
from vif_perception.models.rt import RTConfig
from vif_perception.models.rt.blocks import Context, Decoder, FusionHead, Level, Stream


class RTHost(FusionHost):
    """Two strided streams, a shared trunk down to H/32, and the path back up to H/4.

    The streams meet in 1x1 convolutions instead of rt's gates with presence flags: an absent
    camera is replaced before the host.
    """

    stride = 32
    width = 16

    def __init__(self) -> None:
        super().__init__()
        config = RTConfig()
        half, quarter, eighth = config.stem
        mid, coarse = config.trunk
        _, d8, d4 = config.decoder
        self.pyramid = (2 * half, d4, d8)
        self.channels = 2 + d4 // 16
        self.rgb_stream = Stream(1, config.stem, config.rgb_blocks)
        self.thermal_stream = Stream(1, config.stem, config.thermal_blocks)
        self.join4 = ConvBN(2 * quarter, quarter, kernel=1)
        self.join8 = ConvBN(2 * eighth, eighth, kernel=1)
        self.sixteenth = Level(eighth, mid, config.trunk_blocks[0])
        self.coarse = Level(mid, coarse, config.trunk_blocks[1], Context(coarse))
        self.top_down = Decoder((quarter, eighth, mid, coarse), config.decoder)

    def forward(self, y: Tensor, thermal: Tensor) -> HostFeatures:
        """Return the two images with the features of H/4 laid out at H, and a true pyramid."""
        rgb2, rgb4, rgb8 = self.rgb_stream(y)
        heat2, heat4, heat8 = self.thermal_stream(thermal)
        f4 = self.join4(torch.cat([rgb4, heat4], 1))
        f8 = self.join8(torch.cat([rgb8, heat8], 1))
        f16 = self.sixteenth(f8)
        x8, x4 = self.top_down(f4, f8, f16, self.coarse(f16))
        full = torch.cat([y, thermal, F.pixel_shuffle(x4, 4)], 1)
        return HostFeatures(full, (torch.cat([rgb2, heat2], 1), x4, x8))

    def decoder(self) -> nn.Module:
        """Build rt's fusion head."""
        return RTDecoder(self.pyramid[1])


class RTDecoder(nn.Module):
    """Blend weights and a bounded residual per pixel, see :class:`FusionHead` of ``rt``."""

    def __init__(self, channels: int):
        super().__init__()
        self.head = FusionHead(channels)

    def forward(self, features: HostFeatures, y: Tensor, thermal: Tensor) -> Tensor:
        """Return the fused luma (N, 1, H, W), 0..1."""
        both = torch.ones(len(y), 2, dtype=y.dtype, device=y.device)
        return self.head(y, thermal, features.pyr[1], both)
