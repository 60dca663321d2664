"""Kalibr camchain YAML: intrinsics of a chain of cameras and the transforms between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vif_perception.errors import InputError
from vif_perception.schema import read_text
from vif_perception.sensing.camera_info import camera_model, require_rigid
from vif_perception.types import CameraModel
from vif_perception.yaml_text import brief, parse_yaml

_THERMAL_WORDS = (
    'thermal', 'boson', 'lepton', 'lwir', 'flir', 'infrared', 'optris', 'tau2', 'seek', 'temp',
)


@dataclass(frozen=True)
class Camchain:
    """Cameras of one camchain file.

    Attributes:
        cameras: models in the order cam0, cam1, ...
        topics: their ROS topics ('' when the file names none).
        from_first: 4x4 T_cn_c0 for each camera, X_cn = T X_c0, metres; identity for cam0.
        where: the file, for error texts.
    """

    cameras: tuple[CameraModel, ...]
    topics: tuple[str, ...]
    from_first: tuple[np.ndarray, ...]
    where: str

    def transform(self, to: int, source: int) -> np.ndarray:
        """Return 4x4 T with X_cam[to] = T X_cam[source], metres."""
        return self.from_first[to] @ np.linalg.inv(self.from_first[source])

    def which(
        self, rgb_size: tuple[int, int], thermal_size: tuple[int, int]
    ) -> tuple[int, int]:
        """Return the indices (rgb, thermal), told by the topic names, else by the sizes.

        Raises:
            InputError: neither tells which camera is which.
        """
        words = [any(word in topic.lower() for word in _THERMAL_WORDS) for topic in self.topics]
        sizes = [camera.size for camera in self.cameras]
        for is_thermal, is_rgb in (
            (words, [not word for word in words]),
            ([size == thermal_size for size in sizes], [size == rgb_size for size in sizes]),
        ):
            if sum(is_thermal) == 1 and sum(is_rgb) == 1 and is_thermal != is_rgb:
                return is_rgb.index(True), is_thermal.index(True)
        found = ', '.join(
            f'cam{index} {topic or "without topic"} {size[0]}x{size[1]}'
            for index, (topic, size) in enumerate(zip(self.topics, sizes, strict=True))
        )
        raise InputError(
            f'cannot tell the RGB from the thermal camera: {found}', where=self.where,
            accepted='one camera whose rostopic says what it is, e.g. /thermal/image_raw, and '
            'one other; or one camera of each image size',
            remedy='correct the rostopic entries, remove further cameras',
        )

    def rig(
        self, rgb_size: tuple[int, int], thermal_size: tuple[int, int]
    ) -> tuple[CameraModel, CameraModel, np.ndarray]:
        """Return (rgb model, thermal model, T_rgb_thermal with X_rgb = T X_thermal)."""
        rgb, thermal = self.which(rgb_size, thermal_size)
        return self.cameras[rgb], self.cameras[thermal], self.transform(rgb, thermal)


def read_camchain(path: str) -> Camchain | None:
    """Read ``registration.camchain``; None when it is not set.

    Raises:
        InputError: unreadable, or not a camchain.
    """
    if not path:
        return None
    try:
        text = read_text(Path(path))
    except InputError as error:
        raise InputError(
            error.what, where=path, accepted='a Kalibr camchain YAML',
            remedy='correct registration.camchain',
        ) from None
    return parse_camchain(text, path)


def parse_camchain(text: str, where: str) -> Camchain:
    """Read the text of a Kalibr camchain file.

    Args:
        text: YAML with cam0, cam1, ...; T_cn_cnm1 takes points of the camera before to this one.
        where: file name, for error texts.

    Raises:
        InputError: not YAML, fewer than two cameras, missing or wrong entries, a projection
            other than pinhole or a distortion other than radtan or none.
    """
    document = parse_yaml(text, where)
    chain = document if isinstance(document, Mapping) else {}
    names = [f'cam{index}' for index in range(len(chain)) if f'cam{index}' in chain]
    if len(names) < 2 or names != [f'cam{index}' for index in range(len(names))]:
        raise InputError(
            f'has the cameras {names}', where=where, accepted='cam0, cam1, ... of a camchain',
            remedy='give the camchain file that Kalibr wrote for both cameras together',
        )
    entries = [_Entry(chain[name], f'{where}: {name}') for name in names]
    poses = [np.eye(4)]
    for entry in entries[1:]:
        poses.append(entry.transform() @ poses[-1])
    return Camchain(
        tuple(entry.camera() for entry in entries), tuple(entry.topic() for entry in entries),
        tuple(poses), where,
    )


class _Entry:
    """The mapping of one camera in the file."""

    def __init__(self, fields: Any, where: str):
        if not isinstance(fields, Mapping):
            raise InputError(f'is a {type(fields).__name__}', where=where, accepted='a mapping')
        self._fields = fields
        self._where = where

    def camera(self) -> CameraModel:
        if self._fields.get('camera_model') != 'pinhole':
            raise InputError(
                f'camera_model is {self._fields.get("camera_model")!r}', where=self._where,
                accepted='pinhole', remedy='calibrate with the model pinhole-radtan',
            )
        model = str(self._fields.get('distortion_model'))
        if model not in ('radtan', 'none'):
            raise InputError(
                f'distortion_model is {model!r}', where=self._where, accepted='radtan, none',
                remedy='calibrate with the model pinhole-radtan',
            )
        fx, fy, cx, cy = self._numbers('intrinsics', (4,))
        width, height = self._numbers('resolution', (2,))
        d = self._numbers('distortion_coeffs', (4,)) if model == 'radtan' else ()
        return camera_model(
            width=int(width), height=int(height), k=(fx, 0, cx, 0, fy, cy, 0, 0, 1), d=d,
            distortion_model=model, frame_id='', where=self._where,
        )

    def topic(self) -> str:
        return str(self._fields.get('rostopic') or '')

    def transform(self) -> np.ndarray:
        matrix = self._numbers('T_cn_cnm1', (4, 4))
        require_rigid(matrix, f'{self._where}: T_cn_cnm1')
        return matrix

    def _numbers(self, key: str, shape: tuple[int, ...]) -> np.ndarray:
        try:
            numbers = np.array(self._fields.get(key), dtype=np.float64)
        except (TypeError, ValueError):
            numbers = np.array(())
        if numbers.shape != shape or not np.isfinite(numbers).all():
            raise InputError(
                f'{key} is {brief(self._fields.get(key))}', where=self._where,
                accepted=' x '.join(map(str, shape)) + ' numbers',
            )
        return numbers
