"""``vif-perception export``: a network for other runtimes."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from vif_perception.cli import console
from vif_perception.cli.sim import parse_size
from vif_perception.errors import InputError


class Format(str, Enum):
    """What can be written."""

    ONNX = 'onnx'


class ThermalType(str, Enum):
    """Type of the thermal pixels."""

    UINT8 = 'uint8'
    UINT16 = 'uint16'
    FLOAT32 = 'float32'


def export(
    weights: Annotated[
        str,
        typer.Argument(
            help='A .safetensors file, packaged weights such as rt-s, or NAME/PRESET of '
            '`vif-perception models` for fresh weights, to try a runtime with.'
        ),
    ],
    out: Annotated[Path, typer.Option(help='File to write.', show_default=False)],
    form: Annotated[Format, typer.Option('--format', help='Kind of file.')] = Format.ONNX,
    size: Annotated[
        str, typer.Option(metavar='WxH', help='Size of the RGB images and of the results.')
    ] = '640x480',
    thermal_size: Annotated[
        str | None,
        typer.Option(
            metavar='WxH', help='Size of the thermal images; the graph then takes a grid.',
            show_default='that of RGB',
        ),
    ] = None,
    thermal_type: Annotated[
        ThermalType, typer.Option(help='Type of the thermal pixels.')
    ] = ThermalType.UINT16,
    as_json: console.AsJson = False,
) -> None:
    """Write a network as one graph from raw images to uint8 results, and compare it with torch.

    Needs the extra "export" of the package.
    """
    from vif_perception.inference.onnx_file import Shape, export_onnx

    shape = Shape(
        parse_size(size, '--size'),
        None if thermal_size is None else parse_size(thermal_size, '--thermal-size'),
        thermal_type.value,
    )
    network, card = _network(weights, out)
    agreement = export_onnx(network, card, out, shape)
    if as_json:
        typer.echo(json.dumps({'format': form.value, 'out': str(out), **asdict(agreement)}))
        return
    console.say(f'{out}: {card.network} {card.preset}, {out.stat().st_size / 1e6:.1f} MB')
    console.say(
        f'against torch, worst of three modes: mask {agreement.mask:.3%} equal, fused within '
        f'{agreement.fused}, confidence within {agreement.confidence}'
    )


def _network(weights: str, out: Path) -> tuple[Any, Any]:
    from vif_perception.inference.weights import load_network, untrained
    from vif_perception.resources import weights_file

    name, slash, preset = weights.partition('/')
    if weights.endswith('.safetensors') or not slash:
        path = Path(weights) if weights.endswith('.safetensors') else weights_file(weights)
        if out.resolve() in (path.resolve(), path.with_suffix('.json').resolve()):
            raise InputError('would replace the weights', where='--out', accepted='another file')
        return load_network(path)
    made = untrained(name, preset)
    console.complain(f'{name} {preset} is untrained: good for trying a runtime, for nothing else')
    return made
