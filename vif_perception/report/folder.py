"""The folder of one run, in which report.json says 'failed' until the run has come to its end."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from vif_perception.errors import InputError
from vif_perception.report.document import empty_report, unwritable, write_report

REPORT, PAGE, ROWS = 'report.json', 'report.html', 'frames.jsonl'


class ReportFolder:
    """A context: on entering it older results are taken away and the first report is written.

    Leaving it by an exception writes into the report why.

    Attributes:
        path: the folder; made when it is not there.
        report: what report.json will hold; doors fill in topics, bag, weights and versions.

        results: files that a run writes into it.

    Args:
        path: as above.
        bags: recordings that are run, none for a live run.
        also: names of further results to take away.
    """

    def __init__(self, path: Path, *, bags: Iterable[Path] = (), also: Iterable[str] = ()):
        self.path = path
        self.report: dict[str, Any] = empty_report(bags)
        self.results = [path / name for name in (REPORT, PAGE, ROWS, *also)]

    def write(self) -> None:
        """Replace report.json in one step.

        Raises:
            InputError: the folder is full or not writable; the old report stays.
        """
        write_report(self.path / REPORT, self.report)

    def ran_on(self, engine: Any) -> None:
        """Take weights and description of an ``inference.Engine`` into the report."""
        weights = engine.weights
        self.report['weights'] = {'name': weights.name, 'sha256': weights.sha256}
        self.report['versions']['engine'] = engine.description

    def __enter__(self) -> ReportFolder:
        """Raise an InputError when the folder cannot be made or written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for result in self.results:
                result.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self.path, error) from None
        self.write()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            ours = isinstance(error, InputError)
            text = str(error) if ours else f'{type(error).__name__}: {error}'
            self.report.update(status='failed', error=text)
            with suppress(InputError):  # a full disk: the report that says failed stands already
                self.write()
