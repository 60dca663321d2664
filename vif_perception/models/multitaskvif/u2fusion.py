"""Host H4: U2Fusion (H. Xu et al., IEEE TPAMI 2020), the dense trunk that began with DenseFuse."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vif_perception.models.blocks import unit_range
from vif_perception.models.multitaskvif.host import FusionHost, HostFeatures, conv_leaky

#: Channels that every layer adds, and layers of the dense block.
GROWTH, LAYERS = 44, 5


class U2FusionHost(FusionHost):
    """Both images stacked, then layers that each see all layers before them."""

    channels = GROWTH * (1 + LAYERS)

    def __init__(self) -> None:
        super().__init__()
        self.first = conv_leaky(2, GROWTH)
        self.layers = nn.ModuleList(
            conv_leaky(GROWTH * (1 + index), GROWTH) for index in range(LAYERS)
        )

    def forward(self, y: Tensor, thermal: Tensor) -> HostFeatures:
        """Return the outputs of all layers, 264 channels at H."""
        seen = self.first(torch.cat([y, thermal], 1))
        for layer in self.layers:
            seen = torch.cat([seen, layer(seen)], 1)
        return HostFeatures(seen)

    def decoder(self) -> nn.Module:
        """Build the published reconstruction layers."""
        return U2FusionDecoder()


class U2FusionDecoder(nn.Module):
    """Four convolutions: 264, 128, 64, 32, 1 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_leaky(GROWTH * (1 + LAYERS), 128), conv_leaky(128, 64), conv_leaky(64, 32),
            nn.Conv2d(32, 1, 3, padding=1),
        )

    def forward(self, features: HostFeatures, y: Tensor, thermal: Tensor) -> Tensor:
        """Return the fused luma (N, 1, H, W), 0..1."""
        return unit_range(self.body(features.full))
