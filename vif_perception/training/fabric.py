"""Lightning Fabric: devices, processes and precision of a training."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

import torch

from vif_perception.errors import InputError
from vif_perception.training.recipe import Recipe


def make_fabric(recipe: Recipe) -> Any:
    """Start Fabric for a recipe: in this process, or as the one of several that torchrun started.

    Raises:
        InputError: Fabric is not installed, or there is no such device.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError:
        raise InputError(
            'training needs Lightning Fabric, which is not installed', where='train',
            remedy='pip install vif_perception[train]',
        ) from None
    device = recipe.device
    if device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    if device not in ('cpu', 'cuda'):
        raise InputError(f'is {device!r}', where='device', accepted='auto, cpu, cuda',
                         remedy='choose among several GPUs with CUDA_VISIBLE_DEVICES')
    if device == 'cuda' and not torch.cuda.is_available():
        raise InputError('no GPU that this torch can use', where='device', accepted='cpu',
                         remedy='install the build of torch for your CUDA driver')
    precision = recipe.precision
    if precision == 'auto':
        precision = 'bf16' if device == 'cuda' else 'fp32'
    if device == 'cuda':
        # Crops have one size, so the fastest convolutions are worth looking for.
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision('high')
    # torchrun says how many processes there are; without it there is one.
    here = int(os.environ.get('LOCAL_WORLD_SIZE', 1))
    world = int(os.environ.get('WORLD_SIZE', 1))
    logging.getLogger('lightning_fabric').setLevel(logging.WARNING)
    warnings.filterwarnings('ignore', module='lightning_fabric')
    fabric = Fabric(
        accelerator=device, devices=here, num_nodes=max(world // here, 1),
        strategy='ddp_find_unused_parameters_true' if world > 1 else 'auto',
        precision='bf16-mixed' if precision == 'bf16' else '32-true',
    )
    fabric.launch()
    return fabric
