"""The four deep stages of one camera's stream, by name; their weights are never downloaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from types import ModuleType

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vif_perception.errors import InputError
from vif_perception.models.blocks import ConvBN, Foldable, Residual


class Stage(nn.Sequential):
    """One of the four stages, as the figure counts them; halves the resolution."""


class Backbone(Foldable):
    """Stages that lead from F2 (H/2) to H/4, H/8, H/16 and H/32.

    Args:
        stem: channels of F2, the input of the first stage.
        channels: of the stages' outputs.
        layers: the modules of each stage; every convolution's BatchNorm must directly follow it
            as a child.
    """

    def __init__(
        self, stem: int, channels: tuple[int, int, int, int], layers: Sequence[Iterable[nn.Module]]
    ):
        super().__init__()
        self.stem = stem
        self.channels = channels
        self.layers = nn.ModuleList(Stage(*layer) for layer in layers)

    def forward(self, f2: Tensor) -> list[Tensor]:
        """Run all stages one after the other; MAFS runs them with gates between."""
        outputs = [f2]
        for layer in self.layers:
            outputs.append(layer(outputs[-1]))
        return outputs[1:]

    def fold(self) -> None:
        """Merge every BatchNorm into the convolution before it, also in foreign blocks."""
        for parent in list(self.layers.modules()):
            for (name, conv), (bn_name, bn) in pairwise(list(parent.named_children())):
                if isinstance(conv, nn.Conv2d) and isinstance(bn, nn.BatchNorm2d):
                    setattr(parent, name, fuse_conv_bn_eval(conv, bn))
                    setattr(parent, bn_name, nn.Identity())


def tiny() -> Backbone:
    """Small backbone of basic blocks that needs nothing but torch."""
    sizes = (16, 16, 24, 32, 48)
    layers = [
        [ConvBN(cin, cout, stride=2), Residual(cout)] for cin, cout in pairwise(sizes)
    ]
    return Backbone(16, (16, 24, 32, 48), layers)


def resnet(depth: int) -> Backbone:
    """``layer1`` to ``layer4`` of a torchvision ResNet (18, 34, 50, 152), fresh weights.

    Raises:
        InputError: torchvision is not installed.
    """
    net = getattr(_torchvision_models(), f'resnet{depth}')(weights=None, zero_init_residual=True)
    widths = (64, 128, 256, 512) if depth < 50 else (256, 512, 1024, 2048)
    first = [net.maxpool, *net.layer1]
    return Backbone(64, widths, [first, net.layer2, net.layer3, net.layer4])


def mobilenet_v3() -> Backbone:
    """Torchvision's MobileNetV3-Large up to its last inverted residual, fresh weights.

    Raises:
        InputError: torchvision is not installed.
    """
    features = _torchvision_models().mobilenet_v3_large(weights=None).features
    ends = (1, 4, 7, 13, 16)
    layers = [features[start:end] for start, end in pairwise(ends)]
    return Backbone(16, (24, 40, 112, 160), layers)


#: What ``model.preset`` of mafs names.
BACKBONES: Mapping[str, Callable[[], Backbone]] = {
    **{f'r{depth}': partial(resnet, depth) for depth in (152, 50, 34, 18)},
    'mobilenet_v3': mobilenet_v3, 'tiny': tiny,
}


def _torchvision_models() -> ModuleType:
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:  # RuntimeError: built for another torch
        raise InputError(
            f'torchvision cannot be imported ({error})', where='model.preset',
            accepted='tiny without it', remedy='pip install vif_perception[train]',
        ) from None
    return models
