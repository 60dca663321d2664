"""results.html: tables, curves and pictures of an evaluation in one file, without a script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from vif_perception.metrics.table import Table, cell
from vif_perception.report.html import data_uri, environment
from vif_perception.report.palette import RGB, display_colors
from vif_perception.report.pictures import (
    ERRORS,
    UNJUDGED,
    class_layer,
    encode_frame,
    error_layer,
    error_map,
)
from vif_perception.report.summary import COPIES, METRICS
from vif_perception.types import LabelSet

#: Bytes for the pictures of one frame, before base64.
_BUDGET = 400_000
#: View -> (title, photograph below, layer above).
_VIEWS = {
    'rgb': ('RGB', 'rgb', ''), 'thermal': ('Thermal', 'thermal', ''),
    'fused': ('Fused', 'fused', ''), 'mask': ('Mask', 'fused', 'mask'),
    'truth': ('Truth', 'rgb', 'truth'), 'errors': ('Errors', 'fused', 'errors'),
}


def page(
    report: Mapping[str, Any], sections: Sequence[tuple[str, str, Table, str]],
    scenes: Iterable[tuple[str, str, Mapping[str, np.ndarray]]], labels: LabelSet | None,
) -> str:
    """Return the page as text.

    Args:
        report: what results.json holds; sections, scenes, labels: as ``EvaluationFolder.finish``.
    """
    folder = Path(__file__).with_name('templates')
    style = ''.join(
        (folder / name).read_text(encoding='utf-8') for name in ('report.css', 'evaluation.css')
    )
    return environment().get_template('evaluation.html.j2').render(
        style=Markup(style), report=report,
        names=[system['name'] for system in report['systems']],
        tiles=list(_tiles(report)), sets=list(_sets(report)),
        sections=[
            {'kind': kind, 'data': data, 'table': table, 'note': note, 'best': _best(table)}
            for kind, data, table, note in sections
        ],
        scenes=[_scene(*scene, labels) for scene in scenes],
        classes=_legend(labels), errors=[*ERRORS, UNJUDGED] if labels else [],
    )


def _tiles(report: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(name, value, note) of the first system: masks in each mode, then fusion."""
    first = report['systems'][0]['name']
    for data, rows in report['segmentation'].items():
        for row in _modes(rows, first):
            yield (
                f'mIoU {row["condition"]}', _percent(row, 'miou_present') + ' %',
                f'{data}; foreground {_percent(row, "miou_foreground")}, '
                f'ECE {_percent(row, "ece")}',
            )
    for data, methods in report['fusion'].items():
        if first in methods:
            scores = {name: cell(values, 2) for name, values in methods[first].items()}
            yield f'VIF, {data}', scores['VIF'], f'Qabf {scores["Qabf"]}, SCD {scores["SCD"]}'


def _sets(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Curves and bars of each labelled data set, one panel for each system."""
    for data, rows in report['segmentation'].items():
        for system in dict.fromkeys(row['system'] for row in rows):
            modes = list(_modes(rows, system))
            yield {
                'data': data, 'system': system,
                'curves': [
                    {'mode': row['condition'], 'ece': _percent(row, 'ece'),
                     'seeds': [_curve(seed['reliability']) for seed in row['seeds']]}
                    for row in modes
                ],
                'bars': [
                    {'class': name, 'modes': [
                        {'mode': row['condition'],
                         'mean': _mean([seed['per_class'][name] for seed in row['seeds']])}
                        for row in modes
                    ]}
                    for name in modes[0]['seeds'][0]['per_class']
                ] if modes else [],
            }


def _modes(rows: Iterable[Mapping[str, Any]], system: str) -> Iterator[Mapping[str, Any]]:
    """Rows of a system with both cameras, and with each alone, over all frames."""
    for row in rows:
        known = row['condition'] in ('FUSED', 'RGB_ONLY', 'THERMAL_ONLY')
        if row['system'] == system and not row['part'] and known:
            yield row


def _curve(bins: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Points in 100 x 100 units, y downwards; a dot is as large as its part of the pixels."""
    points = [
        (round(100 * b['confidence'], 2), round(100 - 100 * b['accuracy'], 2),
         round(0.8 + 3.2 * b['share'] ** 0.5, 2))
        for b in bins
    ]
    return {'path': 'M' + 'L'.join(f'{x} {y}' for x, y, _ in points) if points else '',
            'points': points}


def _best(table: Table) -> set[tuple[int, int]]:
    """(row, column) of the best method of each metric with a known direction, copies left out."""
    found: set[tuple[int, int]] = set()
    for column, title in enumerate(table.header):
        way, _ = METRICS.get(title.split(' ')[0], ('', ''))
        values = {
            index: float(row[column].split(' ')[0]) for index, row in enumerate(table.rows)
            if way and row[0] not in COPIES and row[column] != '-'
        }
        if values:
            best = max(values.values()) if way == 'up' else min(values.values())
            found |= {(index, column) for index, value in values.items() if value == best}
    return found


def _scene(
    title: str, text: str, images: Mapping[str, np.ndarray], labels: LabelSet | None
) -> dict[str, Any]:
    """Encode the pictures of one frame; views that cannot be shown are left out."""
    photographs = {name: images[name] for name in ('rgb', 'thermal', 'fused')}
    layers = {}
    if labels is not None:
        colors = display_colors(labels)
        for name in ('mask', 'truth'):
            if name in images:
                layers[name] = class_layer(images[name], colors, labels.unlabeled)
        if len(layers) == 2:
            layers['errors'] = error_layer(
                error_map(images['mask'], images['truth'], labels.unlabeled)
            )
    files = {
        name: data_uri(file) for name, file in encode_frame(photographs, layers, _BUDGET).items()
    }
    height, width = images['thermal'].shape
    return {'title': title, 'text': text, 'ratio': f'{width} / {height}', 'views': [
        {'name': name, 'title': caption, 'files': [files[x] for x in (below, above) if x]}
        for name, (caption, below, above) in _VIEWS.items() if (above or below) in files
    ]}


def _legend(labels: LabelSet | None) -> list[tuple[str, RGB]]:
    if labels is None:
        return []
    colors = display_colors(labels)
    return [(name, colors[index]) for index, name in enumerate(labels.names)
            if index != labels.unlabeled]


def _percent(row: Mapping[str, Any], key: str) -> str:
    return cell([seed[key] for seed in row['seeds']], 1, scale=100)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
