"""ROS messages to the package's own types and back; pixels are copied once at most."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo, VisionClass

from vif_perception.errors import InputError
from vif_perception.msg import EntityScores, FusionStatus
from vif_perception.sensing import (
    camera_model,
    decode_compressed,
    decode_compressed_mask,
    decode_image,
    decode_mask,
)
from vif_perception.types import Camera, CameraModel, Frame, Health, LabelSet, Mode

#: The modes in the order of the constants in FusionStatus.msg.
MODES = tuple(Mode)


def stamp_ns(stamp: Time) -> int:
    """Return a stamp as ns."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def header(stamp: int, frame_id: str) -> Header:
    """Return a header; ``stamp`` in ns."""
    seconds, nanoseconds = divmod(stamp, 1_000_000_000)
    return Header(stamp=Time(sec=seconds, nanosec=nanoseconds), frame_id=frame_id)


def read_bytes(data: Any) -> np.ndarray:
    """Return the bytes of a uint8[] field, whatever the middleware made of it, as uint8.

    A view for everything with the buffer protocol or the array interface: array.array, bytes,
    memoryview, ndarray, newer rosidl buffers. Anything else is copied, element by element.

    Raises:
        InputError: it is no sequence of bytes.
    """
    try:
        return np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8)
    except (TypeError, ValueError, BufferError):
        pass
    values = np.asarray(data)
    whole = values.dtype.kind in 'iu' and values.ndim == 1
    if values.size and not (whole and 0 <= values.min() <= values.max() <= 255):
        raise InputError(f'data is a {type(data).__name__}', accepted='a sequence of bytes')
    return values.astype(np.uint8).reshape(-1)


def write_bytes(data: Any) -> array[int]:
    """Return a contiguous buffer as what a uint8[] field takes without looking at each byte."""
    taken = array('B')
    taken.frombytes(memoryview(data).cast('B'))
    return taken


def frame(message: Any, camera: Camera, where: str, max_pixels: int) -> Frame:
    """Return the image of a message; the pixels of a raw one are a view of its bytes.

    Args:
        message: what has the fields of Image or CompressedImage.

    Raises:
        InputError: as ``sensing.decode_image`` and ``decode_compressed``, naming ``where``.
    """
    try:
        if hasattr(message, 'format'):
            pixels, encoding = decode_compressed(
                format=message.format, data=read_bytes(message.data), camera=camera,
                max_pixels=max_pixels,
            )
        else:
            encoding = message.encoding
            pixels = decode_image(**_raw(message), camera=camera, max_pixels=max_pixels)
    except InputError as error:
        raise error.at(where) from None
    return Frame(stamp_ns(message.header.stamp), message.header.frame_id, pixels, encoding)


def mask(message: Image | CompressedImage, where: str, max_pixels: int) -> np.ndarray:
    """Return the class ids of a mask message, HxW uint8.

    Raises:
        InputError: as ``sensing.decode_mask``, naming ``where``.
    """
    try:
        if isinstance(message, CompressedImage):
            return decode_compressed_mask(data=read_bytes(message.data), max_pixels=max_pixels)
        return decode_mask(**_raw(message), max_pixels=max_pixels)
    except InputError as error:
        raise error.at(where) from None


def image(stamp: int, frame_id: str, pixels: np.ndarray, encoding: str) -> Image:
    """Return an Image with step == width * bytes, in this machine's byte order."""
    packed = np.ascontiguousarray(pixels)
    height, width = packed.shape[:2]
    return Image(
        header=header(stamp, frame_id), height=height, width=width, encoding=encoding,
        is_bigendian=int(sys.byteorder == 'big'), step=packed.nbytes // max(height, 1),
        data=write_bytes(packed.reshape(-1)),
    )


def model(message: CameraInfo, where: str) -> CameraModel:
    """Return the camera model of a CameraInfo.

    Raises:
        InputError: K is zero (not calibrated), or as ``sensing.camera_model``.
    """
    return camera_model(
        width=message.width, height=message.height, k=message.k, d=message.d,
        distortion_model=message.distortion_model, frame_id=message.header.frame_id, where=where,
    )


def camera_info(stamp: int, camera: CameraModel) -> CameraInfo:
    """Return a CameraInfo without rectification."""
    distortion = [*camera.distortion.tolist(), *[0.0] * (5 - len(camera.distortion))]
    matrix = np.asarray(camera.matrix, np.float64)
    return CameraInfo(
        header=header(stamp, camera.frame_id), width=camera.size[0], height=camera.size[1],
        distortion_model='plumb_bob' if len(distortion) == 5 else 'rational_polynomial',
        d=distortion, k=matrix.reshape(-1).tolist(), r=np.eye(3).reshape(-1).tolist(),
        p=np.hstack([matrix, np.zeros((3, 1))]).reshape(-1).tolist(),
    )


def label_info(stamp: int, frame_id: str, labels: LabelSet) -> LabelInfo:
    """Return the class list; threshold 0: masks are not thresholded."""
    classes = [VisionClass(class_id=i, class_name=name) for i, name in enumerate(labels.names)]
    return LabelInfo(header=header(stamp, frame_id), class_map=classes, threshold=0.0)


def label_names(message: LabelInfo) -> dict[int, str]:
    """Return id -> class name."""
    return {int(item.class_id): str(item.class_name) for item in message.class_map}


def entity_scores(stamp: int, frame_id: str, scores: Mapping[str, float]) -> EntityScores:
    """Return entity -> score 0..1 as a message."""
    return EntityScores(
        header=header(stamp, frame_id), names=list(scores), scores=array('f', scores.values())
    )


def entities(message: EntityScores) -> dict[str, float]:
    """Return entity -> score 0..1.

    Raises:
        InputError: names and scores differ in length.
    """
    if len(message.names) != len(message.scores):
        raise InputError(
            f'{len(message.names)} names and {len(message.scores)} scores', accepted='as many'
        )
    return dict(zip(message.names, map(float, message.scores), strict=True))


def status(stamp: int, frame_id: str, health: Health) -> FusionStatus:
    """Return a health snapshot as a message; ``stamp`` and ``frame_id`` of the newest output."""
    skew, score = health.skew_ms, health.registration_score
    latency = health.latency_ms.values()
    return FusionStatus(
        header=header(stamp, frame_id), mode=MODES.index(health.mode), reason=health.reason,
        thermal_rate_hz=float(health.rate_hz['thermal']), rgb_rate_hz=float(health.rate_hz['rgb']),
        pairs=health.pairs, partials=health.partials,
        skew_p50_ms=skew.p50 if skew else float('nan'),
        skew_p95_ms=skew.p95 if skew else float('nan'),
        drop_causes=list(health.drops), drop_counts=array('Q', health.drops.values()),
        latency_stages=list(health.latency_ms),
        latency_p50_ms=array('f', [stage.p50 for stage in latency]),
        latency_p95_ms=array('f', [stage.p95 for stage in latency]),
        latency_p99_ms=array('f', [stage.p99 for stage in latency]),
        registration_score=float('nan') if score is None else score,
    )


def _raw(message: Any) -> dict[str, Any]:
    names = ('height', 'width', 'encoding', 'is_bigendian', 'step')
    return {**{n: getattr(message, n) for n in names}, 'data': read_bytes(message.data)}
