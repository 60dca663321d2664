"""Convolution blocks that fold into plain convolutions for deployment."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Foldable(nn.Module):
    """A module whose parts merge into fewer for deployment."""

    def fold(self) -> None:
        """Merge, in place and for good; the module must be in eval mode."""
        raise NotImplementedError  # each kind merges in its own way


class ConvBN(Foldable):
    """Convolution, BatchNorm, optional ReLU; ``fold()`` leaves one convolution with a bias."""

    def __init__(
        self, cin: int, cout: int, kernel: int = 3, stride: int = 1, groups: int = 1,
        relu: bool = True, dilation: int = 1,
    ):
        super().__init__()
        # In bf16 the gradient of a dilated convolution's weights runs out of its memory on CPUs
        # (oneDNN of torch 2.13) unless the input channels are at most 16 or a multiple of 16.
        self.pad = -cin % 16 if dilation > 1 and cin > 16 else 0
        self.conv = nn.Conv2d(
            cin + self.pad, cout, kernel, stride, kernel // 2 * dilation, dilation, groups,
            bias=False,
        )
        self.bn: nn.Module = nn.BatchNorm2d(cout)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, cin, H, W) to (N, cout, H / stride, W / stride)."""
        if self.pad:
            x = F.pad(x, (0, 0, 0, 0, 0, self.pad))
        x = self.bn(self.conv(x))
        return torch.relu_(x) if self.relu else x

    def fold(self) -> None:
        """Merge the BatchNorm into the convolution."""
        if isinstance(self.bn, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.bn)
            self.bn = nn.Identity()


class Residual(nn.Module):
    """Two 3x3 convolutions beside an identity (He et al. 2016, basic block)."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = ConvBN(channels, channels)
        self.second = ConvBN(channels, channels, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, H, W)."""
        return torch.relu_(self.second(self.first(x)).add_(x))


def resize(image: Tensor, like: Tensor) -> Tensor:
    """Bilinear (N, C, h, w) to the height and width of ``like``, corners not aligned."""
    return F.interpolate(image, like.shape[-2:], mode='bilinear', align_corners=False)


def unit_range(x: Tensor) -> Tensor:
    """Squash to 0..1 by tanh, in float32: bf16 has fewer steps near 1 than there are greys."""
    return (torch.tanh(x.float()) + 1) / 2


def fold_batchnorm(model: nn.Module) -> nn.Module:
    """Fold every :class:`Foldable` of a model in eval mode, in place; return the model."""
    for module in list(model.modules()):
        if isinstance(module, Foldable):
            module.fold()
    return model


def channels_last(model: nn.Module) -> nn.Module:
    """Store the convolution weights in the layout CPUs and tensor cores want, in place."""
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model
