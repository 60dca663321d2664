"""What the evaluate node does below ROS: joins images, results and truth by stamp, and scores."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import FakeEngine
from vif_perception.config import Config, load_config
from vif_perception.errors import InputError
from vif_perception.labels import MFNET, label_set
from vif_perception.pipeline import Pipeline
from vif_perception.report import ReportFolder, exit_code
from vif_perception.report.gates import Gate
from vif_perception.ros.scoring import PATIENCE_NS, REMEMBERED, Scores, Scoring
from vif_perception.types import Camera, Frame, Mode, Perception

MS = 1_000_000
FIRST_NS = 1000 * MS
PERIOD_NS = 100 * MS
SIZE = (48, 64)


class Robot:
    """Cameras and a fusion node beside an evaluation; the node answers 30 ms after a pair."""

    def __init__(self, out: Path, config: Config | None = None, **options: Any):
        self.config = config or Config()
        self._open = ExitStack()
        self.folder = self._open.enter_context(ReportFolder(out))
        self.scoring = Scoring(self.config, self.folder, fusion_frames=0, **options)
        self.fusion = Pipeline(self.config, FakeEngine())
        self.scores: list[Scores] = []
        self.now_ns = 0

    def images(self, index: int, *cameras: Camera) -> list[Perception]:
        """Both sides get the images of one instant; returns what the fusion node makes of them."""
        noise = np.random.default_rng(index)
        self.now_ns = FIRST_NS + index * PERIOD_NS
        made = []
        for camera in cameras or ('rgb', 'thermal'):
            data: Any = noise.integers(28_000, 31_000, SIZE, np.uint16)
            encoding = 'mono16'
            if camera == 'rgb':
                data, encoding = noise.integers(40, 200, (*SIZE, 3), np.uint8), 'rgb8'
            frame = Frame(self.now_ns, f'{camera}_frame', data, encoding)
            self.scoring.image(camera, frame, self.now_ns)
            made += self.fusion.offer(camera, frame, self.now_ns)
        made += self.fusion.due(self.now_ns)
        return [result for pair in made if (result := self.fusion.process(pair)) is not None]

    def answer(self, result: Perception, *, without: str = '', truth: bool = True) -> None:
        """Let the topics of one result arrive, the mask before the rest."""
        values = {
            'mask': result.mask, 'confidence': result.confidence, 'fused': result.fused,
            'entities': (('person', 'vehicle'), np.array(list(result.entities.values()), 'f4')),
        }
        if truth:
            values['truth'] = np.zeros(SIZE, np.uint8)
        for name, value in values.items():
            if name != without:
                self.scoring.part(name, result.stamp_ns, value, self.now_ns + 30 * MS)
                self.scores += self.scoring.settle(self.now_ns + 30 * MS)

    def wait(self) -> None:
        """Let so much time pass that nothing waits any longer."""
        self.scores += self.scoring.settle(self.now_ns + 2 * PATIENCE_NS)

    def finish(self, **ends: Any) -> dict[str, Any]:
        with self._open:
            return self.scoring.finish(self.now_ns + 10**9, 1.0, **ends)

    def rows(self) -> list[dict[str, Any]]:
        text = (self.folder.path / 'frames.jsonl').read_text()
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def robot(tmp_path: Path) -> Robot:
    made = Robot(tmp_path / 'out')
    made.scoring.labels(MFNET)
    return made


def test_nothing_came(tmp_path: Path) -> None:
    report = Robot(tmp_path).finish()
    assert report['status'] == 'failed'
    assert 'label_info' in report['error']
    assert exit_code(report) == 2
    assert (tmp_path / 'report.html').is_file()


def test_labels_but_no_images(robot: Robot) -> None:
    report = robot.finish()
    assert report['status'] == 'nodata'
    assert robot.scores == []


def test_results_are_scored_against_truth_of_the_same_stamp(robot: Robot) -> None:
    for index in range(3):
        for result in robot.images(index):
            robot.answer(result)
    assert len(robot.scores) == 2  # the mode of the newest may still be told
    robot.wait()
    assert [score.frames for score in robot.scores] == [1, 2, 3]
    newest = robot.scores[-1]
    assert newest.stamp_ns == FIRST_NS + 2 * PERIOD_NS
    assert newest.frame_id == 'rgb_frame'
    assert newest.miou_frame == 1.0
    assert newest.segmentation is not None
    assert newest.segmentation['miou_present'] == 1.0
    assert newest.latency_ms == 30.0
    assert newest.latency_percentiles_ms['p50'] == pytest.approx(30.0, rel=0.01)
    report = robot.finish()
    assert report['status'] == 'ok'
    assert report['modes'] == {'FUSED': 3}
    assert report['frames'] == {'rgb': 3, 'thermal': 3, 'pairs': 3, 'partials': 0}
    assert report['segmentation']['frames'] == 3
    rows = robot.rows()
    assert [row['stamp_ns'] for row in rows] == [s.stamp_ns for s in robot.scores]
    assert all(row['latency_ms'] == {'wait': 0.0, 'fusion': 30.0, 'total': 30.0} for row in rows)
    assert rows[0]['entities'] == {'person': 1.0, 'vehicle': 1.0}


def test_partials_have_the_mode_of_the_fusion_node(robot: Robot) -> None:
    results = []
    for index in range(6):
        cameras: tuple[Camera, ...] = ('rgb',) if index in (2, 3) else ('rgb', 'thermal')
        for result in robot.images(index, *cameras):
            results.append(result)
            robot.answer(result)
    robot.wait()
    assert [row['mode'] for row in robot.rows()] == [result.mode.value for result in results]
    assert {'FUSED', 'RGB_ONLY'} == {row['mode'] for row in robot.rows()}
    report = robot.finish()
    assert report['frames']['partials'] == 2


def test_the_status_tells_which_camera_came_too_late_for_the_node(robot: Robot) -> None:
    """Here the thermal frames came in time, there the deadline had passed."""
    robot.scoring.status(0, Mode.FUSED, '')
    for index in range(4):
        (result,) = robot.images(index)
        if index in (1, 2):
            robot.scoring.status(result.stamp_ns, Mode.RGB_ONLY, 'thermal missing')
        if index == 3:
            robot.scoring.status(result.stamp_ns, Mode.STALE, 'no output for 3 s')
        robot.answer(result)
    robot.wait()
    rows = robot.rows()
    assert [row['mode'] for row in rows] == ['FUSED', 'RGB_ONLY', 'RGB_ONLY', 'FUSED']
    assert [row['thermal_stamp_ns'] is None for row in rows] == [False, True, True, False]
    assert robot.finish()['notes'] == []


def test_modes_that_cannot_be_explained_are_counted(robot: Robot) -> None:
    robot.scoring.status(0, Mode.THERMAL_ONLY, 'rgb dark')
    robot.answer(robot.images(0)[0])
    assert robot.finish()['notes'] == ['modes that differ from the status of the node: 1']


def test_truth_may_come_late_or_not_at_all(robot: Robot) -> None:
    first, second, third = (robot.images(index)[0] for index in range(3))
    robot.answer(first)
    robot.answer(second, truth=False)
    robot.answer(third)
    assert len(robot.scores) == 1  # the others wait: results are scored in order
    robot.wait()
    assert [score.miou_frame for score in robot.scores] == [1.0, None, 1.0]
    assert robot.finish()['segmentation']['frames'] == 2


def test_without_truth_results_are_counted_a_moment_later(robot: Robot) -> None:
    robot.answer(robot.images(0)[0], truth=False)
    assert robot.scores == []
    robot.wait()
    assert [score.miou_frame for score in robot.scores] == [None]
    assert robot.scores[0].segmentation is None
    report = robot.finish()
    assert report['status'] == 'ok'
    assert report['notes'] == ['no ground truth came']


@pytest.mark.parametrize('part', ['confidence', 'fused', 'entities'])
def test_a_result_that_stays_incomplete_is_left_out_and_named(robot: Robot, part: str) -> None:
    robot.answer(robot.images(0)[0], without=part)
    robot.answer(robot.images(1)[0])
    assert robot.scores == []
    robot.wait()
    assert [score.stamp_ns for score in robot.scores] == [FIRST_NS + PERIOD_NS]
    assert any(part in note for note in robot.finish()['notes'])


def test_masks_without_images_and_images_without_masks(robot: Robot) -> None:
    result = robot.images(0)[0]
    robot.scoring.part('mask', 77, result.mask, robot.now_ns)
    report = robot.finish()
    assert report['status'] == 'nodata'
    assert 'masks left out for want of confidence: 1' in report['notes']
    assert 'pairs for which no mask came: 1' in report['notes']


def test_memory_is_bounded(robot: Robot) -> None:
    for index in range(3 * REMEMBERED):
        result = robot.images(index)[0]
        robot.scoring.part('truth', result.stamp_ns, result.mask, robot.now_ns)
    assert len(robot.scoring._pairs) == REMEMBERED
    assert len(robot.scoring._pending) == REMEMBERED
    robot.scoring.settle(robot.now_ns)
    assert f'{3 * REMEMBERED}' in robot.finish()['notes'][0]


def test_truth_that_does_not_fit_ends_the_scoring_but_not_the_run(robot: Robot) -> None:
    result = robot.images(0)[0]
    robot.scoring.part('truth', result.stamp_ns, np.zeros((3, 4), np.uint8), robot.now_ns)
    robot.answer(result, truth=False)
    robot.answer(robot.images(1)[0])
    robot.wait()
    assert len(robot.scores) == 2
    report = robot.finish()
    assert report['status'] == 'failed'
    assert '4x3' in report['error']
    assert len(robot.rows()) == 2


def test_gates_judge_the_report(tmp_path: Path) -> None:
    gates = [Gate('frames.pairs', 'min', 5)]
    robot = Robot(tmp_path, gates=gates)
    robot.scoring.labels(MFNET)
    robot.answer(robot.images(0)[0])
    assert exit_code(robot.finish()) == 1
    with pytest.raises(InputError):
        Robot(tmp_path / 'b', gates=[Gate('segmentation.per_class.boat', 'min', 0.5)]) \
            .scoring.labels(MFNET)


def test_the_thermal_camera_may_be_the_reference(tmp_path: Path) -> None:
    robot = Robot(tmp_path, load_config(sets=['reference=thermal']))
    robot.scoring.labels(MFNET)
    robot.answer(robot.images(0)[0])
    robot.wait()
    assert [score.frame_id for score in robot.scores] == ['thermal_frame']


def test_class_lists_from_names() -> None:
    assert label_set(dict(enumerate(MFNET.names))) is MFNET
    labels = label_set({0: 'road', 2: 'Background'})
    assert labels.names == ('road', 'class 1', 'Background')
    assert labels.unlabeled == 2
    assert labels.colors[2] == (0, 0, 0)
    assert len(set(labels.colors)) == 3
    for wrong in ({}, {300: 'x'}, {-1: 'x'}):
        with pytest.raises(InputError):
            label_set(wrong)
