"""The report as a live door uses it: results go in one by one, no recording anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import FakeEngine
from vif_perception.config import Config
from vif_perception.errors import InputError
from vif_perception.pipeline import Pipeline
from vif_perception.report import EngineTap, ReportFolder, ReportWriter, exit_code
from vif_perception.report.gates import Gate
from vif_perception.types import Camera, Frame, FramePair, Mode, Perception

MS = 1_000_000


class Live:
    """A door without a transport: pairs of noise, straight into the pipeline."""

    def __init__(self) -> None:
        self.tap = EngineTap(FakeEngine())
        self.pipeline = Pipeline(Config(), self.tap)
        self.now_ns = 0

    def results(self, count: int) -> list[tuple[FramePair, Perception, Any]]:
        made = []
        for index in range(count):
            noise = np.random.default_rng(index)
            self.now_ns = (1000 + 100 * index) * MS
            rgb = noise.integers(40, 200, (48, 64, 3), np.uint8)
            heat = noise.integers(28_000, 31_000, (48, 64), np.uint16)
            pairs = self._offer('rgb', rgb, 'rgb8') + self._offer('thermal', heat, 'mono16')
            for pair in pairs:
                perception = self.pipeline.process(pair)
                assert perception is not None
                made.append((pair, perception, self.tap.last))
        return made

    def _offer(self, camera: Camera, data: np.ndarray, encoding: str) -> list[FramePair]:
        frame = Frame(self.now_ns, camera, data, encoding)
        return self.pipeline.offer(camera, frame, self.now_ns)


def run(out: Path, count: int = 3, truth: np.ndarray | None = None, **ends: Any) -> dict[str, Any]:
    live = Live()
    with ReportFolder(out) as folder:
        folder.report['topics'] = {'rgb': '/rgb/image_raw', 'thermal': '/thermal/image_raw'}
        folder.ran_on(live.tap)
        writer = ReportWriter(folder, live.tap.labels, fusion_frames=2)
        for result in live.results(count):
            writer.add(*result, truth=truth)
        return writer.finish(live.pipeline.health(live.now_ns), elapsed_s=0.5, **ends)


def stored(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / 'report.json').read_text(encoding='utf-8')))


def test_a_live_door_gets_the_same_files_as_a_replay(tmp_path: Path) -> None:
    truth = np.zeros((48, 64), np.uint8)
    report = run(tmp_path / 'run', truth=truth, gates=[Gate('frames.pairs', 'min', 3)])
    assert stored(tmp_path / 'run') == report
    assert (report['status'], report['bag'], exit_code(report)) == ('ok', None, 0)
    assert report['frames'] == {'rgb': 3, 'thermal': 3, 'pairs': 3, 'partials': 0}
    assert report['segmentation']['frames'] == 3
    assert set(report['fusion']) == {'vif_perception', 'VIS', 'IR', 'AVG', 'MAX'}
    rows = (tmp_path / 'run' / 'frames.jsonl').read_text().splitlines()
    assert [json.loads(row)['mode'] for row in rows] == ['FUSED'] * 3
    page = (tmp_path / 'run' / 'report.html').read_text(encoding='utf-8')
    assert 'All 3 outputs fused.' in page
    assert '/thermal/image_raw' in page


def test_nothing_at_all_is_no_data(tmp_path: Path) -> None:
    report = run(tmp_path, 0)
    assert (report['status'], exit_code(report)) == ('nodata', 2)
    assert 'no output from 0 rgb and 0 thermal frames' in report['error']
    assert (tmp_path / 'report.html').is_file()


def test_truth_of_another_size_leaves_the_result(tmp_path: Path) -> None:
    live = Live()
    with ReportFolder(tmp_path) as folder:
        writer = ReportWriter(folder, live.tap.labels, fusion_frames=0)
        (result,) = live.results(1)
        with pytest.raises(InputError, match='ground truth is 4x2; accepted: 64x48'):
            writer.add(*result, truth=np.zeros((2, 4), np.uint8))
        report = writer.finish(live.pipeline.health(live.now_ns), elapsed_s=1.0)
    assert (report['modes'], report['segmentation']) == ({'FUSED': 1}, None)


@pytest.mark.parametrize(
    ('error', 'told'),
    [(InputError('no disk'), 'no disk'), (KeyError('x'), "KeyError: 'x'")],
)
def test_a_door_that_breaks_leaves_a_report_that_says_why(
    error: Exception, told: str, tmp_path: Path
) -> None:
    with pytest.raises(type(error)), ReportFolder(tmp_path):
        assert stored(tmp_path)['status'] == 'failed'
        raise error
    assert (stored(tmp_path)['status'], stored(tmp_path)['error']) == ('failed', told)


def test_a_live_door_does_not_load_the_door_of_recordings() -> None:
    code = (
        'import sys, vif_perception.report, vif_perception.report.html; '
        "print([m for m in sys.modules if m.startswith(('vif_perception.replay', 'rosbags'))])"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with ReportFolder(tmp_path) as first:
        first.report['error'] = 'the first one runs'
        first.write()
        with pytest.raises(InputError, match=r'another run is writing.*--out'), (
            ReportFolder(tmp_path)
        ):
            pass
        assert stored(tmp_path)['error'] == 'the first one runs'
    assert run(tmp_path)['status'] == 'ok'
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'frames.jsonl', 'report.html', 'report.json'
    ]


def test_a_run_that_was_killed_does_not_keep_the_folder(tmp_path: Path) -> None:
    code = (
        'import sys, time\nfrom pathlib import Path\n'
        'from vif_perception.report import ReportFolder\n'
        'with ReportFolder(Path(sys.argv[1])):\n    print("in", flush=True)\n    time.sleep(600)\n'
    )
    process = subprocess.Popen(
        [sys.executable, '-c', code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == 'in\n'
        with pytest.raises(InputError, match='another run'), ReportFolder(tmp_path):
            pass
    finally:
        process.kill()
        process.communicate(timeout=60)
    assert run(tmp_path)['status'] == 'ok'


def test_reasons_are_counted_by_mode(tmp_path: Path) -> None:
    live = Live()
    with ReportFolder(tmp_path) as folder:
        writer = ReportWriter(folder, live.tap.labels, fusion_frames=0)
        for pair, perception, view in live.results(5):
            shutter = perception.stamp_ns > 1200 * MS
            lone = replace(perception, mode=Mode.RGB_ONLY, reason='thermal blank (0.1)')
            writer.add(pair, lone if shutter else perception, view)
        report = writer.finish(live.pipeline.health(live.now_ns), elapsed_s=1.0)
    assert report['modes'] == {'FUSED': 3, 'RGB_ONLY': 2}
    assert report['reasons'] == {'RGB_ONLY': {'thermal blank': 2}}
