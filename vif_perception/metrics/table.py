"""Tables of scores, one row a system, as cells of text that a page and a document both show."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: A score, its values over several seeds, or None where it is undefined.
Score = float | Sequence[float | None] | None

_LOWER_IS_BETTER = 'Nabf'


@dataclass(frozen=True)
class Table:
    """Cells as they are printed; the first column names the row."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return the table as Markdown, numbers to the right."""
        lines = [self.header, ('---', *['---:'] * (len(self.header) - 1)), *self.rows]
        return '\n'.join(
            '| ' + ' | '.join(map(_in_cell, line)) + ' |' for line in lines
        ) + '\n'


def fusion_table(rows: Mapping[str, Mapping[str, Score]], digits: int = 3) -> Table:
    """Return one line per method (VIS, IR, AVG, MAX first, by the caller's order).

    Args:
        rows: method -> metric -> score; the first row names the columns.
        digits: behind the point.
    """
    columns = list(next(iter(rows.values()), {}))
    header = [f'{name} (lower)' if name == _LOWER_IS_BETTER else name for name in columns]
    return _table(['method', 'seeds', *header], (
        [name, _seeds(row), *(cell(row.get(column), digits) for column in columns)]
        for name, row in rows.items()
    ))


def segmentation_table(rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return one line per system: the three mIoU conventions, accuracy, ECE, IoU of each class.

    Shares are in percent, the calibration error too.

    Args:
        rows: system -> what `SegmentationScore.compute` gave, or the same with a list over seeds
            in place of each score. The first row names the classes.
    """
    classes = list(next(iter(rows.values()), {}).get('per_class', {}))
    summary = {
        'mIoU present': 'miou_present', 'mIoU foreground': 'miou_foreground',
        f'mIoU fixed {len(classes)}': 'miou_fixed', 'accuracy': 'accuracy', 'ECE': 'ece',
    }
    return _table(['system', 'seeds', 'frames', *summary, *classes], (
        [
            name, _seeds(row), str(row['frames']),
            *(cell(row.get(key), 1, scale=100) for key in summary.values()),
            *(cell(row['per_class'].get(label), 1, scale=100) for label in classes),
        ]
        for name, row in rows.items()
    ))


def cell(score: Score, digits: int, scale: float = 1.0) -> str:
    """One number, or mean ± sample standard deviation over seeds; a dash where undefined.

    A seed in which the score is undefined (a class absent from mask and truth) is left out.
    """
    given = score if isinstance(score, Sequence) else [score]
    values = [value * scale for value in given if value is not None]
    if not values:
        return '-'
    text = f'{statistics.fmean(values):.{digits}f}'
    if len(values) == 1:
        return text
    return f'{text} ± {statistics.stdev(values):.{digits}f}'


def _seeds(row: Mapping[str, Any]) -> str:
    """How many seeds a row is of; a row of plain numbers is of one."""
    first = next((value for value in row.values() if not isinstance(value, Mapping)), None)
    return str(len(first)) if isinstance(first, Sequence) else '1'


def _in_cell(text: str) -> str:
    """Text that stays in its cell, whatever a system or class is called."""
    return ' '.join(text.replace('|', '\\|').split())


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    return Table(tuple(header), tuple(tuple(row) for row in rows))
