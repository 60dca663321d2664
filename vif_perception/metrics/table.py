"""Markdown tables of scores, one row a system."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: A score, its values over several seeds, or None where it is undefined.
Score = float | Sequence[float] | None

_LOWER_IS_BETTER = 'Nabf'


def fusion_table(rows: Mapping[str, Mapping[str, Score]]) -> str:
    """Return one line per method (VIS, IR, AVG, MAX first, by the caller's order).

    Args:
        rows: method -> metric -> score; the first row names the columns.
    """
    columns = list(next(iter(rows.values()), {}))
    header = [f'{name} (lower)' if name == _LOWER_IS_BETTER else name for name in columns]
    cells = ([name, *(_cell(row.get(column), 3) for column in columns)]
             for name, row in rows.items())
    return _markdown(['method', *header], cells)


def segmentation_table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return one line per system: the three mIoU conventions, accuracy, ECE, IoU of each class.

    Args:
        rows: system -> what `SegmentationScore.compute` gave, or the same with a list over seeds
            in place of each number. The first row names the classes.
    """
    classes = list(next(iter(rows.values()), {}).get('per_class', {}))
    summary = {
        'mIoU present': 'miou_present', 'mIoU foreground': 'miou_foreground',
        f'mIoU fixed {len(classes)}': 'miou_fixed', 'accuracy': 'accuracy',
    }
    cells = (
        [
            name,
            *(_cell(row.get(key), 1, scale=100) for key in summary.values()),
            _cell(row.get('ece'), 3),
            *(_cell(row['per_class'].get(label), 1, scale=100) for label in classes),
        ]
        for name, row in rows.items()
    )
    return _markdown(['system', *summary, 'ECE', *classes], cells)


def _cell(score: Score, digits: int, scale: float = 1.0) -> str:
    """One number, or mean ± sample standard deviation over seeds; a dash where undefined."""
    values = score if isinstance(score, Sequence) else [] if score is None else [score]
    if not values:
        return '-'
    text = f'{statistics.fmean(values) * scale:.{digits}f}'
    if len(values) == 1:
        return text
    return f'{text} ± {statistics.stdev(values) * scale:.{digits}f}'


def _markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ['---'] + ['---:'] * (len(header) - 1), *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines) + '\n'
