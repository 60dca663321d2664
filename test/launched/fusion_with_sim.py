"""fusion.launch.py with simulated cameras, through launch_testing: results come, all ends with 0.

Run by `colcon test` (see CMakeLists.txt): it needs a ROS with this package built. The name is one
that plain pytest does not collect.
"""

from __future__ import annotations

import os
import unittest
from pathlib import Path
from typing import Any

import launch_testing
from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch_testing.actions import ReadyToTest
from launch_testing_ros import WaitForTopics
from sensor_msgs.msg import Image

#: Of a machine with many other things to do; torch alone takes seconds to import there.
PATIENCE_S = 90.0
RGB, MASK, CONFIDENCE = '/rgb/image_raw', '/fusion/output/mask', '/fusion/output/confidence'
#: For this process and for all that it launches; nothing leaves this machine.
os.environ['ROS_DOMAIN_ID'] = str(20 + os.getpid() % 80)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'


def generate_test_description() -> LaunchDescription:
    path = Path(get_package_share_directory('vif_perception')) / 'launch' / 'fusion.launch.py'
    arguments = {'sim': 'true', 'sim_rate_hz': '2.0'}
    return LaunchDescription([
        IncludeLaunchDescription(str(path), launch_arguments=arguments.items()), ReadyToTest(),
    ])


class TestResults(unittest.TestCase):
    def test_mask_and_confidence_carry_the_stamp_of_an_rgb_image(self) -> None:
        topics = WaitForTopics(
            [(name, Image) for name in (RGB, MASK, CONFIDENCE)], timeout=PATIENCE_S,
            messages_received_buffer_length=100,
        )
        try:
            assert topics.wait(), f'nothing on {topics.topics_not_received()}'
            seen = {name: _stamps(topics.received_messages(name)) for name in (MASK, CONFIDENCE)}
            # Taken last: the image of every result has come by now.
            images = _stamps(topics.received_messages(RGB))
            mask = topics.received_messages(MASK)[-1]
        finally:
            topics.shutdown()
        for name, found in seen.items():
            assert {s for s in found if s >= images[0]} <= set(images), name
        assert (mask.encoding, mask.step, mask.height) == ('mono8', 640, 480)


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_every_process_ended_well(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)


def _stamps(messages: list[Any]) -> list[tuple[int, int]]:
    return [(m.header.stamp.sec, m.header.stamp.nanosec) for m in messages]
