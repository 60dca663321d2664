"""Small recordings of every kind for the tests of replay: the same drive, stored differently."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Writer2

from vif_perception.replay.record import BagRecorder
from vif_perception.replay.typestore import ros1_types, ros2_types
from vif_perception.types import CameraModel, Frame

SIZE = (64, 48)
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
RGB, THERMAL, MASK = '/rgb/image_raw', '/thermal/image_raw', '/ground_truth/mask'


class Event(NamedTuple):
    """One message: a Frame is an Image, a CameraModel a CameraInfo at the stamp of the event."""

    topic: str
    received_ns: int
    stamp_ns: int
    content: Frame | CameraModel


def camera(frame_id: str = 'rgb_optical', focal: float = 50.0) -> CameraModel:
    matrix = np.array([[focal, 0, SIZE[0] / 2], [0, focal, SIZE[1] / 2], [0, 0, 1.0]])
    matrix = matrix if focal else np.zeros((3, 3))
    return CameraModel(SIZE, matrix, np.zeros(5), frame_id)


def rgb_frame(index: int, stamp_ns: int, size: tuple[int, int] = SIZE) -> Frame:
    rng = np.random.default_rng(index)
    data = rng.integers(40, 200, (size[1], size[0], 3), np.uint8)
    return Frame(stamp_ns, 'rgb_optical', data, 'bgr8')


def thermal_frame(index: int, stamp_ns: int, size: tuple[int, int] = SIZE) -> Frame:
    rng = np.random.default_rng(1000 + index)
    data = rng.integers(28_000, 31_000, (size[1], size[0]), np.uint16)
    return Frame(stamp_ns, 'thermal_optical', data, 'mono16')


def mask_frame(index: int, stamp_ns: int, size: tuple[int, int] = SIZE) -> Frame:
    data = np.zeros((size[1], size[0]), np.uint8)
    data[: 1 + index % 8, :8] = 1
    data[-1] = 255
    return Frame(stamp_ns, 'rgb_optical', data, 'mono8')


def drive(
    count: int = 6, *, thermal: bool = True, rgb: bool = True, masks: bool = True,
    infos: bool = True, mask_delay_ns: int = 20_000_000, focal: float = 50.0,
) -> list[Event]:
    """Return a drive at 10 Hz, thermal 8 ms late, in receive order."""
    events = []
    for index in range(count):
        stamp = START_NS + index * PERIOD_NS
        late = stamp + 8_000_000
        if rgb:
            events.append(Event(RGB, stamp + 15_000_000, stamp, rgb_frame(index, stamp)))
        if rgb and infos:
            model = camera('rgb_optical', focal)
            events.append(Event('/rgb/camera_info', stamp + 15_000_000, stamp, model))
        if thermal:
            events.append(Event(THERMAL, late + 9_000_000, late, thermal_frame(index, late)))
        if masks:
            received = stamp + 15_000_000 + mask_delay_ns
            events.append(Event(MASK, received, stamp, mask_frame(index, stamp)))
    return sorted(events, key=lambda event: event.received_ns)


def write_mcap(path: Path, events: Iterable[Event], compression: str = 'lz4') -> Path:
    with BagRecorder(path, compression=compression) as recorder:
        for event in events:
            if isinstance(event.content, Frame):
                recorder.image(event.topic, event.received_ns, event.content)
            else:
                recorder.camera_info(
                    event.topic, event.received_ns, event.stamp_ns, event.content
                )
    return path


def write_compressed(path: Path, events: Iterable[Event]) -> Path:
    """Write JPEG rgb, PNG thermal and raw masks."""
    with BagRecorder(path, compression='zstd') as recorder:
        for topic, received, stamp, content in events:
            if not isinstance(content, Frame):
                continue
            if topic == MASK:
                recorder.image(topic, received, content)
                continue
            form = 'jpeg' if topic == RGB else 'png'
            recorder.compressed(
                f'{topic}/compressed', received, stamp, content.frame_id,
                f'{content.encoding}; {form} compressed {content.encoding}',
                pack(content.data[..., ::-1] if topic == RGB else content.data, form),
            )
    return path


def write_rosbag2(
    path: Path, events: Iterable[Event], *, storage: StoragePlugin = StoragePlugin.SQLITE3,
    mode: CompressionMode = CompressionMode.NONE,
) -> Path:
    writer = Writer2(path, version=9, storage_plugin=storage)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        _write(writer, events, ros1=False)
    return path


def write_ros1(path: Path, events: Iterable[Event], compression: str | None = None) -> Path:
    writer = Writer1(path)
    if compression:
        writer.set_compression(Writer1.CompressionFormat[compression.upper()])
    with writer:
        _write(writer, events, ros1=True)
    return path


def write_folder(path: Path, events: Iterable[Event], suffix: str = 'png') -> Path:
    """Write rgb/, thermal/ and, for masks, label/ with files of equal names."""
    folders = {RGB: 'rgb', THERMAL: 'thermal', MASK: 'label'}
    for event in events:
        if event.topic in folders and isinstance(event.content, Frame):
            folder = path / folders[event.topic]
            folder.mkdir(parents=True, exist_ok=True)
            index = (event.stamp_ns - START_NS) // PERIOD_NS
            data = event.content.data
            form = suffix if event.topic == RGB else 'png'
            (folder / f'{index:04d}.{form}').write_bytes(
                pack(data[..., ::-1] if event.topic == RGB else data, form)
            )
    return path


def pack(data: np.ndarray, form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(data)).save(buffer, form)
    return buffer.getvalue()


def image_fields(frame: Frame, **changes: Any) -> dict[str, Any]:
    """Return the fields of a sensor_msgs/Image, some of them wrong on purpose."""
    data = np.ascontiguousarray(frame.data)
    fields = {
        'height': data.shape[0], 'width': data.shape[1], 'encoding': frame.encoding,
        'is_bigendian': 0, 'step': data.nbytes // data.shape[0],
        'data': data.reshape(-1).view(np.uint8),
    }
    return {**fields, **changes}


def write_messages(path: Path, messages: Iterable[tuple[str, int, str, dict[str, Any]]]) -> Path:
    """Write (topic, received ns, type, fields) to a sqlite3 bag; without a check of the fields.

    ``stamp_ns`` among the fields makes the header.
    """
    store = ros2_types()
    with Writer2(path, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connections: dict[str, Any] = {}
        for topic, received, kind, fields in messages:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            values = dict(fields)
            if 'stamp_ns' in values:
                values['header'] = _header(store, False, values.pop('stamp_ns'), 'optical')
            raw = store.serialize_cdr(store.types[kind](**values), kind)
            writer.write(connections[topic], received, raw)
    return path


def _write(writer: Any, events: Iterable[Event], *, ros1: bool) -> None:
    store = ros1_types() if ros1 else ros2_types()
    connections: dict[str, Any] = {}
    for topic, received, stamp, content in events:
        name = 'Image' if isinstance(content, Frame) else 'CameraInfo'
        kind = f'sensor_msgs/msg/{name}'
        if topic not in connections:
            connections[topic] = writer.add_connection(topic, kind, typestore=store)
        fields = (
            image_fields(content) if isinstance(content, Frame)
            else _info_fields(store, content, ros1)
        )
        header = _header(store, ros1, stamp, content.frame_id)
        message = store.types[kind](header=header, **fields)
        raw = (store.serialize_ros1 if ros1 else store.serialize_cdr)(message, kind)
        writer.write(connections[topic], received, raw)


def _header(store: Any, ros1: bool, stamp_ns: int, frame_id: str) -> Any:
    stamp = store.types['builtin_interfaces/msg/Time'](
        sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9
    )
    fields = {'seq': 0} if ros1 else {}
    return store.types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id, **fields)


def _info_fields(store: Any, model: CameraModel, ros1: bool) -> dict[str, Any]:
    arrays = {
        'd': model.distortion, 'k': model.matrix.reshape(-1), 'r': np.eye(3).reshape(-1),
        'p': np.zeros(12),
    }
    roi = store.types['sensor_msgs/msg/RegionOfInterest'](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return {
        'width': model.size[0], 'height': model.size[1], 'distortion_model': 'plumb_bob',
        'binning_x': 0, 'binning_y': 0, 'roi': roi,
        **{name.upper() if ros1 else name: value for name, value in arrays.items()},
    }
