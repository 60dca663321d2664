"""A folder whose result file says 'failed' until the work has come to its end."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

from vif_perception.errors import InputError
from vif_perception.report.document import beside, unwritable, write_report

#: Set aside at the start, so that a full disk can still be told in the result file.
RESERVE_BYTES = 64 * 1024


class ResultFolder:
    """A context: on entering it older results are taken away and the first report is written.

    While it is entered nobody else can enter it; the system ends that with the process, however
    it ends. Leaving it by an exception writes into the report why.

    Args:
        path: the folder; made when it is not there.
        name: of the file that holds the report.
        report: what it says first, with ``status`` and ``error``.
        also: names of further results, which are taken away on entering.

    Attributes:
        path, report: as above; the report may be changed.
        results: files that are written into it.
    """

    def __init__(self, path: Path, name: str, report: dict[str, Any], also: Iterable[str] = ()):
        self.path, self.report = path, report
        self.file = path / name
        self._lock: int | None = None
        self.results = [self.file, *(path / other for other in also)]

    def write(self) -> None:
        """Replace the report in one step.

        Raises:
            InputError: the folder is full or not writable; the old report stays.
        """
        write_report(self.file, self.report)

    def __enter__(self) -> Self:
        """Raise an InputError.

        The folder is in use, holds files of these names that are no earlier results, or cannot be
        made or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self.path)
            self._check_ours()
            for result in (*map(beside, self.results), *reversed(self.results)):  # report last
                result.unlink(missing_ok=True)
            self.write()
            beside(self.file).write_bytes(bytes(RESERVE_BYTES))
        except BaseException as error:
            self._release()
            if isinstance(error, OSError):
                raise unwritable(self.path, error) from None
            raise
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
        with suppress(OSError):
            beside(self.file).unlink(missing_ok=True)
        self._release()

    def _check_ours(self) -> None:
        there = [result.name for result in self.results if result.exists()]
        if there and not _is_report(self.file):
            raise InputError(
                f'holds {", ".join(there)}, but not as an earlier run leaves them',
                where=str(self.path), accepted='a new folder, or one with earlier results',
                remedy='choose another --out, or move these files away',
            )

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _is_report(file: Path) -> bool:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {'status', 'versions'} <= found.keys()


def _lock(path: Path) -> int | None:
    """Lock a folder until the descriptor is closed; None where the file system cannot lock it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise InputError(
            'another run is writing its results there', where=str(path),
            accepted='a folder of its own for each run',
            remedy='choose another folder with --out, or wait until the other run has ended',
        ) from None
    except OSError:  # some network file systems
        os.close(descriptor)
        return None
    return descriptor
