"""Writes images, labels, scores and status into an MCAP file that ROS 2 and Foxglove open."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from mcap.writer import CompressionType, IndexType, Writer
from rosbags.typesys.store import Typestore

from vif_perception.errors import InputError
from vif_perception.replay.typestore import ros2_types
from vif_perception.sensing import quaternion
from vif_perception.types import CameraModel, Frame, Health, LabelSet, Mode

#: Written into the MCAP header; without a version, so that equal runs give equal bytes.
LIBRARY = 'vif_perception'
QUEUE_MESSAGES = 16

# rosbag2 gives these to publishers on playback. Numbers instead of words: Humble knows no words.
_QOS = (
    '- history: 1\n  depth: {depth}\n  reliability: 1\n  durability: {durability}\n'
    '  deadline: {{sec: 0, nsec: 0}}\n  lifespan: {{sec: 0, nsec: 0}}\n  liveliness: 0\n'
    '  liveliness_lease_duration: {{sec: 0, nsec: 0}}\n  avoid_ros_namespace_conventions: false\n'
)
LATCHED = _QOS.format(depth=1, durability=1)
VOLATILE = _QOS.format(depth=10, durability=2)


class BagRecorder:
    """An MCAP file under construction; compression and disk work run in a thread of their own.

    Every method takes the topic and the receive time (ns), which becomes the log time. The
    bytes of the file depend on the calls only, never on the clock or on the machine.

    Args:
        path: file to write (``.mcap``); an existing one is replaced.
        compression: of the chunks: 'lz4' (half the work of zstd for a third more disk), 'zstd'
            or 'none'.

    Raises:
        InputError: from any method and from close(), when the file cannot be written. What
            was written before stays in the file.
    """

    def __init__(self, path: Path, *, compression: str = 'lz4'):
        self.path = path
        self.messages = 0
        self._types: Typestore = ros2_types()
        self._channels: dict[str, tuple[int, str]] = {}
        self._schemas: dict[str, int] = {}
        self._error: BaseException | None = None
        self._closed = False
        try:
            self._stream = path.open('wb')
        except OSError as error:
            raise self._explain(error) from None
        self._writer = Writer(
            self._stream, compression=CompressionType[compression.upper()],
            index_types=IndexType.ALL, enable_crcs=True,
        )
        self._queue: queue.Queue[tuple[Any, ...] | None] = queue.Queue(QUEUE_MESSAGES)
        self._thread = threading.Thread(target=self._work, name='bag-recorder', daemon=True)
        self._thread.start()
        self._submit(self._writer.start, 'ros2', LIBRARY)

    def image(self, topic: str, received_ns: int, frame: Frame) -> None:
        """Write a sensor_msgs/Image with step == width * bytes, in this machine's byte order."""
        data = np.ascontiguousarray(frame.data)
        height, width = data.shape[:2]
        self._write(
            topic, received_ns, 'sensor_msgs/msg/Image',
            header=self._header(frame.stamp_ns, frame.frame_id), height=height, width=width,
            encoding=frame.encoding, is_bigendian=int(sys.byteorder == 'big'),
            step=data.nbytes // height, data=data.reshape(-1).view(np.uint8),
        )

    def compressed(
        self, topic: str, received_ns: int, stamp_ns: int, frame_id: str, form: str, data: bytes
    ) -> None:
        """Write a sensor_msgs/CompressedImage; ``form`` as in its format field, e.g. 'jpeg'."""
        self._write(
            topic, received_ns, 'sensor_msgs/msg/CompressedImage',
            header=self._header(stamp_ns, frame_id), format=form,
            data=np.frombuffer(data, np.uint8),
        )

    def camera_info(
        self, topic: str, received_ns: int, stamp_ns: int, model: CameraModel
    ) -> None:
        """Write a sensor_msgs/CameraInfo without rectification."""
        matrix = np.asarray(model.matrix, np.float64).reshape(3, 3)
        distortion = np.zeros(max(5, len(model.distortion)))
        distortion[: len(model.distortion)] = model.distortion
        self._write(
            topic, received_ns, 'sensor_msgs/msg/CameraInfo',
            header=self._header(stamp_ns, model.frame_id),
            width=model.size[0], height=model.size[1], d=distortion,
            distortion_model='plumb_bob' if len(distortion) == 5 else 'rational_polynomial',
            k=matrix.reshape(-1), r=np.eye(3).reshape(-1),
            p=np.hstack([matrix, np.zeros((3, 1))]).reshape(-1), binning_x=0, binning_y=0,
            roi=self._make(
                'sensor_msgs/msg/RegionOfInterest',
                x_offset=0, y_offset=0, height=0, width=0, do_rectify=False,
            ),
        )

    def static_transform(
        self, topic: str, received_ns: int, stamp_ns: int, parent: str, child: str,
        transform: np.ndarray,
    ) -> None:
        """Write a latched tf2_msgs/TFMessage; ``transform`` is 4x4, X_parent = T X_child."""
        x, y, z, w = quaternion(transform[:3, :3])
        moves = dict(zip('xyz', map(float, transform[:3, 3]), strict=True))
        pose = self._make(
            'geometry_msgs/msg/Transform',
            translation=self._make('geometry_msgs/msg/Vector3', **moves),
            rotation=self._make('geometry_msgs/msg/Quaternion', x=x, y=y, z=z, w=w),
        )
        stamped = self._make(
            'geometry_msgs/msg/TransformStamped', header=self._header(stamp_ns, parent),
            child_frame_id=child, transform=pose,
        )
        self._write(
            topic, received_ns, 'tf2_msgs/msg/TFMessage', qos=LATCHED, transforms=[stamped]
        )

    def label_info(
        self, topic: str, received_ns: int, stamp_ns: int, frame_id: str, labels: LabelSet
    ) -> None:
        """Write the class list as a latched vision_msgs/LabelInfo; threshold 0: unthresholded."""
        classes = [
            self._make('vision_msgs/msg/VisionClass', class_id=index, class_name=name)
            for index, name in enumerate(labels.names)
        ]
        self._write(
            topic, received_ns, 'vision_msgs/msg/LabelInfo', qos=LATCHED,
            header=self._header(stamp_ns, frame_id), class_map=classes, threshold=0.0,
        )

    def entities(
        self,
        topic: str,
        received_ns: int,
        stamp_ns: int,
        frame_id: str,
        scores: Mapping[str, float],
    ) -> None:
        """Write a vif_perception/EntityScores."""
        self._write(
            topic, received_ns, 'vif_perception/msg/EntityScores',
            header=self._header(stamp_ns, frame_id), names=list(scores),
            scores=np.fromiter(scores.values(), np.float32, len(scores)),
        )

    def status(
        self, topic: str, received_ns: int, stamp_ns: int, frame_id: str, health: Health
    ) -> None:
        """Write a vif_perception/FusionStatus.

        The latency fields stay empty: they are measurements of this machine, and equal bags
        must give equal bytes; the report has them.
        """
        skew = health.skew_ms
        score = health.registration_score
        self._write(
            topic, received_ns, 'vif_perception/msg/FusionStatus', qos=LATCHED,
            header=self._header(stamp_ns, frame_id), mode=list(Mode).index(health.mode),
            reason=health.reason, thermal_rate_hz=health.rate_hz.get('thermal', 0.0),
            rgb_rate_hz=health.rate_hz.get('rgb', 0.0), pairs=health.pairs,
            partials=health.partials, skew_p50_ms=skew.p50 if skew else float('nan'),
            skew_p95_ms=skew.p95 if skew else float('nan'), drop_causes=list(health.drops),
            drop_counts=np.fromiter(health.drops.values(), np.uint64, len(health.drops)),
            latency_stages=[], latency_p50_ms=np.empty(0, np.float32),
            latency_p95_ms=np.empty(0, np.float32), latency_p99_ms=np.empty(0, np.float32),
            registration_score=float('nan') if score is None else score,
        )

    def close(self) -> None:
        """Finish the index and close the file; raises what a write in the thread raised."""
        if self._closed:
            return
        self._closed = True
        self._queue.put((self._writer.finish, ()))
        self._queue.put(None)
        self._thread.join()
        try:
            self._stream.close()
        except OSError as error:
            self._error = self._error or error
        if self._error is not None:
            raise self._explain(self._error) from None

    def __enter__(self) -> BagRecorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except InputError:
            if error is None:
                raise

    def _write(
        self, topic: str, received_ns: int, kind: str, *, qos: str = VOLATILE, **fields: Any
    ) -> None:
        channel = self._channel(topic, kind, qos)
        data = self._types.serialize_cdr(self._make(kind, **fields), kind)
        self.messages += 1
        self._submit(
            self._writer.add_message, channel, received_ns, data, received_ns, self.messages
        )

    def _channel(self, topic: str, kind: str, qos: str) -> int:
        """Return the channel of a topic; ids are those that the mcap writer will count out."""
        if topic not in self._channels:
            if kind not in self._schemas:
                text = self._types.generate_msgdef(kind, ros_version=2)[0].encode()
                self._schemas[kind] = len(self._schemas) + 1
                self._submit(self._writer.register_schema, kind, 'ros2msg', text)
            self._channels[topic] = (len(self._channels) + 1, kind)
            self._submit(
                self._writer.register_channel, topic, 'cdr', self._schemas[kind],
                {'offered_qos_profiles': qos},
            )
        channel, known = self._channels[topic]
        if known != kind:
            raise ValueError(f'{topic} carries {known}, not {kind}')
        return channel

    def _make(self, kind: str, **fields: Any) -> Any:
        return self._types.types[kind](**fields)

    def _header(self, stamp_ns: int, frame_id: str) -> Any:
        seconds, rest = divmod(stamp_ns, 1_000_000_000)
        stamp = self._make('builtin_interfaces/msg/Time', sec=seconds, nanosec=rest)
        return self._make('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)

    def _submit(self, function: Any, *arguments: Any) -> None:
        if self._error is not None:
            raise self._explain(self._error)
        self._queue.put((function, arguments))

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            # After an error the queue is only emptied, so that nobody waits on it for ever.
            if self._error is None:
                try:
                    task[0](*task[1])
                except Exception as error:
                    self._error = error

    def _explain(self, error: BaseException) -> InputError:
        reason = error.strerror if isinstance(error, OSError) else repr(error)
        return InputError(
            f'cannot be written: {reason}', where=str(self.path),
            accepted='a writable folder with room for the results',
            remedy='free some space or choose another folder; what is there was kept',
        )
