"""A full disk, an engine that breaks, Ctrl-C: what was done is kept and marked."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_replays import failed, run
from bags import (
    drive,
    write_mcap,
)

from fakes import FakeEngine
from vif_perception.errors import InputError
from vif_perception.replay import ReplayOptions, ReplayResult, replay
from vif_perception.replay.bag import open_source

FULL = Path('/dev/full')


@pytest.mark.skipif(not FULL.exists(), reason='NOT TESTED: no /dev/full on this system')
@pytest.mark.parametrize('name', ['result.mcap', 'report.html'])
def test_full_disk(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the results lies on a full disk; the others are kept and the report says so."""
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'report.json').write_text('{"status": "ok", "versions": {}}')
    link = f'{name}.part' if name == 'report.html' else name
    (out / link).symlink_to(FULL)
    real = Path.unlink
    monkeypatch.setattr(  # leave the link there
        Path, 'unlink', lambda path, **options: path.name == link or real(path, **options)
    )
    result = run(write_mcap(tmp_path / 'a.mcap', drive(4)), out)
    error = marked_as_full(result, name)
    assert 'free some space' in error
    assert (out / 'frames.jsonl').read_text()
    assert (out / 'report.html').exists() == (name != 'report.html')


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a file system of 1 MiB."""
    disk = tmp_path / 'disk'
    disk.mkdir()
    words = ['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', str(disk)]
    if os.geteuid() != 0 or shutil.which('mount') is None or (
        subprocess.run(words, capture_output=True).returncode != 0
    ):
        pytest.skip('NOT TESTED: only root can mount a small disk')
    try:
        yield disk
    finally:
        subprocess.run(['umount', str(disk)], check=True)


@pytest.mark.parametrize(('frames', 'name'), [(60, 'report.html'), (240, 'result.mcap')])
def test_a_really_full_disk_is_told_and_nothing_ends_empty(
    frames: int, name: str, tiny_disk: Path, tmp_path: Path
) -> None:
    out = tiny_disk / 'out'
    result = run(write_mcap(tmp_path / 'a.mcap', drive(frames)), out)
    marked_as_full(result, name)
    rows = (out / 'frames.jsonl').read_text().splitlines()
    assert len(rows) == sum(result.report['modes'].values()) > 10
    for path in out.iterdir():
        assert path.stat().st_size > 0, path
    told = [result.report['error'], *result.report['notes']]
    assert (out / 'report.html').exists() or any('report.html' in text for text in told)


def test_full_disk_under_the_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[object] = []

    def fills_up(row: object) -> str:
        written.append(row)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return json.dumps(row)

    monkeypatch.setattr('vif_perception.report.writer.json_text', fills_up)
    result = run(write_mcap(tmp_path / 'a.mcap', drive(6, masks=False)), tmp_path / 'out')
    marked_as_full(result, 'frames.jsonl')
    assert len((tmp_path / 'out' / 'frames.jsonl').read_text().splitlines()) == 2
    source = open_source([tmp_path / 'out' / 'result.mcap'])
    assert source.topics()['/fusion/output/mask'].count == 3
    source.close()


def marked_as_full(result: ReplayResult, name: str) -> str:
    assert result.exit_code == 2
    report = json.loads((result.out / 'report.json').read_text())
    assert report['status'] == 'failed'
    assert f'{name}: cannot be written: No space left on device' in report['error']
    return str(report['error'])


def test_full_disk_at_the_very_end_leaves_the_report_that_says_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vif_perception.report import result_folder

    written = result_folder.write_report

    def full_the_second_time(path: Path, report: dict[str, Any]) -> None:
        if path.exists():
            raise InputError('cannot be written: No space left on device', where=str(path))
        written(path, report)

    monkeypatch.setattr(result_folder, 'write_report', full_the_second_time)
    with pytest.raises(InputError, match='No space left'):
        run(write_mcap(tmp_path / 'a.mcap', drive(3)), tmp_path / 'out')
    report = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert report['status'] == 'failed'


def test_an_engine_that_breaks_keeps_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(6))
    engine = FakeEngine()
    working = FakeEngine.run

    def break_at_the_fourth(self: FakeEngine, *arguments: Any, **named: Any) -> Any:
        if len(self.calls) == 3:
            raise RuntimeError('out of device memory')
        return working(self, *arguments, **named)

    monkeypatch.setattr(FakeEngine, 'run', break_at_the_fourth)
    failed(run(bag, tmp_path / 'out', engine), 'out of device memory', 3)


def test_interrupting_keeps_what_was_done(tmp_path: Path) -> None:
    def interrupt(stage: str, outputs: int, part: float) -> None:
        if outputs == 2:
            raise KeyboardInterrupt

    bag = write_mcap(tmp_path / 'a.mcap', drive(6))
    options = ReplayOptions([bag], tmp_path / 'out', fusion_frames=0)
    with pytest.raises(KeyboardInterrupt):
        replay(options, FakeEngine(), interrupt)
    report = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert (report['status'], report['error']) == ('failed', 'interrupted')
    assert len((tmp_path / 'out' / 'frames.jsonl').read_text().splitlines()) == 2
