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
    from vif_perception.models.cost import cost
    from vif_perception.models.registry import build, networks

    rows: list[dict[str, Any]] = []
    for (name, preset), network in networks().items():
        price = cost(build(name, preset))
        rows.append({
            'name': name, 'preset': preset, 'parameters': price.parameters, 'macs': price.macs,
            'summary': network.summary,
        })
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = console.table('network', 'preset', 'parameters', 'GMACs', 'what it is')
    for row in rows:
        table.add_row(
            row['name'], row['preset'], f'{row["parameters"] / 1e6:.2f} M',
            f'{row["macs"] / 1e9:.2f}', row['summary'],
        )
    console.show(table)
