"""What a fusion network must offer to carry the multi-task head."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class HostFeatures:
    """What the trunk of a host hands to a decoder or to the multi-task head.

    Attributes:
        full: N x C0 x H x W, both cameras merged.
        pyr: F1, F2, F3 at H/2, H/4, H/8; empty where the host works at one scale.
    """

    full: Tensor
    pyr: tuple[Tensor, ...] = ()


class FusionHost(nn.Module):
    """Encoder and fusion trunk of a published network, without its decoder.

    Attributes:
        channels: C0, of ``full``.
        pyramid: channels of F1, F2, F3; empty where the host works at one scale.
        stride: height and width must be multiples of it.
        width: channels of the multi-task head that suit the host.
    """

    channels: int
    pyramid: tuple[int, ...] = ()
    stride = 1
    width = 64

    def forward(self, y: Tensor, thermal: Tensor) -> HostFeatures:
        """Merge luma and thermal, N x 1 x H x W, 0..1, in the network's precision."""
        raise NotImplementedError  # every host has its own

    def decoder(self) -> nn.Module:
        """Build the host's own decoder, ``forward(features, y, thermal) -> N x 1 x H x W``.

        Its output is float32, 0..1. The host does not keep it: beside a multi-task head it would
        be weights that never learn.
        """
        raise NotImplementedError  # every host has its own


def conv_leaky(cin: int, cout: int, slope: float = 0.2) -> nn.Sequential:
    """3x3 convolution with bias, LeakyReLU."""
    return nn.Sequential(nn.Conv2d(cin, cout, 3, padding=1), nn.LeakyReLU(slope))
