"""The blocks of a network in the order they run, with shapes: the paper's figure as a list."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from vif_perception.models.cost import SIZE, ghost_pair

#: Classes of this package that figures do not draw: they belong to the block around them.
PARTS = {
    'ConvBN', 'Residual', 'ChannelNorm', 'LocalMix', 'Bottleneck', 'PooledBatchNorm',
    'HalfInstanceNorm', 'Backbone',
}


@dataclass
class Block:
    """One block.

    Attributes:
        name: attribute path below the block around it; kind: its class, as the figure names it.
        shapes: of what it returns for one image, such as ``32x480x640``; empty for a block
            whose parts are called one by one.
        parameters, macs: its own and those of its parts, in inference.
        training: whether only training runs it; times: equal blocks in a row, of which this one
            is the first.
    """

    name: str
    kind: str
    shapes: list[str] = field(default_factory=list)
    parameters: int = 0
    macs: int = 0
    training: bool = False
    times: int = 1
    parts: list[Block] = field(default_factory=list)


def diagram(network: nn.Module, size: tuple[int, int] = SIZE) -> Block:
    """Run ``network`` without computing at ``size`` (width, height) and return its blocks.

    Raises:
        InputError: ``size`` is off the network's stride.
    """
    ghost = copy.deepcopy(network).to('meta')
    paths = {module: path for path, module in ghost.named_modules() if _is_block(module)}
    paths[ghost] = ''
    found: dict[str, Block] = {}

    def note(module: nn.Module, _: Any, output: Any) -> None:
        block = _block(module, paths, found)
        block.shapes = block.shapes or list(_shapes(output))

    hooks = [module.register_forward_hook(note) for module in paths]
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            ghost.eval()(*ghost_pair(size))
        ghost.train()
        known = set(found)
        ghost(*ghost_pair(size))
    for hook in hooks:
        hook.remove()
    for path, block in found.items():
        block.training = path not in known
    _count(counter, type(ghost).__name__, found)
    return _collapse(_tree(found))


def _is_block(module: nn.Module) -> bool:
    kind = type(module)
    return kind.__module__.startswith('vif_perception.models.') and kind.__name__ not in PARTS


def _block(module: nn.Module, paths: Mapping[nn.Module, str], found: dict[str, Block]) -> Block:
    """Return the block of a module; blocks around it that are not there yet come before it."""
    path = paths[module]
    for other, around in paths.items():
        if around not in found and (around == '' or f'{path}.'.startswith(f'{around}.')):
            parameters = sum(p.numel() for p in other.parameters())
            found[around] = Block(around, type(other).__name__, parameters=parameters)
    return found[path]


def _shapes(output: Any, name: str = '') -> Iterator[str]:
    if isinstance(output, Tensor):
        shape = 'x'.join(map(str, output.shape[1:]))
        yield f'{name} {shape}'.strip()
    elif dataclasses.is_dataclass(output):
        for part in dataclasses.fields(output):
            yield from _shapes(getattr(output, part.name), part.name)
    elif isinstance(output, (tuple, list)):
        for index, item in enumerate(output):
            yield from _shapes(item, '' if index else name)


def _count(counter: FlopCounterMode, root: str, found: Mapping[str, Block]) -> None:
    flops = {path: sum(ops.values()) for path, ops in counter.get_flop_counts().items()}
    for path, block in found.items():
        block.macs = flops.get(f'{root}.{path}' if path else root, 0) // 2


def _tree(found: Mapping[str, Block]) -> Block:
    """Put every block into the closest one around it."""
    for path, block in found.items():
        around = path
        while around:
            around = around.rpartition('.')[0]
            if around in found:
                block.name = path[len(around) + 1 if around else 0:]
                found[around].parts.append(block)
                break
    return found['']


def _collapse(block: Block) -> Block:
    """Sum up blocks whose parts are called one by one; draw equal neighbours once."""
    kept: list[Block] = []
    for part in map(_collapse, block.parts):
        last = kept[-1] if kept else None
        if last is not None and _same(last, part):
            last.times += 1
        else:
            kept.append(part)
    block.macs = block.macs or sum(part.macs * part.times for part in kept)
    block.parts = kept
    return block


def _same(one: Block, other: Block) -> bool:
    fields = ('kind', 'shapes', 'parameters', 'macs', 'training')
    return (
        re.sub(r'\d', '', one.name) == re.sub(r'\d', '', other.name)
        and all(getattr(one, name) == getattr(other, name) for name in fields)
        and len(one.parts) == len(other.parts)
        and all(map(_same, one.parts, other.parts))
    )
