"""``vif-perception models``: which networks there are and what they cost."""

from __future__ import annotations

import json
from typing import Any

import typer

from vif_perception.cli import console


def models(
    as_json: console.AsJson = False,
) -> None:
    """List the networks with parameters and multiply-accumulates for one pair at 640x480."""
    from vif_perception.models.registry import networks

    rows: list[dict[str, Any]] = []
    for (name, preset), network in networks().items():
        parameters, macs = _price(name, preset)
        rows.append({
            'name': name, 'preset': preset, 'parameters': parameters, 'macs': macs,
            'summary': network.summary, 'source': network.source, 'needs': network.needs,
        })
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = console.table('network', 'preset', 'parameters', 'GMACs', 'what it is', 'source')
    for row in rows:
        known = row['macs'] is not None
        table.add_row(
            row['name'], row['preset'],
            f'{row["parameters"] / 1e6:.2f} M' if known else f'needs {row["needs"]}',
            f'{row["macs"] / 1e9:.2f}' if known else '', row['summary'], row['source'],
        )
    console.show(table)


def _price(name: str, preset: str) -> tuple[int | None, int | None]:
    """Parameters and multiply-accumulates; unknown where a package it needs is not installed."""
    import torch

    from vif_perception.errors import InputError
    from vif_perception.models.cost import cost
    from vif_perception.models.registry import build

    try:
        with torch.device('meta'):
            price = cost(build(name, preset))
    except InputError:
        return None, None
    return price.parameters, price.macs
