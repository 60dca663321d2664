"""The ``sim`` node: the synthetic rig as a pair of camera drivers, with ground truth.

Topics: ``~/rgb/image_raw`` (rgb8), ``~/thermal/image_raw`` (mono16, Kelvin times 100), the
``camera_info`` beside each, ``~/ground_truth/mask`` (mono8) and ``~/ground_truth/label_info``.
Rendering is slower than the cameras: another process renders the first ``loop_s`` seconds of the
drive ahead, and this one plays them forwards and backwards at the exact rate.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import Any, Literal

from pydantic import Field
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from vision_msgs.msg import LabelInfo

from vif_perception.labels import MFNET
from vif_perception.ros import messages, parameters, qos
from vif_perception.schema import Group
from vif_perception.sim import parse_fault
from vif_perception.sim.playback import Delivery, Playback
from vif_perception.sim.rig import camera_models
from vif_perception.sim.stream import read_exposures

SIZE = (640, 480)
#: Exposures that are this late are left out, as after the computer was suspended.
HOPELESS_NS = 1_000_000_000
LONGEST_WAIT_S = 0.1


class SimConfig(Group):
    """Parameters of the simulated rig."""

    seed: int = Field(0, ge=0, le=1_000_000, description='decides the street')
    rate_hz: float = Field(15.0, ge=0.5, le=60, description='frames per second of each camera')
    day_night: Literal['day', 'night', 'cycle'] = Field(
        'cycle', description='light; cycle fades from day to night and back'
    )
    faults: tuple[str, ...] = Field(
        (), description='what goes wrong, such as freeze:thermal@10+2; s after the first frame'
    )
    loop_s: float = Field(
        8.0, ge=1, le=60, description='length of the drive that is rendered; 28 MB per second at '
        '15 Hz'
    )


class SimNode(Node):
    """Publishes both cameras.

    Raises:
        InputError: a parameter that does not fit, or a fault that there is not.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('sim', **options)
        parameters.declare(self, SimConfig, read_only=SimConfig.model_fields)
        config = parameters.read(self, SimConfig)
        rgb, thermal = camera_models(SIZE, SIZE)
        self._models = {'rgb': rgb, 'thermal': thermal}
        self._playback = Playback(
            rgb.frame_id, thermal.frame_id, [parse_fault(text) for text in config.faults],
            config.seed,
        )
        self._period_ns = round(1e9 / config.rate_hz)
        self._advertise()
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._renderer = _render(config)
        self._threads = [
            threading.Thread(target=target, name=target.__name__, daemon=True)
            for target in (self._load, self._drive)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the renderer and the threads."""
        self._stopping.set()
        self._ready.set()
        self._renderer.kill()
        self._renderer.wait()
        for thread in self._threads:
            thread.join()

    def _advertise(self) -> None:
        # Reliable: it serves subscribers that ask for reliable and for best effort.
        camera = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self._images = {
            name: self.create_publisher(
                Image, f'~/{topic}', camera, qos_overriding_options=qos.overridable()
            )
            for name, topic in (
                ('rgb', 'rgb/image_raw'), ('thermal', 'thermal/image_raw'),
                ('truth', 'ground_truth/mask'),
            )
        }
        self._infos = {
            name: self.create_publisher(
                CameraInfo, f'~/{name}/camera_info', camera,
                qos_overriding_options=qos.overridable(),
            )
            for name in self._models
        }
        self._labels = self.create_publisher(LabelInfo, '~/ground_truth/label_info', qos.latched())
        stamp = self.get_clock().now().nanoseconds
        self._labels.publish(messages.label_info(stamp, self._models['rgb'].frame_id, MFNET))

    def _load(self) -> None:
        """Read what the other process renders, as far as it has come."""
        assert self._renderer.stdout is not None
        count = 0
        for exposure in read_exposures(self._renderer.stdout, SIZE, SIZE):
            self._playback.add(exposure)
            count += 1
            if self._playback.ready:
                self._ready.set()
        if not self._stopping.is_set():
            self.get_logger().info(f'{count} frames rendered; played forwards and backwards')
            if not self._playback.ready:
                self.get_logger().fatal('the renderer ended early; its output says why')

    def _drive(self) -> None:
        """Expose and publish on time."""
        self._ready.wait()
        due_ns = time.monotonic_ns()
        while not self._stopping.is_set():
            now_ns = time.monotonic_ns()
            if now_ns - due_ns > HOPELESS_NS:
                due_ns = now_ns
            if now_ns >= due_ns:
                # The instant when it was due, on the clock that stamps are read on.
                stamp_ns = self.get_clock().now().nanoseconds - (now_ns - due_ns)
                self._playback.expose(due_ns, stamp_ns)
                due_ns += self._period_ns
            try:
                for delivery in self._playback.due(now_ns):
                    self._publish(delivery)
            except Exception:
                if self.context.ok():
                    raise
                return  # Ctrl-C took the context away between two images
            next_ns = min(due_ns, self._playback.next_ns() or due_ns)
            wait_s = (next_ns - time.monotonic_ns()) / 1e9
            if wait_s > 0:
                self._stopping.wait(min(wait_s, LONGEST_WAIT_S))

    def _publish(self, delivery: Delivery) -> None:
        frame, model = delivery.frame, self._models.get(delivery.source)
        if model is not None:
            self._infos[delivery.source].publish(messages.camera_info(frame.stamp_ns, model))
        publisher = self._images[delivery.source]
        if publisher.get_subscription_count():
            publisher.publish(
                messages.image(frame.stamp_ns, frame.frame_id, frame.data, frame.encoding)
            )


def _render(config: SimConfig) -> subprocess.Popen[bytes]:
    """Start the process that renders."""
    options = {
        'seed': config.seed, 'size': SIZE, 'thermal_size': SIZE, 'rate_hz': config.rate_hz,
        'time_of_day': config.day_night, 'count': max(2, round(config.loop_s * config.rate_hz)),
    }
    return subprocess.Popen(
        [sys.executable, '-m', 'vif_perception.sim.stream', json.dumps(options)],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )
