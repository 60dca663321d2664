"""``vif-perception info``: what is installed here and what it would run on."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from typing import Any

import typer

from vif_perception import __version__
from vif_perception.cli import console

_PACKAGES = ('torch', 'numpy', 'pydantic', 'rosbags', 'safetensors', 'pillow', 'torchvision')


def info(
    as_json: console.AsJson = False,
) -> None:
    """Print versions, devices and inference backends; put it into every report of a fault."""
    facts = _facts()
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    table = console.table('what', 'here')
    for group, values in facts.items():
        for name, value in values.items():
            table.add_row(f'{group}: {name}', str(value))
    console.show(table)


def _facts() -> dict[str, dict[str, Any]]:
    return {
        'versions': {
            'vif_perception': __version__,
            'python': platform.python_version(),
            'system': platform.platform(),
            **{name: _version(name) for name in _PACKAGES},
        },
        'devices': _devices(),
        'backends': {'torch': _torch_backend()},
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return 'not installed'


def _devices() -> dict[str, str]:
    import torch

    from vif_perception.inference.torch_engine import cpu_has_bf16

    bf16 = 'with' if cpu_has_bf16() else 'without'
    capability = torch.backends.cpu.get_cpu_capability()
    found = {'cpu': f'{capability}, {torch.get_num_threads()} threads, {bf16} bf16 in hardware'}
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        memory = properties.total_memory / 2**30
        found[f'cuda:{index}'] = f'{properties.name}, {memory:.0f} GiB'
    return found


def _torch_backend() -> str:
    import torch

    cuda = f'CUDA {torch.version.cuda}' if torch.cuda.is_available() else 'without CUDA'
    return f'{torch.__version__}, {cuda}'
