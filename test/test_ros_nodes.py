"""The sim and the evaluate node, on ROS where it is sourced, else on the double."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ros_world import MS, World, image, noise, ros, world

from vif_perception.errors import InputError
from vif_perception.labels import MFNET

__all__ = ['ros', 'world']
SMALL = (160, 120)


def parameters(**settings: Any) -> list[Any]:
    from rclpy.parameter import Parameter

    return [Parameter(key.replace('__', '.'), value=value) for key, value in settings.items()]


@pytest.fixture
def sim(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a function that makes a small sim node."""
    from vif_perception.ros import sim as module

    monkeypatch.setattr(module, 'SIZE', SMALL)
    made: list[Any] = []

    def make(**settings: Any) -> Any:
        made.append(module.SimNode(parameter_overrides=parameters(**settings)))
        world.executor.add_node(made[-1])
        return made[-1]

    yield make
    for node in made:
        node.stop()
        node.destroy_node()


def test_the_sim_is_a_pair_of_camera_drivers(world: World, sim: Any) -> None:
    from sensor_msgs.msg import CameraInfo, Image
    from vision_msgs.msg import LabelInfo

    from vif_perception.ros import messages
    from vif_perception.sim.rig import camera_models

    for name in ('rgb/image_raw', 'thermal/image_raw', 'ground_truth/mask'):
        world.listen(f'/sim/{name}', Image)
    for name in ('rgb', 'thermal'):
        world.listen(f'/sim/{name}/camera_info', CameraInfo)
    world.listen('/sim/ground_truth/label_info', LabelInfo, latched=True)
    before = world.now_ns()
    sim(rate_hz=30.0, loop_s=1.0)
    rgb = world.results(8, '/sim/rgb/image_raw')
    thermal = world.results(8, '/sim/thermal/image_raw')
    masks = world.results(7, '/sim/ground_truth/mask')
    labels = world.results(1, '/sim/ground_truth/label_info')
    assert {(m.encoding, m.width, m.height, m.step) for m in rgb} == {('rgb8', 160, 120, 480)}
    assert {(m.encoding, m.step) for m in thermal} == {('mono16', 320)}
    assert {(m.encoding, m.step) for m in masks} == {('mono8', 160)}
    assert messages.label_names(labels[0]) == dict(enumerate(MFNET.names))
    stamps = [messages.stamp_ns(message.header.stamp) for message in rgb]
    assert before < stamps[0]
    assert np.allclose(np.diff(stamps), 1e9 / 30, atol=2 * MS)
    assert {messages.stamp_ns(message.header.stamp) for message in masks} <= set(stamps)
    model = camera_models(SMALL, SMALL)[1]
    info = world.results(1, '/sim/thermal/camera_info')[0]
    assert messages.model(info, 'info').matrix.tolist() == model.matrix.tolist()
    assert info.header.frame_id == thermal[0].header.frame_id == model.frame_id


def test_nothing_is_published_that_nobody_subscribes_to(world: World, sim: Any) -> None:
    from sensor_msgs.msg import Image

    node = sim(rate_hz=30.0, loop_s=1.0)
    world.listen('/sim/thermal/image_raw', Image)
    published: list[str] = []
    for name, publisher in node._images.items():
        publisher.publish = lambda message, name=name: published.append(name)
    world.until(lambda: len(published) >= 3)
    assert set(published) == {'thermal'}


@pytest.mark.parametrize('settings, words', [
    ({'faults': ['melt:rgb']}, 'melt'), ({'rate_hz': 0.0}, 'rate_hz'),
    ({'day_night': 'noon'}, 'day_night'), ({'seed': -1}, 'seed'),
])
def test_what_the_rig_cannot_do_is_refused(sim: Any, settings: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        sim(**settings)


class Robot:
    """Everything an evaluate node listens to, published by hand."""

    def __init__(self, world: World, out: Path, **settings: Any):
        from sensor_msgs.msg import Image
        from vision_msgs.msg import LabelInfo

        from vif_perception.msg import EntityScores, EvaluationScores, FusionStatus
        from vif_perception.ros import qos
        from vif_perception.ros.evaluate import EvaluateNode

        self.world = world
        self.node = EvaluateNode(
            parameter_overrides=parameters(out=str(out), fusion_frames=0, **settings)
        )
        world.executor.add_node(self.node)
        world.listen('/evaluate/scores', EvaluationScores)
        kinds = {
            'rgb/image_raw': Image, 'thermal/image_raw': Image, 'mask': Image, 'truth': Image,
            'confidence': Image, 'fused/image': Image, 'entities': EntityScores,
        }
        self.publish = {
            name: world.node.create_publisher(kind, f'/evaluate/input/{name}', qos.output())
            for name, kind in kinds.items()
        }
        for name, kind in (('label_info', LabelInfo), ('status', FusionStatus)):
            self.publish[name] = world.node.create_publisher(
                kind, f'/evaluate/input/{name}', qos.latched()
            )
        world.until(lambda: all(p.get_subscription_count() for p in self.publish.values()))

    def frame(self, seed: int, *, truth_id: int = 0) -> int:
        """Publish one pair and what a fusion node makes of it; returns the stamp."""
        from vif_perception.ros import messages

        rgb, thermal = noise(seed)
        stamp = 10**18 + seed * 100 * MS
        flat = np.zeros(rgb.shape[:2], np.uint8)
        made = {
            'rgb/image_raw': image(stamp, 'rgb', rgb, 'rgb8'),
            'thermal/image_raw': image(stamp, 'thermal', thermal, 'mono16'),
            'mask': image(stamp, 'rgb', flat, 'mono8'),
            'confidence': image(stamp, 'rgb', flat + 200, 'mono8'),
            'fused/image': image(stamp, 'rgb', rgb, 'rgb8'),
            'entities': messages.entity_scores(stamp, 'rgb', {'person': 0.5}),
            'truth': image(stamp, 'rgb', flat + truth_id, 'mono8'),
        }
        for name, message in made.items():
            self.publish[name].publish(message)
        return stamp

    def labels(self) -> None:
        from vif_perception.ros import messages

        self.publish['label_info'].publish(messages.label_info(0, '', MFNET))

    def close(self) -> None:
        self.node.stop()
        self.node.destroy_node()


@pytest.fixture
def robot(world: World, tmp_path: Path) -> Iterator[Robot]:
    made = Robot(world, tmp_path / 'out')
    yield made
    made.close()


def test_running_scores_and_at_the_end_a_report(robot: Robot, tmp_path: Path) -> None:
    robot.labels()
    stamps = []
    for seed in range(3):
        stamps.append(robot.frame(seed, truth_id=int(seed == 2)))
        # One by one: the topics keep the newest message only.
        robot.world.until(lambda: robot.node._scoring.masks > len(stamps) - 1)
    scores = robot.world.results(3, '/evaluate/scores')
    assert [message.frames for message in scores] == [1, 2, 3]
    assert [message.miou_frame for message in scores[:2]] == [1.0, 1.0]
    assert scores[2].miou == pytest.approx((2 / 3 + 0) / 2)
    assert list(scores[2].class_names) == list(MFNET.names)
    assert np.isnan(list(scores[2].class_iou)[2])
    assert scores[2].latency_p50_ms >= 0
    response = call_finish(robot)
    assert response.success
    assert 'ok' in response.message
    report = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert report['status'] == 'ok'
    assert report['topics']['rgb'] == '/evaluate/input/rgb/image_raw'
    assert report['bag'] is None
    rows = (tmp_path / 'out' / 'frames.jsonl').read_text().splitlines()
    assert [json.loads(row)['stamp_ns'] for row in rows] == stamps
    assert '<html' in (tmp_path / 'out' / 'report.html').read_text()
    assert robot.node.exit_code == 0


def test_without_anything_the_report_says_so(robot: Robot, tmp_path: Path) -> None:
    response = call_finish(robot)
    assert not response.success
    assert 'label_info' in response.message
    assert call_finish(robot).message == response.message  # finished is finished
    assert robot.node.exit_code == 2


def test_messages_that_cannot_be_used_are_told_and_the_rest_goes_on(robot: Robot) -> None:
    robot.labels()
    wrong = image(10**18, 'rgb', np.zeros((4, 4), np.uint8), 'bayer_rggb8')
    robot.publish['mask'].publish(wrong)
    robot.publish['rgb/image_raw'].publish(wrong)
    robot.frame(1)
    robot.world.results(1, '/evaluate/scores')
    report = robot.node.finish()
    assert report['status'] == 'failed'
    assert 'bayer_rggb8' in report['error']
    assert report['drops'] == {'bad_image': 1}


def test_a_report_that_cannot_be_written_is_refused_at_the_start(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(InputError, match='file'):
        Robot(world, tmp_path / 'file')
    with pytest.raises(InputError, match='absent'):
        Robot(world, tmp_path / 'out', gate=str(tmp_path / 'absent.yaml'))


def call_finish(robot: Robot) -> Any:
    from std_srvs.srv import Trigger

    return robot.node._finish_service(Trigger.Request(), Trigger.Response())
