"""The launch files on a real ROS: processes, topics, signals; every wait has an end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ros_world import REAL

from vif_perception.sim import Rig


def built() -> bool:
    """Whether `ros2 launch` finds the package, as after colcon build and sourcing."""
    places = os.environ.get('AMENT_PREFIX_PATH', '').split(':')
    return REAL and shutil.which('ros2') is not None and any(
        (Path(place) / 'share' / 'vif_perception' / 'launch').is_dir() for place in places if place
    )


pytestmark = pytest.mark.skipif(
    not built(), reason='NO ROS 2 WORKSPACE WITH THIS PACKAGE IS SOURCED: nothing was launched'
)
#: Of a machine with many other things to do; torch alone takes seconds to import there.
PATIENCE_S = 90.0
DOMAIN = 120 + os.getpid() % 80


class Launched:
    """A running launch file, and a node that listens."""

    def __init__(self, name: str, *arguments: str):
        import rclpy
        from rclpy.context import Context
        from rclpy.executors import SingleThreadedExecutor

        quiet = {
            'ROS_DOMAIN_ID': str(DOMAIN), 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
            'OMP_NUM_THREADS': '1', 'PYTHONUNBUFFERED': '1',
        }
        self.process = subprocess.Popen(
            ['ros2', 'launch', 'vif_perception', f'{name}.launch.py', *arguments],
            env=os.environ | quiet, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )
        self.context = Context()
        rclpy.init(context=self.context, domain_id=DOMAIN)
        self.node = rclpy.create_node('listener', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.received: dict[str, list[Any]] = defaultdict(list)

    def listen(self, topic: str, kind: Any, **policies: Any) -> None:
        from rclpy.qos import QoSProfile

        self.node.create_subscription(
            kind, topic, self.received[topic].append, QoSProfile(depth=50, **policies)
        )

    def until(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < end, self.output()
            self.executor.spin_once(timeout_sec=0.1)

    def stop(self) -> int:
        """Ctrl-C, as a terminal sends it: to every process of the group; returns the exit code."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        return self.end()

    def end(self) -> int:
        """Wait until it has ended by itself."""
        try:
            return self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f'did not end\n{self.output()}') from None

    def kill(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def output(self) -> str:
        self.kill()
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def close(self) -> None:
        import rclpy

        self.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def launch() -> Iterator[Callable[..., Launched]]:
    made: list[Launched] = []

    def start(name: str, *arguments: str) -> Launched:
        made.append(Launched(name, *arguments))
        return made[-1]

    yield start
    for launched in made:
        launched.close()


def stamps(messages: list[Any]) -> set[tuple[int, int]]:
    return {(m.header.stamp.sec, m.header.stamp.nanosec) for m in messages}


def test_masks_come_from_simulated_cameras_and_everything_ends_at_ctrl_c(
    launch: Callable[..., Launched]
) -> None:
    from rclpy.qos import DurabilityPolicy
    from sensor_msgs.msg import Image
    from vision_msgs.msg import LabelInfo

    launched = launch('fusion', 'sim:=true', 'sim_rate_hz:=5.0', 'namespace:=left',
                      'rgb_image:=color/picture', 'log_level:=warn')
    for topic in ('/left/color/picture', '/left/fusion/output/mask'):
        launched.listen(topic, Image)
    launched.until(lambda: len(launched.received['/left/fusion/output/mask']) >= 3)
    masks = launched.received['/left/fusion/output/mask']
    assert stamps(masks) <= stamps(launched.received['/left/color/picture'])
    assert {(m.encoding, m.step, m.width, m.height) for m in masks} == {('mono8', 640, 640, 480)}
    # Latched: who comes late gets it.
    label_info = '/left/fusion/output/label_info'
    launched.listen(label_info, LabelInfo, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    launched.until(lambda: launched.received[label_info])
    assert launched.stop() == 0, launched.output()


def test_a_killed_node_comes_back(launch: Callable[..., Launched]) -> None:
    from sensor_msgs.msg import Image

    launched = launch('fusion', 'sim:=true', 'sim_rate_hz:=5.0', 'respawn:=true')
    topic = '/fusion/output/mask'
    launched.listen(topic, Image)
    launched.until(lambda: launched.received[topic])
    os.kill(child(launched.process.pid, 'vif_perception/fusion'), signal.SIGKILL)
    killed = launched.node.get_clock().now().nanoseconds // 10**9
    # It is started again after 2 s: newer masks cannot be of the dead one.
    launched.until(lambda: any(sec > killed + 1 for sec, _ in stamps(launched.received[topic])))


def child(parent: int, command: str) -> int:
    """Return the process id of the child whose command line contains some words."""
    listed = subprocess.run(
        ['ps', '-ww', '-o', 'pid=,args=', '--ppid', str(parent)], capture_output=True, text=True,
        check=True,
    )
    found = [line.split()[0] for line in listed.stdout.splitlines() if command in line]
    assert len(found) == 1, listed.stdout
    return int(found[0])


def test_a_bag_ends_with_a_report(launch: Callable[..., Launched], tmp_path: Path) -> None:
    pytest.importorskip('rosbag2_py', reason='ROSBAG2 IS NOT THERE: no bag was played')
    from vif_perception.replay.simulated import record_drive

    bag, out = tmp_path / 'drive.mcap', tmp_path / 'out'
    config = record_drive(
        Rig(1, size=(160, 120), thermal_size=(160, 120), rate_hz=4.0), 8, bag
    )
    launched = launch('replay', f'bag:={bag}', f'out:={out}', f'params_file:={config}')
    assert launched.end() == 0, launched.output()
    report = json.loads((out / 'report.json').read_text())
    assert report['status'] == 'ok', launched.output()
    assert report['frames']['rgb'] == report['frames']['thermal'] == 8
    assert report['segmentation']['frames'] >= 4
    assert (out / 'report.html').is_file()


def test_a_node_that_cannot_be_configured_ends_the_replay(
    launch: Callable[..., Launched], tmp_path: Path
) -> None:
    launched = launch('replay', f'bag:={tmp_path}', f'out:={tmp_path}/out',
                      'weights:=/nowhere.safetensors')
    launched.end()
    assert 'nowhere' in launched.output()
