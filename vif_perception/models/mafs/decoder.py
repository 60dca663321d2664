"""Segmentation decoder of MAFS ("multi-stage Transformer decoder"), assembled."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vif_perception.models.blocks import ConvBN
from vif_perception.models.mafs.pyramid import ASPP, FPN, Levels, Refinement, WideConv
from vif_perception.models.mafs.transformer import InvertedPyramid


class SegHead(nn.Module):
    """Class scores of the features that a foreground prior lets through."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        narrow = width // 4
        self.prior = nn.Sequential(
            ConvBN(width, narrow, kernel=1, relu=False), nn.ReLU6(),
            nn.Conv2d(narrow, 2, 3, padding=1),
        )
        self.score = nn.Sequential(
            ConvBN(width, width, kernel=1, relu=False), nn.ReLU6(),
            nn.Conv2d(width, classes, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, h, w) to logits (N, classes, h, w)."""
        foreground = self.prior(x).softmax(1)[:, 1:]                         # N 1 h w
        return self.score(x * foreground)


class SegDecoder(nn.Module):
    """Semantic features f3..f6 and shallow fused features r1 to class logits at H/2."""

    def __init__(self, shallow: int, width: int, classes: int):
        super().__init__()
        self.fpn = FPN(width)
        self.refinement = Refinement(width, classes)
        self.aspp = ASPP(width)
        self.pyramid = InvertedPyramid(width)
        self.smooth = nn.Sequential(ConvBN(width, width), ConvBN(width, width))
        self.arm2 = WideConv(width + shallow, width, (1, 2, 4, 8))
        self.head = SegHead(width, classes)

    def forward(self, r1: Tensor, features: Levels) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return logits (N, classes, H/2, W/2), and in training mode out1..out6.

        Args:
            r1: (N, shallow, H/2, W/2); features: f3..f6, each (N, width, H/4..H/32, ...).
        """
        pixels = self.fpn(features)
        p3, p4, _, _ = pixels
        x = self.pyramid(features[2], (self.aspp(p4), self.aspp(p3)), like=r1)
        x = self.arm2(torch.cat([self.smooth(x), r1], 1))                    # N width H/2 W/2
        outputs = self.refinement(features, pixels) if self.training else {}
        return self.head(x), outputs
