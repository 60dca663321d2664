"""The subscriptions of the fusion node: messages become frames of the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from message_filters import Subscriber
from rclpy.lifecycle import LifecycleNode
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from vif_perception.errors import InputError
from vif_perception.pipeline import Pipeline
from vif_perception.ros import messages, qos, wire
from vif_perception.ros.notices import Notices
from vif_perception.ros.parameters import InputConfig
from vif_perception.types import Camera, FramePair

CAMERAS: tuple[Camera, ...] = ('rgb', 'thermal')
#: Stamps further ahead of our clock than this come from another clock.
AHEAD_NS = 1_000_000_000


class Inputs:
    """Subscribes when made, until ``close``.

    Attributes:
        infos: camera -> its newest CameraInfo, of which the stamp may be older.

    Args:
        node: subscribes.
        pipeline: takes frames and camera models.
        config: raw or compressed images.
        max_pixels: largest accepted image.
        take: takes the pairs that are ready.
        notices: told what is wrong with messages.
    """

    def __init__(
        self, node: LifecycleNode, pipeline: Pipeline, config: InputConfig, max_pixels: int,
        take: Callable[[list[FramePair]], None], notices: Notices,
    ) -> None:
        self.infos: dict[Camera, CameraInfo] = {}
        self._node, self._pipeline, self._max_pixels = node, pipeline, max_pixels
        self._take, self._notices = take, notices
        self._known: dict[Camera, bytes] = {}
        self._subscribers: list[Subscriber] = []
        self._images: list[Callable[[], list[str]]] = []
        self._unheard: list[Callable[[], list[str]]] = []
        for camera in CAMERAS:
            compressed = getattr(config, f'{camera}_transport') == 'compressed'
            kind, tail = (CompressedImage, '/compressed') if compressed else (Image, '')
            name = f'~/input/{camera}/image_raw{tail}'
            self._images.append(
                self._subscribe(kind, name, partial(self._image, kind), camera)
            )
            self._subscribe(CameraInfo, f'~/input/{camera}/camera_info', self._info, camera)

    def close(self) -> None:
        """Unsubscribe."""
        for subscriber in self._subscribers:
            self._node.destroy_subscription(subscriber.sub)
        self._subscribers.clear()

    def unheard(self) -> list[str]:
        """Return which publishers of images and camera_info we cannot hear, and why."""
        return [text for ask in self._unheard for text in ask()]

    def why_silent(self) -> list[str]:
        """Return what stands between us and the publishers of images."""
        return [text for ask in self._images for text in ask()]

    def _subscribe(
        self, kind: Any, name: str, callback: Callable[[bytes, Camera, str], None], camera: Camera
    ) -> Callable[[], list[str]]:
        """Subscribe; return a function that tells what is wrong with the topic's publishers."""
        # As remapped, for words that people can compare.
        topic, profile = self._node.resolve_topic_name(name), qos.sensor()
        package = kind.__module__.partition('.')[0]

        def unheard() -> list[str]:
            return qos.unheard(self._node, topic, profile, f'{package}/msg/{kind.__name__}')

        subscriber = Subscriber(
            self._node, kind, name, qos_profile=profile, qos_overriding_options=qos.overridable(),
            # rclpy looks at each event whenever anything happens; ``unheard`` is asked instead.
            event_callbacks=qos.SubscriptionEventCallbacks(use_default_callbacks=False), raw=True,
        )
        subscriber.registerCallback(callback, camera, topic)
        self._subscribers.append(subscriber)
        self._unheard.append(unheard)
        return lambda: unheard() + self._nobody(topic, camera)

    def _nobody(self, topic: str, camera: Camera) -> list[str]:
        """Tell that a topic has no publisher, and whether the other transport has one."""
        if self._node.count_publishers(topic):
            return []
        compressed = topic.endswith('/compressed')
        other = topic.removesuffix('/compressed') if compressed else f'{topic}/compressed'
        if not self._node.count_publishers(other):
            return [f'{topic}: no publisher']
        transport = 'raw' if compressed else 'compressed'
        return [
            f'{topic}: no publisher, but {other} has one: set input.{camera}_transport to '
            f'{transport}'
        ]

    def _image(self, kind: type, data: bytes, camera: Camera, topic: str) -> None:
        now_ns = self._node.get_clock().now().nanoseconds
        try:
            frame = messages.frame(wire.parse(data, kind), camera, topic, self._max_pixels)
        except InputError as error:
            error = error.at(topic)
            self._pipeline.refuse(camera, error, now_ns)
            self._notices.warn(str(error))
            return
        if frame.stamp_ns > now_ns + AHEAD_NS or frame.stamp_ns <= 0:
            self._notices.warn(_odd_stamp(topic, frame.stamp_ns, now_ns))
        self._take(self._pipeline.offer(camera, frame, now_ns))

    def _info(self, data: bytes, camera: Camera, topic: str) -> None:
        known = data[wire.STAMPED :]
        if known == self._known.get(camera):
            return
        self._known[camera] = known
        self.infos[camera] = message = deserialize_message(data, CameraInfo)
        try:
            self._pipeline.camera_info(camera, messages.model(message, topic))
        except InputError as error:
            self._notices.warn(f'{error} (not used)')


def _odd_stamp(topic: str, stamp_ns: int, now_ns: int) -> str:
    if stamp_ns <= 0:
        return f'{topic}: stamps are 0: does the driver set header.stamp?'
    if now_ns == 0:
        return ''  # simulated time that has not begun; said elsewhere
    # Whole numbers, so that the words stay the same and are not said for each frame.
    return (
        f'{topic}: stamps are at least {AHEAD_NS // 10**9} s ahead of this clock: '
        'synchronise the clocks, or set use_sim_time when this is a simulation or a bag'
    )
