"""Convolution blocks that fold into plain convolutions for deployment."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class ConvBN(nn.Module):
    """Convolution, BatchNorm, optional ReLU; ``fold()`` leaves one convolution with a bias."""

    def __init__(
        self, cin: int, cout: int, kernel: int = 3, stride: int = 1, groups: int = 1,
        relu: bool = True,
    ):
        super().__init__()
        self.conv = nn.Conv2d(
            cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.bn: nn.Module = nn.BatchNorm2d(cout)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, cin, H, W) to (N, cout, H / stride, W / stride)."""
        x = self.bn(self.conv(x))
        return torch.relu_(x) if self.relu else x

    def fold(self) -> None:
        """Merge the BatchNorm into the convolution; the module must be in eval mode."""
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


def fold_batchnorm(model: nn.Module) -> nn.Module:
    """Fold every :class:`ConvBN` of a model in eval mode, in place; return the model."""
    for module in model.modules():
        if isinstance(module, ConvBN):
            module.fold()
    return model


def channels_last(model: nn.Module) -> nn.Module:
    """Store the convolution weights in the layout CPUs and tensor cores want, in place."""
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model
