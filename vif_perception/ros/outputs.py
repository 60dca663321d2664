"""The publishers of the fusion node: results become messages, for those who listen."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from vision_msgs.msg import LabelInfo

from vif_perception.msg import EntityScores, FusionStatus
from vif_perception.pipeline import pictures
from vif_perception.pipeline.view import View
from vif_perception.ros import messages, qos
from vif_perception.types import Health, LabelSet, Perception

#: Topic -> message type; results first, then pictures for people.
RESULTS = {
    'output/fused/image': Image, 'output/fused/camera_info': CameraInfo, 'output/mask': Image,
    'output/confidence': Image, 'output/entities': EntityScores,
}
DEBUG = ('debug/overlay', 'debug/registration', 'debug/thermal_kelvin')


class Outputs:
    """All topics of the node; nothing is made that nobody subscribes to.

    Args:
        node: publishes, while it is active.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._publishers: dict[str, Any] = {}
        self._offered: dict[str, QoSProfile] = {}
        for name, kind in RESULTS.items():
            self._publishers[name] = self._publisher(kind, name, qos.output())
        for name in DEBUG:
            self._publishers[name] = self._publisher(Image, name, qos.output())
        self._labels = self._publisher(LabelInfo, 'output/label_info', qos.latched())
        self._status = self._publisher(FusionStatus, 'status', qos.latched())

    def results(self, result: Perception, info: CameraInfo | None) -> None:
        """Publish a result; ``info`` is the newest CameraInfo of the reference camera."""
        stamp = result.stamp_ns, result.frame_id
        images = (
            ('output/fused/image', result.fused, 'rgb8'), ('output/mask', result.mask, 'mono8'),
            ('output/confidence', result.confidence, 'mono8'),
        )
        for name, pixels, encoding in images:
            if self._wanted(name):
                self._publish(name, messages.image(*stamp, pixels, encoding))
        if self._wanted('output/entities'):
            self._publish('output/entities', messages.entity_scores(*stamp, result.entities))
        size = result.mask.shape[1], result.mask.shape[0]
        if (
            info is not None and (info.width, info.height) == size
            and self._wanted('output/fused/camera_info')
        ):
            info.header = messages.header(*stamp)
            self._publish('output/fused/camera_info', info)

    def debug(
        self, result: Perception, view: View | None, labels: LabelSet, profile: str
    ) -> None:
        """Publish the pictures for people; ``view`` is what the network saw."""
        if view is None:
            return
        stamp = result.stamp_ns, result.frame_id
        made: tuple[tuple[str, Any, str], ...] = (
            ('debug/overlay', lambda: pictures.overlay(result, labels), 'rgb8'),
            ('debug/registration', lambda: pictures.registration(view), 'rgb8'),
            ('debug/thermal_kelvin', lambda: pictures.kelvin(view, profile), '32FC1'),
        )
        for name, draw, encoding in made:
            if self._wanted(name):
                pixels: np.ndarray | None = draw()
                if pixels is not None:
                    self._publish(name, messages.image(*stamp, pixels, encoding))

    def labels(self, labels: LabelSet) -> None:
        """Publish the class list for everyone who is there or still comes."""
        now_ns = self._node.get_clock().now().nanoseconds
        self._labels.publish(messages.label_info(now_ns, '', labels))

    def status(self, stamp_ns: int, frame_id: str, health: Health) -> None:
        """Publish a snapshot for everyone who is there or still comes."""
        self._status.publish(messages.status(stamp_ns, frame_id, health))

    def unserved(self) -> list[str]:
        """Return which subscribers cannot hear us, and why."""
        found = []
        for topic, offered in self._offered.items():
            found += qos.unserved(self._node, topic, offered)
        return found

    def _publisher(self, kind: Any, name: str, profile: QoSProfile) -> Any:
        self._offered[self._node.resolve_topic_name(f'~/{name}')] = profile
        return self._node.create_lifecycle_publisher(
            kind, f'~/{name}', profile, qos_overriding_options=qos.overridable(),
            # rclpy looks at each event whenever anything happens; ``unserved`` is asked instead.
            event_callbacks=qos.PublisherEventCallbacks(use_default_callbacks=False),
        )

    def _wanted(self, name: str) -> bool:
        return bool(self._publishers[name].get_subscription_count())

    def _publish(self, name: str, message: Any) -> None:
        self._publishers[name].publish(message)
