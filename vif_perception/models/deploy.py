"""Raw in, raw out: pre-processing, network and post-processing as one graph.

Every backend runs this module, so every backend gives the same answer and nothing is done twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.errors import InputError
from vif_perception.models.blocks import channels_last, fold_batchnorm
from vif_perception.models.inputs import MODES, stride_of
from vif_perception.models.prediction import Prediction

#: ITU-R BT.601 luma, as in the fusion literature.
LUMA = (0.299, 0.587, 0.114)


class Deployed(nn.Module):
    """The cameras' own bytes in, uint8 results out, at the reference camera's size.

    Args:
        network: a network of the registry in eval mode; its BatchNorm is folded in place.
        precision: of the convolutions; blending and scores stay float32.
        temperature: of the mask's softmax, from calibration on validation data; one for all
            modes, or one for each key of ``MODES``.

    Raises:
        InputError: a temperature that is not above 0, or modes that are not these.
    """

    luma: Tensor
    sharpness: Tensor

    def __init__(
        self, network: nn.Module, *, precision: torch.dtype = torch.float32,
        temperature: float | Mapping[str, float] = 1.0,
    ):
        super().__init__()
        self.network = channels_last(fold_batchnorm(network.eval()).to(precision))
        self.precision = precision
        self.stride = stride_of(network)
        self.register_buffer('luma', torch.tensor(LUMA) / 255)
        self.register_buffer('sharpness', _sharpness(temperature))

    def forward(
        self, rgb: Tensor, thermal: Tensor, window: Tensor, present: Tensor,
        rgb_grid: Tensor | None = None, thermal_grid: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Run one pair.

        Args:
            rgb: h x w x 3 uint8, R G B.
            thermal: h x w uint8, uint16 or float32.
            window: 2 float32: thermal values shown as black and white.
            present: 2 flags 0 or 1: rgb, thermal. Of an absent camera nothing is read; networks
                without a stand-in for it see black.
            rgb_grid, thermal_grid: H x W x 2 float32, where reference pixel (v, u) lies in that
                image, px (x, y), pixel centres at integers; None where the image already is
                H x W in reference geometry.

        Returns:
            fused H x W x 3 uint8, mask H x W uint8, confidence H x W uint8
            (round(255 * max softmax)), entity scores K float32 0..1.

        Raises:
            InputError: wrong channel count, type or grid, or sizes that differ without a grid.
        """
        _check_raw(rgb, thermal, rgb_grid, thermal_grid)
        present = present.float()
        color = _warp(rgb * present[0], rgb_grid)
        low, high = window[0], window[1]
        heat = ((thermal.float() - low) / (high - low)).clamp_(0, 1)
        if thermal.is_floating_point():
            heat = torch.nan_to_num(heat)
        heat = torch.where(present[1] > 0, heat, 0.0)
        heat = _warp(heat[..., None], thermal_grid)[..., 0]
        y = color @ self.luma
        height, width = y.shape
        network_rgb = (color.to(self.precision) * (1 / 255)).permute(2, 0, 1).unsqueeze(0)
        prediction: Prediction = self.network(
            self._padded(network_rgb), self._padded(y[None, None]),
            self._padded(heat[None, None]), present.view(1, 2),
        )
        fused_y = prediction.fused_y[0, 0, :height, :width]
        fused_y = torch.where(_unseen(rgb_grid, rgb) & (present[1] > 0), heat, fused_y)
        fused_y = torch.where(_unseen(thermal_grid, thermal) & (present[0] > 0), y, fused_y)
        # Adding the change of luma to all colours leaves chroma alone.
        fused = (color + (255 * (fused_y - y)).unsqueeze(-1)).round_().clamp_(0, 255)
        sharpness = _of_mode(self.sharpness, present)
        mask, confidence = self._mask(prediction.logits.float() * sharpness, height, width)
        entities = torch.sigmoid(prediction.entity_logits[0].float())
        return fused.to(torch.uint8).contiguous(), mask, confidence, entities

    def _padded(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        bottom, right = -height % self.stride, -width % self.stride
        if not (bottom or right):
            return image
        return F.pad(image, (0, right, 0, bottom), mode='replicate')

    def _mask(self, logits: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Decide at half resolution: full resolution costs as much as a third of the network."""
        half_size = (-(-height // self.stride) * self.stride // 2,
                     -(-width // self.stride) * self.stride // 2)
        logits = F.interpolate(
            logits, half_size, mode='bilinear', align_corners=False
        )[0]
        best, ids = logits.max(0)
        confidence = logits.sub_(best).exp_().sum(0).reciprocal_().mul_(255).round_()
        half = torch.stack([ids.to(torch.uint8), confidence.to(torch.uint8)])
        full = half.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, :height, :width]
        return full[0].contiguous(), full[1].contiguous()


def _sharpness(temperature: float | Mapping[str, float]) -> Tensor:
    """Return 1 / temperature in the order of ``MODES``."""
    if not isinstance(temperature, Mapping):
        temperature = dict.fromkeys(MODES, temperature)
    if temperature.keys() != MODES.keys() or not all(
        0 < value < math.inf for value in temperature.values()
    ):
        raise InputError(f'temperature {temperature}',
                         accepted=f'a number above 0, or one for each of {", ".join(MODES)}')
    return torch.tensor([1.0 / temperature[mode] for mode in MODES])


def _of_mode(values: Tensor, present: Tensor) -> Tensor:
    """Pick from ``values``, in the order of ``MODES``, by two flags."""
    alone = torch.where(present[0] > 0, values[1], values[2])
    return torch.where(present[0] * present[1] > 0, values[0], alone)


def _check_raw(
    rgb: Tensor, thermal: Tensor, rgb_grid: Tensor | None, thermal_grid: Tensor | None
) -> None:
    """Look at shapes and types only; NaN and infinite thermal pixels become black or white."""
    found = ' and '.join(f'{list(x.shape)} {str(x.dtype)[6:]}' for x in (rgb, thermal))
    accepted = 'rgb h x w x 3 uint8, thermal h x w uint8, uint16 or float32'
    kinds = (torch.uint8, torch.uint16, torch.float32)
    if (
        rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != torch.uint8
        or thermal.ndim != 2 or thermal.dtype not in kinds or not rgb.numel() * thermal.numel()
    ):
        raise InputError(f'rgb and thermal of {found}', accepted=accepted)
    for grid in (rgb_grid, thermal_grid):
        if grid is not None and (
            grid.ndim != 3 or grid.shape[2] != 2 or grid.dtype != torch.float32
        ):
            raise InputError(
                f'a grid of {list(grid.shape)} {str(grid.dtype)[6:]}', accepted='H x W x 2 float32'
            )
    sizes = [
        tuple(image.shape[:2]) if grid is None else tuple(grid.shape[:2])
        for image, grid in ((rgb, rgb_grid), (thermal, thermal_grid))
    ]
    if sizes[0] != sizes[1]:
        raise InputError(
            f'rgb and thermal of {found}', accepted='one size',
            remedy='give the grid of the one that is not the reference',
        )


def _warp(image: Tensor, grid: Tensor | None) -> Tensor:
    """Sample an h x w x C float image at an H x W x 2 px grid; 0 where it has no pixels."""
    if grid is None:
        return image
    warped = F.grid_sample(
        image.permute(2, 0, 1)[None], _unit(grid, image)[None], mode='bilinear',
        padding_mode='zeros', align_corners=True,
    )
    return warped[0].permute(1, 2, 0)


def _unseen(grid: Tensor | None, image: Tensor) -> Tensor:
    """H x W (or one) flags: reference pixels that lie outside the image."""
    if grid is None:
        return torch.zeros((), dtype=torch.bool, device=image.device)
    return (_unit(grid, image).abs() > 1).any(-1)


def _unit(grid: Tensor, image: Tensor) -> Tensor:
    """Pixel positions in an h x w (x C) image to -1..1."""
    height, width = image.shape[:2]
    span = torch.tensor([max(width - 1, 1), max(height - 1, 1)], dtype=torch.float32)
    return grid * (2 / span.to(grid.device)) - 1
