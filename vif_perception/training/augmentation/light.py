"""Steps that change values and leave every pixel in its place."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from vif_perception.training.augmentation.config import (
    BlurStep,
    DarknessStep,
    DropoutStep,
    GlareStep,
    NoiseStep,
    PhotometricStep,
    ThermalStep,
)
from vif_perception.training.augmentation.scene import Scene


def thermal_gain(scene: Scene, step: ThermalStep, rng: np.random.Generator) -> None:
    """Change gain and offset of the thermal picture."""
    scene.thermal = scene.thermal * _factor(step.gain, rng) + rng.uniform(*step.offset)


def photometric(scene: Scene, step: PhotometricStep, rng: np.random.Generator) -> None:
    """Change brightness, contrast, saturation, gamma and white balance of RGB."""
    rgb = F.adjust_gamma(scene.rgb, _factor(step.gamma, rng))
    rgb = F.adjust_contrast(rgb, _factor(step.contrast, rng))
    rgb = F.adjust_saturation(rgb, _factor(step.saturation, rng))
    brightness = _factor(step.brightness, rng)
    channels = [brightness * _factor(step.white_balance, rng) for _ in range(3)]
    scene.rgb = (rgb * torch.tensor(channels).view(3, 1, 1)).clamp_(0, 1)


def darken(scene: Scene, step: DarknessStep, rng: np.random.Generator) -> None:
    """Take the light away from RGB."""
    if rng.random() < step.chance:
        scene.rgb, scene.dark = scene.rgb * _factor(step.brightness, rng), True


def glare(scene: Scene, step: GlareStep, rng: np.random.Generator) -> None:
    """Add lamps: a bright disc and a wide halo each."""
    if rng.random() >= step.chance:
        return
    width, height = scene.size
    light = torch.zeros(3, height, width)
    for _ in range(int(rng.integers(1, step.lights + 1))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        radius = width * _factor(step.radius, rng)
        across = ((torch.arange(width) - x) / radius).square_()
        down = ((torch.arange(height) - y) / radius).square_()
        distance = across[None] + down[:, None]
        halo = 4 * torch.exp(-distance) + rng.uniform(0.3, 1.2) / (1 + distance / 6)
        color = torch.tensor([1.0, rng.uniform(0.75, 1), rng.uniform(0.5, 1)])
        light += color.view(3, 1, 1) * halo.float()
    scene.rgb = 1 - (1 - scene.rgb) * torch.exp(-light)


def blur(scene: Scene, step: BlurStep, rng: np.random.Generator) -> None:
    """Blur each camera with the same chance, but not together."""
    for name in ('rgb', 'thermal'):
        if rng.random() < step.chance:
            sigma = _factor(step.sigma_px, rng)
            size = 2 * math.ceil(2 * sigma) + 1
            setattr(scene, name, F.gaussian_blur(getattr(scene, name), [size, size], [sigma]))


def noise(scene: Scene, step: NoiseStep, rng: np.random.Generator) -> None:
    """Add white noise to both cameras."""
    scene.rgb = scene.rgb + _white(scene.rgb, rng.uniform(0, step.rgb), rng)
    scene.thermal = scene.thermal + _white(scene.thermal, rng.uniform(0, step.thermal), rng)


def drop(scene: Scene, step: DropoutStep, rng: np.random.Generator) -> None:
    """Take one camera away, where both are there; never thermal where it is dark."""
    chance = rng.random()
    if scene.has_rgb and scene.has_thermal:
        scene.has_rgb = chance >= step.rgb
        scene.has_thermal = chance < 1 - step.thermal or scene.dark


def _factor(limits: tuple[float, float], rng: np.random.Generator) -> float:
    """Log-uniform: twice and half are equally likely."""
    return math.exp(rng.uniform(math.log(limits[0]), math.log(limits[1])))


def _white(like: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    values = rng.standard_normal(tuple(like.shape), np.float32)
    return torch.from_numpy(values).mul_(strength)
