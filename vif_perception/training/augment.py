"""Joint augmentation of a batch: geometry for all three images, light for each camera."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vif_perception.training.data import Batch

#: Largest extra shift of the thermal image, px: no mount is perfect.
MISREGISTRATION_PX = 4.0


def augment(batch: Batch, crop: tuple[int, int], generator: torch.Generator) -> Batch:
    """Crop, scale, flip and rotate a batch, shift thermal a little, change the light.

    Args:
        batch: N full images.
        crop: (width, height) of the result, px.
        generator: source of all randomness.
    """
    count, _, height, width = batch.rgb.shape
    matrix = _random_crops(count, (width, height), crop, batch.mask, generator)
    shifted = matrix.clone()
    shift = (torch.rand(count, 2, generator=generator) * 2 - 1) * MISREGISTRATION_PX
    shifted[:, 0, 2] += shift[:, 0] * 2 / width
    shifted[:, 1, 2] += shift[:, 1] * 2 / height
    size = [count, 1, crop[1], crop[0]]
    grid = F.affine_grid(matrix, size, align_corners=False)
    thermal_grid = F.affine_grid(shifted, size, align_corners=False)
    # Ids are shifted by one so that what lies outside the image (0) becomes 255, not a class.
    ids = F.grid_sample(
        batch.mask[:, None].float() + 1, grid, mode='nearest', align_corners=False
    )[:, 0].long() - 1
    return Batch(
        _relight(F.grid_sample(batch.rgb, grid, align_corners=False), generator),
        _regain(F.grid_sample(batch.thermal, thermal_grid, align_corners=False), generator),
        torch.where(ids < 0, 255, ids),
    )


def drop_cameras(
    count: int, generator: torch.Generator, each: float = 0.2
) -> Tensor:
    """Return N x 2 presence flags (rgb, thermal); each camera is absent with probability each."""
    chance = torch.rand(count, generator=generator)
    return torch.stack([(chance >= each).float(), (chance < 1 - each).float()], 1)


def _random_crops(
    count: int, size: tuple[int, int], crop: tuple[int, int], mask: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """2x3 matrices from output to input coordinates (both -1..1); half aim at an object."""
    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    width, height = size
    zoom = torch.exp(uniform(math.log(0.7), math.log(1.8)))
    part_x, part_y = crop[0] / width / zoom, crop[1] / height / zoom
    angle = uniform(-0.05, 0.05)
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    room_x, room_y = (1 - part_x).clamp_(0), (1 - part_y).clamp_(0)
    center_x, center_y = uniform(-1, 1) * room_x, uniform(-1, 1) * room_y
    for index in range(count):
        target = _object_center(mask[index], generator)
        if target is not None and torch.rand(1, generator=generator) < 0.5:
            center_x[index] = target[0].clamp(-room_x[index], room_x[index])
            center_y[index] = target[1].clamp(-room_y[index], room_y[index])
    ratio = height / width
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0], matrix[:, 0, 1] = part_x * flip * angle.cos(), -part_y * ratio * angle.sin()
    matrix[:, 1, 0], matrix[:, 1, 1] = part_x * flip * angle.sin() / ratio, part_y * angle.cos()
    matrix[:, 0, 2], matrix[:, 1, 2] = center_x, center_y
    return matrix


def _object_center(mask: Tensor, generator: torch.Generator) -> Tensor | None:
    """Position (x, y) in -1..1 of a random pixel of a random class in the mask."""
    sparse = mask[::8, ::8]
    present = [int(c) for c in sparse.unique() if 0 < c < 255]
    if not present:
        return None
    chosen = present[int(torch.randint(len(present), (1,), generator=generator))]
    rows, columns = torch.nonzero(sparse == chosen, as_tuple=True)
    pick = int(torch.randint(len(rows), (1,), generator=generator))
    height, width = sparse.shape
    return torch.tensor([
        (columns[pick] + 0.5) * 2 / width - 1, (rows[pick] + 0.5) * 2 / height - 1
    ])


def _relight(rgb: Tensor, generator: torch.Generator) -> Tensor:
    """Change exposure, gamma, colour and noise of N x 3 x H x W images, 0..1."""
    def factor(low: float, high: float, channels: int = 1) -> Tensor:
        chance = torch.rand(rgb.shape[0], channels, 1, 1, generator=generator)
        return torch.exp(chance * (math.log(high) - math.log(low)) + math.log(low))

    rgb = rgb.clamp(1e-4, 1) ** factor(0.7, 1.4) * factor(0.6, 1.5) * factor(0.9, 1.1, 3)
    grey = rgb.mean(1, keepdim=True)
    rgb = torch.lerp(grey, rgb, factor(0.6, 1.4))
    noise = torch.randn(rgb.shape, generator=generator) * 0.03
    return (rgb + noise * torch.rand(rgb.shape[0], 1, 1, 1, generator=generator)).clamp_(0, 1)


def _regain(thermal: Tensor, generator: torch.Generator) -> Tensor:
    """Change gain, offset and noise of N x 1 x H x W thermal images, 0..1."""
    def uniform(low: float, high: float) -> Tensor:
        chance = torch.rand(thermal.shape[0], 1, 1, 1, generator=generator)
        return chance * (high - low) + low

    noise = torch.randn(thermal.shape, generator=generator) * uniform(0, 0.02)
    return (thermal * uniform(0.75, 1.3) + uniform(-0.05, 0.08) + noise).clamp_(0, 1)
