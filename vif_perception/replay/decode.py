"""Messages of a recording as frames, camera models and masks; every refusal names the topic."""

from __future__ import annotations

from typing import Any

import numpy as np

from vif_perception.errors import InputError
from vif_perception.replay.recording import Message
from vif_perception.sensing import (
    camera_model,
    decode_compressed,
    decode_compressed_mask,
    decode_image,
    decode_mask,
)
from vif_perception.types import Camera, CameraModel, Frame

RAW = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
IMAGES = (RAW, COMPRESSED)


def stamp_of(decoded: Any) -> int:
    """Return the header stamp of a decoded message, ns."""
    stamp = decoded.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def decode_frame(message: Message, camera: Camera, max_pixels: int) -> Frame:
    """Return the image of a message; the pixels of a raw one are a view of its bytes.

    Raises:
        InputError: as ``sensing`` says, or not an image message.
    """
    decoded = message.decode()
    try:
        if message.type == RAW:
            data = decode_image(**_raw(decoded), camera=camera, max_pixels=max_pixels)
            encoding = decoded.encoding
        elif message.type == COMPRESSED:
            data, encoding = decode_compressed(
                format=decoded.format, data=decoded.data, camera=camera,
                max_pixels=max_pixels,
            )
        else:
            raise InputError(f'is a {message.type}', accepted=', '.join(IMAGES))
    except InputError as error:
        raise error.at(message.topic) from None
    return Frame(stamp_of(decoded), decoded.header.frame_id, data, encoding)


def decode_truth(message: Message, max_pixels: int) -> tuple[int, np.ndarray]:
    """Return (stamp ns, HxW uint8 class ids) of a ground-truth message.

    Raises:
        InputError: as ``sensing`` says.
    """
    decoded = message.decode()
    try:
        if message.type == COMPRESSED:
            mask = decode_compressed_mask(data=decoded.data, max_pixels=max_pixels)
        else:
            mask = decode_mask(**_raw(decoded), max_pixels=max_pixels)
    except InputError as error:
        raise error.at(message.topic) from None
    return stamp_of(decoded), mask


def decode_camera_info(message: Message) -> CameraModel:
    """Return the camera model of a CameraInfo of ROS 1 (K, D) or ROS 2 (k, d).

    Raises:
        InputError: K is zero (uncalibrated), unknown distortion model.
    """
    decoded = message.decode()
    return camera_model(
        width=decoded.width, height=decoded.height,
        k=decoded.K if message.ros1 else decoded.k, d=decoded.D if message.ros1 else decoded.d,
        distortion_model=decoded.distortion_model, frame_id=decoded.header.frame_id,
        where=message.topic,
    )


def _raw(decoded: Any) -> dict[str, Any]:
    fields = ('height', 'width', 'encoding', 'is_bigendian', 'step', 'data')
    return {name: getattr(decoded, name) for name in fields}
