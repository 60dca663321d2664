"""``vif-perception models``: which networks there are, what they cost, what they are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from vif_perception.cli import console
from vif_perception.cli.replay import ConfigFile, Sets
from vif_perception.cli.sim import parse_size

Facts = dict[str, Any]


def models(
    name: Annotated[
        str | None, typer.Argument(help='A network.', show_default=False)
    ] = None,
    preset: Annotated[
        str | None, typer.Argument(help='One of its presets.', show_default=False)
    ] = None,
    diagram: Annotated[
        bool, typer.Option('--diagram', help='Print the blocks with their shapes, as they run.')
    ] = False,
    size: Annotated[
        str, typer.Option(metavar='WxH', help='Size of the images that are counted for.')
    ] = '640x480',
    sets: Sets = None,
    config: ConfigFile = None,
    as_json: console.AsJson = False,
) -> None:
    """List the networks, or describe one.

    With --config or --set the network is that of model.name, model.preset and model.options;
    NAME and PRESET beat them.
    """
    from vif_perception.config import load_config
    from vif_perception.models.registry import families, find

    pixels = parse_size(size, '--size')
    wanted = load_config(config, sets or ()).model
    if name is None and (config or sets or diagram):
        name, preset = wanted.name, wanted.preset
    if name is None:
        _print_list([row for known in families() for row in _presets(known)], as_json)
        return
    if preset is None and name == wanted.name and (config or sets):
        preset = wanted.preset
    if preset is None and (diagram or wanted.options):
        preset = find(name, None).default
    facts = _family(name, find(name, preset))
    if preset is not None:
        facts |= _count(name, preset, wanted.options, pixels, diagram)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    elif diagram:
        _print_diagram(facts)
    else:
        _print_facts(facts)


def _presets(name: str) -> list[Facts]:
    """One row for each preset; costs are stated, so nothing is built."""
    from vif_perception.models.registry import families
    from vif_perception.resources import packaged_weights

    family, packaged = families()[name], packaged_weights()
    return [
        {
            'name': name, 'preset': preset, 'summary': size.summary, 'source': family.source,
            'parameters_m': size.parameters, 'gmacs_640x480': size.macs, 'needs': size.needs,
            'onnx': not family.onnx, 'packaged_weights': f'{name}-{preset}' in packaged,
        }
        for preset, size in family.presets.items()
    ]


def _family(name: str, family: Any) -> Facts:
    return {
        'name': name, 'title': family.title, 'source': family.source, 'ours': family.ours,
        'outputs': family.outputs, 'onnx': not family.onnx, 'not_onnx_because': family.onnx,
        'preset_is': family.preset_is, 'options': family.accepted(), 'presets': _presets(name),
    }


def _count(
    name: str, preset: str, options: dict[str, Any], size: tuple[int, int], with_blocks: bool
) -> Facts:
    """Build one network without memory and count it at a size, padded as the robot pads it."""
    import torch

    from vif_perception.models.cost import cost
    from vif_perception.models.diagram import diagram
    from vif_perception.models.inputs import stride_of
    from vif_perception.models.registry import build, options_of

    with torch.device('meta'):
        network = build(name, preset, options=options)
    stride = stride_of(network)
    width, height = (-(-side // stride) * stride for side in size)
    facts = {
        'preset': preset, 'settings': options_of(name, network), 'stride': stride,
        'size': (width, height), **asdict(cost(network, (width, height))),
    }
    return facts | ({'diagram': asdict(diagram(network, (width, height)))} if with_blocks else {})


def _print_list(rows: list[Facts], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    console.show(_preset_table(rows))
    console.say(
        'Millions of parameters; GMACs for one pair at 640x480; weights: in the package.\n'
        'More: vif-perception models NAME [PRESET] [--diagram]'
    )


def _preset_table(rows: Iterable[Facts]) -> Any:
    table = console.table('network', 'params', 'GMACs', 'ONNX', 'weights', 'what it is')
    table.columns[0].no_wrap = table.columns[-1].no_wrap = True
    for row in rows:
        table.add_row(
            f'{row["name"]} {row["preset"]}', f'{row["parameters_m"]:6.2f}',
            f'{row["gmacs_640x480"]:6.2f}', 'yes' if row['onnx'] else 'no',
            'yes' if row['packaged_weights'] else '-', row['summary'],
        )
    return table


def _print_facts(facts: Facts) -> None:
    table = console.table(facts['name'], facts['title'])
    for key in ('source', 'ours', 'outputs'):
        table.add_row(key, facts[key])
    table.add_row('ONNX', 'yes' if facts['onnx'] else f'no: {facts["not_onnx_because"]}')
    table.add_row('model.preset', f'the {facts["preset_is"]}')
    if 'settings' not in facts:
        for option, accepted in facts['options'].items():
            table.add_row(f'model.options.{option}', accepted)
        console.show(table)
        console.show(_preset_table(facts['presets']))
        return
    row = next(row for row in facts['presets'] if row['preset'] == facts['preset'])
    table.add_row('', f'{facts["preset"]}: {row["summary"]}')
    for option, value in facts['settings'].items():
        table.add_row(
            f'model.options.{option}', f'{json.dumps(value)} ({facts["options"][option]})'
        )
    table.add_row('packaged weights', 'yes' if row['packaged_weights'] else 'no')
    table.add_row('parameters', f'{facts["parameters"] / 1e6:.3f} M')
    width, height = facts['size']
    table.add_row(f'GMACs at {width}x{height}', f'{facts["macs"] / 1e9:.3f}')
    console.show(table)


def _print_diagram(facts: Facts) -> None:
    width, height = facts['size']
    console.say(
        f'{facts["name"]} {facts["preset"]} at {width}x{height}, {facts["source"]}\n'
        'returns: channels x height x width; of equal neighbours only the first is drawn'
    )
    table = console.table('block', 'class', 'k params', 'GMACs', 'returns')
    for column in table.columns[:4]:
        column.no_wrap = True
    for column in table.columns[2:4]:
        column.justify = 'right'
    _add_block(table, facts['diagram'], 0)
    console.show(table)


def _add_block(table: Any, block: Facts, depth: int) -> None:
    times = f' x{block["times"]}' if block['times'] > 1 else ''
    cost = 'train' if block['training'] else f'{block["macs"] / 1e9:.2f}'
    table.add_row(
        ' ' * depth + (block['name'] or '.'), block['kind'] + times,
        f'{block["parameters"] / 1e3:.1f}', cost, '\n'.join(block['shapes']),
    )
    for part in block['parts']:
        _add_block(table, part, depth + 1)
