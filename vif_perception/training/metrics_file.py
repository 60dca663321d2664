"""``metrics.csv`` of a run, and the same in TensorBoard where it is installed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vif_perception.errors import InputError
from vif_perception.files import write_whole


class Metrics:
    """Rows of a table, one a look at the run.

    Args:
        path: of the table; rows that it holds up to step ``after`` are kept.
        columns: beside ``step``.

    Raises:
        InputError: it is not as a run wrote it.
    """

    def __init__(self, path: Path, columns: Sequence[str], after: int):
        self._path, self._columns = path, ['step', *columns]
        rows = [row for row in _rows(path) if int(row['step']) <= after]
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, extrasaction='ignore')
        writer.writeheader()
        writer.writerows(rows)
        write_whole(path, text.getvalue().encode())
        self._board = _board(path.parent, after)

    def add(self, step: int, row: Mapping[str, float]) -> None:
        """Append a row; columns it lacks stay empty.

        Raises:
            InputError: the disk is full.
        """
        values = {name: f'{value:.6g}' for name, value in row.items()}
        try:
            with self._path.open('a', newline='', encoding='utf-8') as file:
                csv.DictWriter(file, self._columns).writerow({'step': step, **values})
            for name, value in row.items() if self._board else ():
                self._board.add_scalar(name, value, step)
        except OSError as error:
            raise InputError(
                f'cannot be written ({error.strerror})', where=str(self._path),
                remedy='make room on the disk and go on with --resume',
            ) from None

    def close(self) -> None:
        """Flush TensorBoard."""
        if self._board:
            self._board.close()


def last_step(path: Path) -> int:
    """Step of the last row, 0 without one.

    Raises:
        InputError: it is not as a run wrote it.
    """
    return max((int(row['step']) for row in _rows(path)), default=0)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    try:
        with path.open(newline='', encoding='utf-8') as file:
            # A row that was cut off belongs to the newest step.
            rows = [row for row in csv.DictReader(file) if None not in row.values()]
        if all(int(row['step']) >= 0 for row in rows):
            return rows
        raise ValueError('a step below 0')
    except (KeyError, ValueError, csv.Error) as error:
        raise InputError(f'is not as a run wrote it ({error})', where=str(path),
                         remedy='move it away and go on with --resume') from None


def _board(folder: Path, after: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=after + 1)
