"""The folder of one run over a recording or live: its report, its page and its rows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vif_perception.report.document import empty_report
from vif_perception.report.result_folder import ResultFolder

REPORT, PAGE, ROWS = 'report.json', 'report.html', 'frames.jsonl'


class ReportFolder(ResultFolder):
    """A context in which ``report.json`` says 'failed' until the run has come to its end.

    Attributes:
        report: what report.json will hold; doors fill in topics, bag, weights and versions.

    Args:
        path: the folder; made when it is not there.
        bags: recordings that are run, none for a live run.
        also: names of further results to take away.
    """

    def __init__(self, path: Path, *, bags: Iterable[Path] = (), also: Iterable[str] = ()):
        super().__init__(path, REPORT, empty_report(bags), (PAGE, ROWS, *also))

    def ran_on(self, engine: Any) -> None:
        """Take weights and description of an ``inference.Engine`` into the report."""
        weights = engine.weights
        self.report['weights'] = {'name': weights.name, 'sha256': weights.sha256}
        self.report['versions']['engine'] = engine.description
