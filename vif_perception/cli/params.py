"""``vif-perception params``: every parameter, from the one schema in vif_perception.config."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Annotated, Any

import typer

from vif_perception.cli import console

Row = tuple[str, str, Any, str]


class Format(str, Enum):
    """How the parameters are written."""

    TABLE = 'table'
    YAML = 'yaml'
    MARKDOWN = 'markdown'
    JSON = 'json'


def params(
    form: Annotated[
        Format, typer.Option('--format', '-f', help='yaml is a complete configuration file.')
    ] = Format.TABLE,
) -> None:
    """List all parameters: accepted values, default, meaning.

    Set them with --set key=value or in a YAML file given to --config.
    """
    from vif_perception.config import describe

    rows = describe()
    if form is Format.TABLE:
        _print_table(rows)
    else:
        typer.echo(WRITERS[form](rows), nl=False)


def _print_table(rows: Iterable[Row]) -> None:
    table = console.table('parameter', 'default', 'accepted', 'meaning')
    for key, accepted, default, meaning in rows:
        table.add_row(key, _shown(default), accepted, meaning)
    console.show(table)


def as_yaml(rows: Iterable[Row]) -> str:
    """Return a ROS parameter file with every default, its meaning and accepted values.

    Lists and mappings that are empty by default are comments: ROS cannot read them from YAML.
    """
    lines = ['# Every parameter with its default; made by `vif-perception params -f yaml`.']
    lines += ['/**:', '  ros__parameters:']
    group = ''
    for key, accepted, default, meaning in rows:
        *above, name = key.split('.')
        if above and above[0] != group:
            group = above[0]
            lines.append(f'    {group}:')
        indent = ' ' * (6 if above else 4)
        lines.append(f'{indent}# {meaning} ({accepted})')
        value = json.dumps(default, ensure_ascii=False)
        lines.append(f'{indent}{"# " if default in ((), {}) else ""}{name}: {value}')
    return '\n'.join(lines) + '\n'


def as_markdown(rows: Iterable[Row]) -> str:
    """Return the parameter table of the documentation."""
    lines = [
        '# Parameters',
        '',
        'Made by `vif-perception params -f markdown` from the schema in `vif_perception.config`.',
        '',
        '| parameter | default | accepted | meaning |',
        '|---|---|---|---|',
    ]
    for key, accepted, default, meaning in rows:
        cells = [f'`{key}`', f'`{_shown(default)}`', accepted, meaning]
        lines.append('| ' + ' | '.join(cell.replace('|', r'\|') for cell in cells) + ' |')
    return '\n'.join(lines) + '\n'


def as_json(rows: Iterable[Row]) -> str:
    """Return the parameters as a JSON list."""
    names = ('key', 'accepted', 'default', 'meaning')
    return json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2) + '\n'


def _shown(default: Any) -> str:
    return json.dumps(default, ensure_ascii=False)


WRITERS: dict[Format, Callable[[Iterable[Row]], str]] = {
    Format.YAML: as_yaml, Format.MARKDOWN: as_markdown, Format.JSON: as_json,
}
