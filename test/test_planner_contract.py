"""Every door keeps the contract with planners: the bag of a replay, and the fusion node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bags import SIZE as BAG_SIZE
from bags import drive, write_mcap
from planner_contract import check, stamp_of
from ros_world import SIZE, World, camera_info, ros, world
from rosbags.highlevel import AnyReader

from fakes import FakeEngine
from vif_perception.config import load_config
from vif_perception.replay import ReplayOptions, replay

__all__ = ['ros', 'world']


@pytest.mark.parametrize('reference, frame_id', [
    ('rgb', 'rgb_optical'), ('thermal', 'thermal_optical')
])
def test_the_result_bag(tmp_path: Path, reference: str, frame_id: str) -> None:
    events = drive(5)
    config = load_config(sets=[f'reference={reference}'])
    bag = write_mcap(tmp_path / 'a.mcap', events)
    replay(ReplayOptions([bag], tmp_path / 'out', fusion_frames=0, config=config), FakeEngine())
    found: dict[str, list[Any]] = {}
    with AnyReader([tmp_path / 'out' / 'result.mcap']) as reader:
        for connection, _, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            found.setdefault(connection.topic.removeprefix('/fusion/output/'), []).append(message)
    frames = [e.content for e in events if e.topic == f'/{reference}/image_raw']
    references = {divmod(f.stamp_ns, 10**9): (frame_id, BAG_SIZE) for f in frames}
    check(found['mask'], found['confidence'], found['fused/image'], found['entities'],
          found['label_info'][0], references)
    assert len(found['mask']) == 5


@pytest.mark.parametrize('reference, frame_id', [
    ('rgb', 'rgb_optical'), ('thermal', 'thermal_optical')
])
def test_the_fusion_node(world: World, reference: str, frame_id: str) -> None:
    world.start(reference=reference)
    world.listen_to_all()
    world.cameras()
    for camera in ('rgb', 'thermal'):
        world.send(camera, camera_info(f'{camera}_optical'), 'camera_info')
    info = f'/fusion/input/{reference}/camera_info'
    world.until(lambda: len(world.fusion._inputs.infos) == 2, info)
    skew_ns = 7_000_001
    references = {}
    for seed in range(3):
        stamp_ns = world.pair(seed, skew_ns=skew_ns)
        mine = stamp_ns + (skew_ns if reference == 'thermal' else 0)
        references[divmod(mine, 10**9)] = frame_id, SIZE
        for topic in ('entities', 'fused/camera_info'):  # the last ones to be published
            world.results(seed + 1, f'/fusion/output/{topic}')
    got = {name: world.received[f'/fusion/output/{name}'] for name in (
        'mask', 'confidence', 'fused/image', 'entities', 'label_info', 'fused/camera_info'
    )}
    check(got['mask'], got['confidence'], got['fused/image'], got['entities'],
          got['label_info'][0], references)
    assert {stamp_of(m) for m in got['mask']} == set(references)
    for message in got['fused/camera_info']:
        assert stamp_of(message) in references
        assert message.header.frame_id == frame_id
        assert (message.width, message.height) == SIZE
        np.testing.assert_array_equal(message.k[:3], [50, 0, 32])


def test_the_labels_reach_those_who_come_late(world: World) -> None:
    from vision_msgs.msg import LabelInfo

    world.start()
    world.listen('/fusion/output/label_info', LabelInfo, latched=True)
    (labels,) = world.results(1, '/fusion/output/label_info')
    assert [item.class_name for item in labels.class_map] == list(world.engine.labels.names)
    assert labels.threshold == 0.0
