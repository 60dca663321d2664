"""A fusion node, cameras and a listener: on real ROS where it is sourced, else on the double.

Everything runs in this process: one executor spins the fusion node and the node of the test.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
import ros_double

from fakes import FakeEngine

#: Whether ROS is sourced, with our messages built.
REAL = importlib.util.find_spec('rclpy') is not None and (
    importlib.util.find_spec('vif_perception.msg') is not None
)
needs_ros = pytest.mark.skipif(not REAL, reason='NO ROS 2 IS SOURCED: tried on the double only')
#: Nothing here takes that long, on a slow machine neither.
PATIENCE_S = 20.0
SIZE = (64, 48)
MS = 1_000_000


@pytest.fixture(scope='module')
def ros() -> Iterator[None]:
    """Make ``import rclpy`` work."""
    remove = (lambda: None) if REAL else ros_double.install()
    yield
    remove()


@pytest.fixture
def world(ros: None) -> Iterator[World]:
    """Return a world with nothing in it."""
    made = World()
    yield made
    made.close()


def noise(seed: int, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Return (rgb8, mono16) pictures that no camera watch objects to."""
    random = np.random.default_rng(seed)
    width, height = size
    rgb = random.integers(0, 256, (height, width, 3), np.uint8)
    return rgb, random.integers(29_000, 31_000, (height, width)).astype(np.uint16)


class Listener:
    """A logger that keeps what is said, and refuses what rclpy's refuses."""

    levels: ClassVar[dict[tuple[str, int], str]] = {}

    def __init__(self, logger: Any, lines: list[str]) -> None:
        self._logger, self._lines = logger, lines

    def __getattr__(self, name: str) -> Any:
        return getattr(self._logger, name)

    def info(self, text: str) -> None:
        self._keep('info', text)

    def warning(self, text: str) -> None:
        self._keep('warning', text)

    def error(self, text: str) -> None:
        self._keep('error', text)

    def _keep(self, level: str, text: str) -> None:
        caller = sys._getframe(2)
        line = caller.f_code.co_filename, caller.f_lineno
        if self.levels.setdefault(line, level) != level:
            raise ValueError('Logger severity cannot be changed between calls.')
        self._lines.append(text)


class World:
    """What a test needs of ROS.

    Attributes:
        log: what the fusion node has logged.
        received: topic -> messages.
    """

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node

        rclpy.init()
        self.node = Node('test')
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.engine = FakeEngine()
        self.received: dict[str, list[Any]] = defaultdict(list)
        self.log: list[str] = []
        self._publishers: dict[str, Any] = {}
        self.fusion: Any = None

    def start(
        self, *, active: bool = True, create_engine: Any = None, **settings: Any
    ) -> Any:
        """Make the fusion node; dots of parameters are written as two underscores."""
        from rclpy.parameter import Parameter

        from vif_perception.ros.fusion import FusionNode

        overrides = [
            Parameter(key.replace('__', '.'), value=value) for key, value in settings.items()
        ]
        lines = self.log

        class Heard(FusionNode):
            def get_logger(self) -> Any:
                return Listener(super().get_logger(), lines)

        self.fusion = Heard(
            create_engine or (lambda config: self.engine), parameter_overrides=overrides
        )
        self.executor.add_node(self.fusion)
        if active:
            self.fusion.trigger_configure()
            self.fusion.trigger_activate()
        return self.fusion

    def set(self, **settings: Any) -> tuple[bool, str]:
        """Set one parameter as from outside; return (taken, reason)."""
        from rclpy.parameter import Parameter

        (name, value), = settings.items()
        parameter = Parameter(name.replace('__', '.'), value=value)
        result = self.fusion.set_parameters_atomically([parameter])
        return result.successful, result.reason

    def listen(self, topic: str, kind: Any, callback: Any = None, *, latched: bool = False) -> Any:
        """Subscribe reliably; messages go to ``received[topic]``."""
        from vif_perception.ros import qos

        profile = qos.latched() if latched else qos.output()
        profile.depth = 50
        return self.node.create_subscription(
            kind, topic, callback or self.received[topic].append, profile
        )

    def listen_to_all(self) -> None:
        """Subscribe to every output."""
        from sensor_msgs.msg import CameraInfo, Image
        from vision_msgs.msg import LabelInfo

        from vif_perception.msg import EntityScores, FusionStatus

        for name in ('fused/image', 'mask', 'confidence'):
            self.listen(f'/fusion/output/{name}', Image)
        self.listen('/fusion/output/fused/camera_info', CameraInfo)
        self.listen('/fusion/output/entities', EntityScores)
        self.listen('/fusion/output/label_info', LabelInfo, latched=True)
        self.listen('/fusion/status', FusionStatus, latched=True)

    def cameras(
        self, profile: Any = None, names: tuple[str, ...] = ('rgb', 'thermal')
    ) -> None:
        """Begin to publish images and camera_info; wait until the fusion node listens."""
        from sensor_msgs.msg import CameraInfo, Image

        from vif_perception.ros import qos

        for camera in names:
            for name, kind in (('image_raw', Image), ('camera_info', CameraInfo)):
                topic = f'/fusion/input/{camera}/{name}'
                self._publishers[f'{camera}/{name}'] = self.node.create_publisher(
                    kind, topic, profile or qos.output()
                )
        if profile is None:
            self.until(lambda: all(p.get_subscription_count() for p in self._publishers.values()))

    def send(self, camera: str, message: Any, name: str = 'image_raw') -> None:
        """Publish a message of a camera."""
        self._publishers[f'{camera}/{name}'].publish(message)

    def pair(self, seed: int, stamp_ns: int | None = None, **skews: int) -> int:
        """Publish an image of each camera; return the RGB stamp. ``skew_ns`` delays thermal."""
        rgb, thermal = noise(seed)
        stamp = self.now_ns() if stamp_ns is None else stamp_ns
        self.send('rgb', image(stamp, 'rgb_optical', rgb, 'rgb8'))
        self.send('thermal', image(
            stamp + skews.get('skew_ns', 0), 'thermal_optical', thermal, 'mono16'
        ))
        return stamp

    def results(self, count: int, topic: str = '/fusion/output/mask') -> list[Any]:
        """Spin until so many messages of a topic have come."""
        self.until(lambda: len(self.received[topic]) >= count)
        return self.received[topic]

    def said(self, text: str) -> None:
        """Spin until the fusion node has logged something that contains ``text``."""
        self.until(lambda: any(text in line for line in self.log), text)

    def health(self) -> Any:
        return self.fusion._health()

    def now_ns(self) -> int:
        return int(self.node.get_clock().now().nanoseconds)

    def until(self, condition: Callable[[], Any], what: str = '') -> None:
        """Spin until a condition holds."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, f'{what or "it"} did not happen; log: {self.log}'
            self.executor.spin_once(timeout_sec=0.02)

    def close(self) -> None:
        import rclpy

        self.engine.release.set()
        if self.fusion is not None:
            assert self.fusion.stop(), 'the worker did not end'
            self.fusion.destroy_node()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown()


def image(stamp: int, frame_id: str, pixels: np.ndarray, encoding: str, **fields: Any) -> Any:
    """Return an Image as a camera driver makes it; ``fields`` make it wrong."""
    from sensor_msgs.msg import Image

    height, width = pixels.shape[:2]
    made = Image(width=width, height=height, encoding=encoding, step=pixels.nbytes // height,
                 data=array('B', pixels.tobytes()))
    made.header.stamp.sec, made.header.stamp.nanosec = divmod(stamp, 10**9)
    made.header.frame_id = frame_id
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def camera_info(frame_id: str, size: tuple[int, int] = SIZE, focal: float = 50.0) -> Any:
    """Return a CameraInfo; a focal length of 0 leaves K zero, as drivers without calibration."""
    from sensor_msgs.msg import CameraInfo

    width, height = size
    made = CameraInfo(width=width, height=height, distortion_model='plumb_bob', d=[0.0] * 5)
    if focal:
        made.k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
    made.header.frame_id = frame_id
    return made
