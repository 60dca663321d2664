"""report.json: its keys, how it is written, and what it means to a shell."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vif_perception import __version__
from vif_perception.errors import InputError

SCHEMA = 1
#: The only parts of rows and reports that may differ between two runs of the same bag.
TIMINGS = ('latency_ms', 'speed')
EXIT_OK, EXIT_GATE, EXIT_INPUT = 0, 1, 2


def empty_report(bags: Iterable[Path]) -> dict[str, Any]:
    """Return the report that stands during a run: every key, status failed; bag null when live."""
    paths = [str(bag) for bag in bags]
    return {
        'schema': SCHEMA,
        'status': 'failed',
        'error': 'the run did not come to its end',
        'bag': {'paths': paths, 'start_ns': None, 'duration_s': None} if paths else None,
        'topics': None,
        'registration': None,
        'frames': {'rgb': 0, 'thermal': 0, 'pairs': 0, 'partials': 0},
        'drops': {},
        'modes': {},
        'reasons': {},
        'skew_ms': None,
        'latency_ms': {},
        'speed': None,
        'segmentation': None,
        'fusion': None,
        'gates': [],
        'notes': [],
        'versions': versions(),
        'weights': None,
    }


def exit_code(report: Mapping[str, Any]) -> int:
    """Return 0 when all is well, 1 when a gate failed, 2 when the run failed or had no data."""
    if report['status'] != 'ok':
        return EXIT_INPUT
    return EXIT_OK if all(gate['passed'] for gate in report['gates']) else EXIT_GATE


def beside(path: Path) -> Path:
    """Return where the successor of a result is written before it takes its place."""
    return path.with_name(f'{path.name}.part')


def replace_text(path: Path, text: str) -> None:
    """Replace a file in one step, so that a reader sees the old or the new one.

    What is beside it already is written over, so that its space can be set aside for the text.

    Raises:
        OSError: the folder is full or not writable; the old file stays.
    """
    successor = beside(path)
    try:
        descriptor = os.open(successor, os.O_WRONLY | os.O_CREAT, 0o666)
        # a file name that is not UTF-8 becomes an escape; in JSON os.fsencode makes it whole again
        with open(descriptor, 'w', encoding='utf-8', errors='backslashreplace') as stream:
            stream.write(text)
            stream.flush()
            stream.truncate()
        os.replace(successor, path)
    except OSError:
        with suppress(OSError):
            successor.unlink(missing_ok=True)
        raise


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Replace report.json in one step.

    Raises:
        InputError: the folder is full or not writable; the old report stays.
    """
    try:
        replace_text(path, json_text(report, indent=1) + '\n')
    except OSError as error:
        raise unwritable(path, error) from None


def json_text(value: Any, indent: int | None = None) -> str:
    """Return strict JSON: NaN and infinity, which JSON does not have, become null."""
    return json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def without_timings(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report or a row of frames.jsonl without what depends on the machine's speed.

    Two replays of the same bag with the same weights and options are equal after this.
    """
    kept = {key: part for key, part in value.items() if key not in TIMINGS}
    if 'gates' in kept:
        kept['gates'] = [
            gate for gate in kept['gates'] if not gate['name'].startswith('latency_ms.')
        ]
    return kept


def unwritable(path: Path, error: OSError) -> InputError:
    """Say that a result cannot be written."""
    return InputError(
        f'cannot be written: {error.strerror or error}', where=str(path),
        accepted='a writable folder with room for the results',
        remedy='free some space or choose another folder with --out; what is there was kept',
    )


def versions() -> dict[str, str]:
    """Return what a result was made with: this package, Python and libraries."""
    found = {'vif_perception': __version__, 'python': platform.python_version()}
    for name in ('torch', 'numpy', 'rosbags', 'pillow'):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = 'unknown'
    return found


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
