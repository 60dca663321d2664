"""The deployed network as an ONNX file: the cameras' own bytes in, uint8 results out.

Standard operators only, fixed sizes. Needs the extra ``export``.
"""

from __future__ import annotations

import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vif_perception.errors import InputError
from vif_perception.files import write_whole
from vif_perception.inference.weights import Card
from vif_perception.models.deploy import Deployed
from vif_perception.models.inputs import MODES
from vif_perception.models.registry import find

OPSET = 18
OUTPUTS = ('fused', 'mask', 'confidence', 'entities')
THERMAL_TYPES = {'uint8': torch.uint8, 'uint16': torch.uint16, 'float32': torch.float32}


@dataclass(frozen=True)
class Shape:
    """What a file is made for; ONNX graphs of this package hold one size.

    Attributes:
        size: width and height of the RGB image and of all results.
        thermal_size: of the thermal image, where it differs: the graph then takes a sampling
            grid ``thermal_grid`` H x W x 2 as ``Deployed`` does.
        thermal_type: a key of :data:`THERMAL_TYPES`.
    """

    size: tuple[int, int] = (640, 480)
    thermal_size: tuple[int, int] | None = None
    thermal_type: str = 'uint16'


@dataclass(frozen=True)
class Agreement:
    """How far a runtime is from torch, worst of the three modes.

    Attributes:
        mask: share of equal mask pixels; fused, confidence: largest difference in grey levels;
        entities: largest difference of a score.
    """

    mask: float
    fused: int
    confidence: int
    entities: float


def export_onnx(network: nn.Module, card: Card, path: Path, shape: Shape) -> Agreement:
    """Write ``path`` and compare what ONNX Runtime makes of it with torch.

    The file's metadata hold the card as JSON under ``card``.

    Args:
        network: in eval mode; it is folded in place. card: what it is.

    Raises:
        InputError: ONNX cannot express the network, a package is missing, or ``path`` cannot be
            written.
    """
    reason = find(card.network, card.preset).onnx
    if reason:
        raise InputError(f'{card.network} cannot be written as ONNX: {reason}')
    if not path.parent.is_dir() or path.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError('is no place for a file', where=str(path), remedy='choose another --out',
                         accepted='the name of a file in a folder that is there, as x.onnx')
    onnx, runtime = _packages()
    deployed = Deployed(network, temperature=card.temperature).eval()
    pair = _noise(shape)
    arguments = (*pair.values(),) if shape.thermal_size is None else (
        *list(pair.values())[:4], None, pair['thermal_grid']
    )
    model = _convert(deployed, arguments)
    foreign = {node.domain for node in model.graph.node} - {''}
    assert not foreign, f'operators that are not ONNX: {foreign}'
    for part in (*model.graph.node, *model.graph.value_info):
        del part.metadata_props[:]  # the exporter's stack traces, with paths of this machine
    onnx.helper.set_model_props(model, {'card': card.model_dump_json(by_alias=True)})
    content = model.SerializeToString()
    agreement = _compare(deployed, pair, runtime.InferenceSession(content))
    write_whole(path, content)
    return agreement


def _packages() -> tuple[Any, Any]:
    remedy = 'pip install vif_perception[export]'
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  # the exporter of torch needs it
    except ImportError as error:
        raise InputError(f'{error.name} is not installed', remedy=remedy) from None
    if tuple(map(int, torch.__version__.split('.')[:2])) < (2, 5):
        raise InputError(f'torch is {torch.__version__}', accepted='2.5 or newer for ONNX')
    return onnx, onnxruntime


def _convert(deployed: Deployed, arguments: tuple[Tensor | None, ...]) -> Any:
    """Trace and convert; the exporter's remarks are for its makers."""
    log = logging.getLogger('torch.onnx')
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter('ignore')
            program = torch.onnx.export(
                deployed, arguments, dynamo=True, opset_version=OPSET, output_names=OUTPUTS,
                verbose=False,
            )
    finally:
        log.setLevel(level)
    assert program is not None
    return program.model_proto


def _noise(shape: Shape) -> dict[str, Tensor]:
    """A pair of noise, as the graph takes it."""
    random = np.random.default_rng(0)
    width, height = shape.size
    columns, rows = shape.thermal_size or shape.size
    top = 255 if shape.thermal_type == 'uint8' else 65535
    thermal = torch.from_numpy(random.integers(0, top + 1, (rows, columns), dtype=np.int32))
    pair = {
        'rgb': torch.from_numpy(random.integers(0, 256, (height, width, 3), dtype=np.uint8)),
        'thermal': thermal.to(THERMAL_TYPES[shape.thermal_type]),
        'window': torch.tensor([0.0, float(top)]), 'present': torch.ones(2),
    }
    if shape.thermal_size is not None:
        v, u = np.mgrid[:height, :width].astype(np.float32)
        grid = np.stack([(u + 1.5) * columns / width, (v - 1.5) * rows / height], -1)
        pair['thermal_grid'] = torch.from_numpy(grid.astype(np.float32))
    return pair


def _compare(deployed: Deployed, pair: dict[str, Tensor], session: Any) -> Agreement:
    worst = Agreement(1.0, 0, 0, 0.0)
    for flags in MODES.values():
        pair['present'] = torch.tensor(flags)
        with torch.no_grad():
            grids = {'thermal_grid': pair.get('thermal_grid')}
            wanted = deployed(*list(pair.values())[:4], **grids)
        found = session.run(list(OUTPUTS), {name: x.numpy() for name, x in pair.items()})
        fused, mask, confidence, entities = (
            np.abs(one.astype(np.float64) - two.numpy())
            for one, two in zip(found, wanted, strict=True)
        )
        worst = Agreement(
            min(worst.mask, float((mask == 0).mean())), max(worst.fused, int(fused.max())),
            max(worst.confidence, int(confidence.max())),
            max(worst.entities, float(entities.max(initial=0))),
        )
    return worst
