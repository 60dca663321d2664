"""What all networks do with their inputs: check them, and do without an absent camera."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vif_perception.errors import InputError

#: What a network can be told it has -> presence flags (rgb, thermal).
MODES = {'FUSED': (1.0, 1.0), 'RGB_ONLY': (1.0, 0.0), 'THERMAL_ONLY': (0.0, 1.0)}


def stride_of(network: nn.Module) -> int:
    """Multiple of which a registered network wants its input's height and width, px."""
    return int(network.stride)  # type: ignore[arg-type]  # nn.Module attributes are Tensor | Module


def check_inputs(
    network: nn.Module, rgb: Tensor, y: Tensor, thermal: Tensor, present: Tensor
) -> None:
    """Refuse what no network can take; looks at shapes and types, never at values.

    Args:
        network: has ``stride``; the others as its ``forward`` takes them.

    Raises:
        InputError: wrong channel count or batch, raw bytes, an empty side, or height or width
            off the stride.
    """
    where = type(network).__name__.lower()
    n, _, height, width = rgb.shape if rgb.ndim == 4 else (0, 0, 0, 0)
    found = tuple(tuple(x.shape) for x in (rgb, y, thermal, present))
    plane = (n, 1, height, width)
    if rgb.ndim != 4 or not n or found != ((n, 3, height, width), plane, plane, (n, 2)):
        raise InputError(
            f'rgb, y, thermal, present of shapes {", ".join(map(str, found))}', where=where,
            accepted='N x 3 x H x W, N x 1 x H x W, N x 1 x H x W, N x 2, with N at least 1',
        )
    if not all(x.is_floating_point() for x in (rgb, y, thermal, present)):
        raise InputError(
            'raw images', where=where, accepted='floats 0..1',
            remedy='models.deploy takes the cameras\' own bytes',
        )
    stride = stride_of(network)
    if not height or not width or height % stride or width % stride:
        raise InputError(
            f'input of {width}x{height}', where=where, accepted=f'multiples of {stride}',
            remedy='use models.deploy, which pads and cuts back',
        )


def cameras(present: Tensor) -> tuple[Tensor, Tensor]:
    """Flags (N, 2) as two of (N, 1, 1, 1) bool: rgb, thermal."""
    has_rgb, has_thermal = (present[:, i, None, None, None] > 0.5 for i in range(2))
    return has_rgb, has_thermal


def unless_alone(fused: Tensor, y: Tensor, thermal: Tensor, present: Tensor) -> Tensor:
    """Return the fused luma, but of a lone camera its image, bit for bit; all (N, 1, H, W)."""
    has_rgb, has_thermal = cameras(present)
    return torch.where(has_rgb & has_thermal, fused, torch.where(has_rgb, y, thermal))


class StandIns(nn.Module):
    """Learned greys in the place of absent cameras; nothing of their images is read, NaN included.

    Mid-grey at first: the mean of the noise that hides a camera in the pretext of MAFS.
    """

    def __init__(self, rgb_channels: int):
        super().__init__()
        self.rgb = nn.Parameter(torch.full((1, rgb_channels, 1, 1), 0.5))
        self.thermal = nn.Parameter(torch.full((1, 1, 1, 1), 0.5))

    def forward(self, rgb: Tensor, thermal: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Replace what is absent by ``present`` (N, 2); shapes and types stay."""
        has_rgb, has_thermal = cameras(present)
        return (
            torch.where(has_rgb, rgb, self.rgb.to(rgb.dtype)),
            torch.where(has_thermal, thermal, self.thermal.to(thermal.dtype)),
        )
