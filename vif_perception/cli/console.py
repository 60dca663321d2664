"""Tables and progress on the terminal, one look for all commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

_UNBROKEN = 100_000  # columns, more than any table has

AsJson = Annotated[bool, typer.Option('--json', help='Print JSON instead of a table.')]


def named_path(text: str | Path) -> Path:
    """Return the path that an option names; '' would silently be the current folder."""
    if not str(text):
        raise typer.BadParameter("is empty; accepted: a path, '.' for the current folder")
    return Path(text)


def table(*columns: str) -> Table:
    """Return an empty table in the look of this program."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        made.add_column(column, overflow='fold')
    return made


def show(made: Table) -> None:
    """Print a table on stdout; its lines are broken for terminals only, so that grep finds all."""
    from rich.console import Console

    known = sys.stdout.isatty() or 'COLUMNS' in os.environ
    width = None if known else _UNBROKEN
    Console(highlight=False, markup=False, width=width).print(made)


@contextmanager
def progress() -> Iterator[Callable[[str, int, float], None]]:
    """Show bars with rate and time left on stderr; yields ``advance(stage, count, part 0..1)``.

    Without a terminal (pipes, CI) nothing is shown.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskID,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn('{task.description}'), BarColumn(), TaskProgressColumn(),
        TextColumn('{task.fields[rate]}'), TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        stages: dict[str, TaskID] = {}

        def advance(stage: str, count: int, part: float) -> None:
            if stage not in stages:
                for task in stages.values():  # that one has ended, also when it ended early
                    bar.stop_task(task)
                stages[stage] = bar.add_task(stage, total=1.0, rate='')
            task = stages[stage]
            elapsed_s = bar.tasks[task].elapsed or 0.0
            rate = f'{count} at {count / elapsed_s:.1f}/s' if elapsed_s else ''
            bar.update(task, completed=part, rate=rate)

        yield advance


def say(text: str) -> None:
    """Print one line on stdout; names of files come out as they are, also when not UTF-8."""
    typer.echo(text.encode('utf-8', 'surrogateescape'))


def complain(text: str) -> None:
    """Print one line on stderr."""
    typer.echo(text.encode('utf-8', 'surrogateescape'), err=True)
