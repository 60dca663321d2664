"""What is counted over a whole replay, and the report.json made from it."""

from __future__ import annotations

import json
import math
import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vif_perception import __version__
from vif_perception.errors import InputError
from vif_perception.replay.distribution import Distribution
from vif_perception.types import FramePair, Perception

SCHEMA = 1
#: The only parts of rows and reports that may differ between two runs of the same bag.
TIMINGS = ('latency_ms', 'speed')


class Tally:
    """Counts of one replay; memory does not grow with its length."""

    def __init__(self) -> None:
        self.frames: Counter[str] = Counter(rgb=0, thermal=0)
        self.outputs = 0
        self.modes: Counter[str] = Counter()
        self.skew_ms = Distribution()
        self.latency_ms: dict[str, Distribution] = {}

    def add(self, pair: FramePair, perception: Perception) -> None:
        """Count one output."""
        self.outputs += 1
        self.modes[perception.mode.value] += 1
        if pair.thermal is not None and pair.rgb is not None:
            self.skew_ms.add(abs(pair.skew_ns) / 1e6)

    def measure(self, stage: str, duration_ns: int) -> float:
        """Add one duration to a stage; returns it in ms."""
        if stage not in self.latency_ms:
            self.latency_ms[stage] = Distribution()
        duration_ms = duration_ns / 1e6
        self.latency_ms[stage].add(duration_ms)
        return round(duration_ms, 3)

    def report(self) -> dict[str, Any]:
        """Return the parts of the report that are counted here."""
        skew = self.skew_ms.summary(50, 95)
        return {
            'modes': dict(sorted(self.modes.items())),
            'skew_ms': {**skew, 'max': round(self.skew_ms.max, 4)} if skew else None,
            'latency_ms': {
                stage: values.summary(50, 95, 99) for stage, values in self.latency_ms.items()
            },
        }


def empty_report(bags: Iterable[Path]) -> dict[str, Any]:
    """Return the report that stands while the replay runs: every key, status failed."""
    return {
        'schema': SCHEMA,
        'status': 'failed',
        'error': 'the replay did not come to its end',
        'bag': {'paths': [str(bag) for bag in bags], 'start_ns': None, 'duration_s': None},
        'topics': None,
        'frames': {'rgb': 0, 'thermal': 0, 'pairs': 0, 'partials': 0},
        'drops': {},
        'modes': {},
        'skew_ms': None,
        'latency_ms': {},
        'speed': None,
        'segmentation': None,
        'fusion': None,
        'gates': [],
        'notes': [],
        'versions': _versions(),
        'weights': None,
    }


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Replace report.json in one step, so that a reader sees the old or the new one.

    Raises:
        InputError: the folder is full or not writable; the old report stays.
    """
    beside = path.with_name(f'{path.name}.part')
    try:
        # a file name that is not UTF-8 becomes a JSON escape; os.fsencode makes it whole again
        text = json_text(report, indent=1) + '\n'
        beside.write_text(text, encoding='utf-8', errors='backslashreplace')
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
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


def _versions() -> dict[str, str]:
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
