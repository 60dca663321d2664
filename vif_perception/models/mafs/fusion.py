"""Where the two streams of MAFS meet: AFM, CAM, PHF, DSRM, named as in the figure."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.models.blocks import ConvBN, resize


class PooledBatchNorm(nn.BatchNorm2d):
    """BatchNorm after global pooling: a lone image is normalised by the running statistics.

    One value per channel has no variance; torch refuses to train on it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, 1, 1)."""
        if not self.training or len(x) > 1:
            return super().forward(x)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


class Bottleneck(nn.Sequential):
    """1x1 (to a quarter) - BN - ReLU - 1x1 - BN; ``pooled`` where the input is one pixel."""

    def __init__(self, channels: int, *, pooled: bool):
        squeeze = ConvBN(channels, channels // 4, kernel=1)
        expand = ConvBN(channels // 4, channels, kernel=1, relu=False)
        if pooled:
            squeeze.bn, expand.bn = PooledBatchNorm(channels // 4), PooledBatchNorm(channels)
        super().__init__(squeeze, expand)


class AFM(nn.Module):
    """Adaptive fusion module: one weight per pixel and channel shares out the shallow features."""

    def __init__(self, cin: int, width: int):
        super().__init__()
        self.rgb, self.thermal = (
            nn.Sequential(ConvBN(cin, width), ConvBN(width, width), ConvBN(width, width))
            for _ in range(2)
        )
        self.recalibrate = Bottleneck(2 * width, pooled=True)
        self.compress = ConvBN(2 * width, width, kernel=1)
        self.local_branch = Bottleneck(width, pooled=False)
        self.global_branch = Bottleneck(width, pooled=True)

    def forward(self, rgb: Tensor, thermal: Tensor) -> Tensor:
        """Map two (N, cin, h, w) to (N, width, h, w)."""
        rgb, thermal = self.rgb(rgb), self.thermal(thermal)
        both = torch.cat([rgb, thermal], 1)                                  # N 2w h w
        both = both * (1 + torch.sigmoid(self.recalibrate(mean(both))))
        rgb, thermal = both.chunk(2, 1)                                      # 2 x N w h w
        both = self.compress(both)                                           # N w h w
        weight = torch.sigmoid(self.local_branch(both) * self.global_branch(mean(both)))
        return torch.lerp(thermal, rgb, weight)


class ChannelAttention(nn.Module):
    """Channel self-attention of DANet: each channel borrows from the channels unlike it."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, h, w)."""
        flat = x.flatten(2)                                                  # N C hw
        energy = flat.float() @ flat.float().transpose(1, 2)                 # N C C
        affinity = (energy.amax(2, keepdim=True) - energy).softmax(2).to(x.dtype)
        return self.gamma * (affinity @ flat).reshape(x.shape) + x


class CAM(nn.Module):
    """Cross-attention module: where both cameras respond, their sum is let through."""

    def __init__(self, cin: int, width: int):
        super().__init__()
        self.merge = ConvBN(cin, width, relu=False)
        self.gate = nn.Conv2d(1, 1, 3, padding=1)
        self.attend = ChannelAttention()

    def forward(self, rgb: Tensor, thermal: Tensor) -> Tensor:
        """Map two (N, cin, h, w) to (N, width, h, w)."""
        common = (rgb * thermal).amax(1, keepdim=True)                       # N 1 h w
        merged = F.leaky_relu(self.merge(rgb + thermal), 0.1)                # N width h w
        return self.attend(merged * torch.sigmoid(self.gate(common)))


class PHF(nn.Module):
    """Progressive heterogeneous fusion: semantics scale and shift normalised shallow features.

    As in SPADE (arXiv 1903.07291), with a bounded scale and a BatchNorm before the shift.
    """

    def __init__(self, width: int, condition: int):
        super().__init__()
        self.shared = nn.Sequential(nn.Conv2d(condition, width, 3, padding=1), nn.ReLU())
        self.gamma = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.Sigmoid())
        self.beta = nn.Conv2d(width, width, 3, padding=1)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Condition (N, width, h, w) on (N, condition, any, any); keep the shape of ``x``."""
        told = self.shared(resize(condition, x))                             # N width h w
        return self.bn(F.instance_norm(x) * (1 + self.gamma(told))) + self.beta(told)


class DSRM(nn.Module):
    """Dense block of four 3x3 convolutions; the last one's features go on."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.ModuleList(ConvBN(width * (i + 1), width) for i in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, width, H, W)."""
        seen = [x]
        for layer in self.layers:
            seen.append(layer(torch.cat(seen, 1)))
        return seen[-1]


def mean(x: Tensor) -> Tensor:
    """Global average pool (N, C, h, w) to (N, C, 1, 1)."""
    return x.mean((2, 3), keepdim=True)
