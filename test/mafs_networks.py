"""Small MAFS networks and what to show them."""

import torch

from vif_perception.models.registry import build

SIZE = (32, 64)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def inputs(count: int = 1, size: tuple[int, int] = SIZE) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    rgb = torch.rand(count, 3, *size, generator=generator)
    thermal = torch.rand(count, 1, *size, generator=generator)
    return rgb, rgb.mean(1, keepdim=True), thermal


def tiny(classes: int = 5, entities: int = 4) -> torch.nn.Module:
    torch.manual_seed(0)
    return build('mafs', 'tiny', classes=classes, entities=entities)


def trained(module: torch.nn.Module) -> torch.nn.Module:
    """Move every parameter and statistic away from its initial value, as training would."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for value in (*module.parameters(), *module.buffers()):
            if value.is_floating_point() and value.ndim < 2:
                value.mul_(1 + 0.2 * torch.rand(value.shape, generator=generator)).add_(0.05)
    return module
