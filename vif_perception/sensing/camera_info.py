"""Camera models from the numbers of a camera_info, checked once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vif_perception.errors import InputError
from vif_perception.types import CameraModel

# distortion_model -> accepted counts of coefficients
_MODELS = {
    'plumb_bob': (0, 4, 5),
    'radtan': (0, 4, 5),  # Kalibr's name
    'rational_polynomial': (8, 12, 14),
    '': (0, 4, 5),
    'none': (0, 4, 5),
}
_RECALIBRATE = (
    'calibrate the camera (camera_calibration or Kalibr) and give its driver the result, or use '
    'registration.source identity for aligned images or homography'
)


def camera_model(
    *, width: int, height: int, k: Sequence[float] | np.ndarray,
    d: Sequence[float] | np.ndarray, distortion_model: str, frame_id: str, where: str,
) -> CameraModel:
    """Return the model of a sensor_msgs/CameraInfo (same field names and meanings).

    Args:
        width: px.
        height: px.
        k: 9 numbers, row-major K, px.
        d: distortion coefficients, in the order of the message; may be empty.
        distortion_model: plumb_bob, radtan, rational_polynomial, '' or none.
        frame_id: optical frame.
        where: topic or file, for the error text.

    Raises:
        InputError: K = 0 (not calibrated), a K that is no camera matrix, a distortion model
            that is not supported (fisheye), a wrong number of coefficients.
    """
    if width <= 0 or height <= 0:
        raise InputError(
            f'camera_info size is {width}x{height}', where=where, accepted='at least 1x1 px',
            remedy=_RECALIBRATE,
        )
    return CameraModel(
        (int(width), int(height)), _matrix(np.asarray(k, dtype=np.float64), where),
        _distortion(np.asarray(d, dtype=np.float64).ravel(), distortion_model, where), frame_id,
    )


def require_rigid(matrix: np.ndarray, where: str) -> None:
    """Refuse a 4x4 matrix that is not a rotation and a translation of at most 10 m."""
    rotation = matrix[:3, :3]
    if not (
        np.isfinite(matrix).all()
        and np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3)
        and np.linalg.det(rotation) > 0
        and np.allclose(matrix[3], (0, 0, 0, 1))
    ):
        raise InputError(
            'not a rigid transform', where=where,
            accepted='row-major 4x4 with a rotation, a translation in metres and last row 0 0 0 1',
        )
    distance = float(np.linalg.norm(matrix[:3, 3]))
    if distance > 10:
        raise InputError(
            f'the cameras would be {distance:g} m apart', where=where, accepted='at most 10 m',
            remedy='give the translation in metres, not millimetres',
        )


def _matrix(k: np.ndarray, where: str) -> np.ndarray:
    if k.size != 9:
        raise InputError(f'K has {k.size} numbers', where=where, accepted='9')
    matrix = k.reshape(3, 3)
    if not matrix.any():
        raise InputError(
            'K is all zero: the camera is not calibrated', where=where,
            accepted='fx, fy > 0 px', remedy=_RECALIBRATE,
        )
    fixed = (matrix[1, 0], matrix[2, 0], matrix[2, 1], matrix[2, 2])
    if not (
        np.isfinite(matrix).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0
        and fixed == (0, 0, 0, 1)
    ):
        raise InputError(
            f'K is not a camera matrix: {matrix.tolist()}', where=where,
            accepted='[fx s cx; 0 fy cy; 0 0 1] with fx, fy > 0 px', remedy=_RECALIBRATE,
        )
    return matrix.copy()


def _distortion(d: np.ndarray, model: str, where: str) -> np.ndarray:
    counts = _MODELS.get(model)
    if counts is None:
        raise InputError(
            f'distortion model is {model!r}', where=where,
            accepted='plumb_bob, rational_polynomial, none',
            remedy='rectify the images first (image_proc for this camera) and use the rectified '
            'topics with distortion 0',
        )
    if not np.isfinite(d).all():
        raise InputError(f'distortion is {d.tolist()}', where=where, accepted='finite numbers')
    if d.size not in counts and d.any():
        raise InputError(
            f'{d.size} distortion coefficients for model {model!r}', where=where,
            accepted=' or '.join(map(str, counts)), remedy='correct the camera_info',
        )
    if d[8:].any():
        raise InputError(
            'thin-prism or tilted-sensor coefficients are not supported', where=where,
            accepted='k1 k2 p1 p2 k3 k4 k5 k6', remedy='calibrate with 5 or 8 coefficients',
        )
    terms = np.zeros(8 if d.size > 5 else 5)
    count = min(d.size, terms.size)
    terms[:count] = d[:count]
    return terms
