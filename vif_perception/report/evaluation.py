"""What an evaluation leaves behind: results.json, results.md and results.html."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vif_perception.metrics.table import Table
from vif_perception.report.document import replace_text, unwritable, versions
from vif_perception.report.result_folder import ResultFolder
from vif_perception.types import LabelSet

RESULTS, TABLES, PAGE = 'results.json', 'results.md', 'results.html'

#: Kind (segmentation, fusion or flicker), data set, table, how its numbers are to be read.
Section = tuple[str, str, Table, str]
#: Title, how the frame was chosen, images: rgb, thermal, fused; mask and truth where there are.
Scene = tuple[str, str, Mapping[str, np.ndarray]]


class EvaluationFolder(ResultFolder):
    """A context in which ``results.json`` says 'failed' until the evaluation has ended."""

    def __init__(self, path: Path):
        super().__init__(path, RESULTS, {
            'schema': 1, 'status': 'failed', 'error': 'the evaluation did not come to its end',
            'versions': versions(),
        }, (TABLES, PAGE))

    def finish(
        self, results: Mapping[str, Any], markdown: str, sections: Sequence[Section],
        scenes: Iterable[Scene], labels: LabelSet | None,
    ) -> None:
        """Write everything, results.json as the very last thing.

        Args:
            results: numbers and what they were measured on.
            markdown, sections: the tables as a document and one by one.
            scenes: frames to look at; labels: of their masks.

        Raises:
            InputError: the folder is full or not writable; results.json says so.
        """
        from vif_perception.report.evaluation_page import page

        self.report.update(results)
        documents = {TABLES: markdown, PAGE: page(self.report, sections, scenes, labels)}
        for name, text in documents.items():
            try:
                replace_text(self.path / name, text)
            except OSError as error:
                raise unwritable(self.path / name, error) from None
        self.report.update(status='ok', error=None)
        self.write()
