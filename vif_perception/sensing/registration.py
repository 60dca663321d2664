"""Where each pixel of the reference camera lies in the other camera's image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vif_perception.config import RegistrationConfig
from vif_perception.errors import InputError
from vif_perception.sensing.camchain import Camchain
from vif_perception.sensing.camera_info import camera_model, require_rigid
from vif_perception.sensing.lens import distort, undistort
from vif_perception.types import Calibration, Camera, CameraModel

__all__ = ['NOWHERE', 'calibrate', 'camera_model', 'plane_grid', 'registration_given']

# Position of pixels that see nothing: far outside any image, and finite (a sampler given NaN
# may read anything).
NOWHERE = -1.0e6
# Sizes and camera matrices of aligned images differ by less than this part of the image.
_ALIKE = 0.01

Size = tuple[int, int]


def calibrate(
    config: RegistrationConfig,
    reference: Camera,
    rgb_size: Size,
    thermal_size: Size,
    rgb_camera: CameraModel | None,
    thermal_camera: CameraModel | None,
    camchain: Camchain | None = None,
) -> Calibration:
    """Build the sampling grid for images of these sizes.

    Args:
        config: what to use. ``auto`` takes what is given, in the order t_rgb_thermal (with both
            camera models), camchain, homography; with none of them the images count as aligned
            and are only scaled to each other.
        reference: the camera whose pixel grid the result has.
        rgb_size: (width, height) of the RGB images, px.
        thermal_size: (width, height) of the thermal images, px.
        rgb_camera: model from camera_info, None when there is none.
        thermal_camera: model from camera_info, None when there is none.
        camchain: parsed content of config.camchain, needed when that is used.

    Raises:
        InputError: a camera model is missing or of another size than the images, a matrix is not
            what it should be, or the warp shows nothing of the other camera.
    """
    sizes: dict[Camera, Size] = {'rgb': rgb_size, 'thermal': thermal_size}
    other: Camera = 'thermal' if reference == 'rgb' else 'rgb'
    size, other_size = sizes[reference], sizes[other]
    source = config.source if config.source != 'auto' else registration_given(config)
    if source == 'identity':
        asked = config.source == 'identity'
        doubt = '' if asked else _doubt(rgb_size, thermal_size, rgb_camera, thermal_camera)
        return _aligned(reference, size, other_size, doubt)
    if source == 'homography':
        grid = _homography_grid(config.homography, reference, size)
    else:
        rgb, thermal, t_rgb_thermal = _rig(
            config, source, rgb_size, thermal_size, rgb_camera, thermal_camera, camchain
        )
        if reference == 'rgb':
            grid = plane_grid(rgb, thermal, np.linalg.inv(t_rgb_thermal), config.plane_distance_m)
        else:
            grid = plane_grid(thermal, rgb, t_rgb_thermal, config.plane_distance_m)
        source = f'{source}, plane at {config.plane_distance_m:g} m'
    _require_overlap(grid, other_size, source)
    return Calibration(reference, size, other_size, grid, source)


def plane_grid(
    reference: CameraModel, other: CameraModel, t_other_reference: np.ndarray, distance_m: float
) -> np.ndarray:
    """Return the HxWx2 float32 positions in the other image of the points of a plane.

    The plane is Z = distance_m of the reference camera, at right angles to its optical axis.
    Each pixel is undistorted to a ray, followed to the plane, moved by the transform and
    distorted into the other image.

    Args:
        reference: camera of the grid, HxW.
        other: camera the positions are in.
        t_other_reference: 4x4, X_other = T X_reference, metres.
        distance_m: of the plane, metres.
    """
    width, height = reference.size
    pixels = _pixels(width, height)
    rays = undistort(_apply(np.linalg.inv(reference.matrix), pixels), reference.distortion)
    points = np.concatenate((rays, np.ones((height, width, 1))), axis=2) * distance_m
    points = points @ t_other_reference[:3, :3].T + t_other_reference[:3, 3]
    depth = points[..., 2:]
    with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
        ideal = np.where(depth > 1e-6, points[..., :2] / depth, np.nan)
        return _grid(_apply(other.matrix, distort(ideal, other.distortion)))


def registration_given(config: RegistrationConfig) -> str:
    """Return the source that ``auto`` takes: 'identity' when nothing was given."""
    if config.t_rgb_thermal:
        return 'camera_info'
    if config.camchain:
        return 'camchain'
    return 'homography' if config.homography else 'identity'


def _doubt(
    rgb_size: Size, thermal_size: Size, rgb: CameraModel | None, thermal: CameraModel | None
) -> str:
    """Say why images that nobody has registered are probably not aligned; '' when nothing tells.

    Aligned images have the same proportions, and the same camera matrix in parts of their size.
    """
    proportions = rgb_size[0] / rgb_size[1], thermal_size[0] / thermal_size[1]
    if abs(proportions[0] / proportions[1] - 1) > _ALIKE:
        return 'the images have different proportions'
    if rgb is None or thermal is None:
        return ''
    first, second = (
        np.array([m.matrix[0, 0], m.matrix[1, 1], m.matrix[0, 2] + 0.5, m.matrix[1, 2] + 0.5])
        / np.array(m.size * 2) for m in (rgb, thermal)
    )
    if np.abs(first - second).max() > _ALIKE:
        return 'the camera matrices in camera_info differ'
    return ''


def _aligned(reference: Camera, size: Size, other_size: Size, doubt: str) -> Calibration:
    if size == other_size:
        return Calibration(reference, size, other_size, None, 'identity', doubt)
    scale = np.divide(other_size, size)
    grid = (_pixels(*size) + 0.5) * scale - 0.5  # pixel centres lie at integers
    source = f'identity, {other_size[0]}x{other_size[1]} scaled to {size[0]}x{size[1]}'
    return Calibration(reference, size, other_size, grid.astype(np.float32), source, doubt)


def _homography_grid(numbers: Sequence[float], reference: Camera, size: Size) -> np.ndarray:
    matrix: np.ndarray = np.array(numbers, dtype=np.float64).reshape(3, 3)
    if not np.linalg.cond(matrix) < 1e12:
        raise InputError(
            'homography is singular', where='registration.homography',
            accepted='an invertible 3x3 H with [u v 1]_thermal ~ H [u v 1]_rgb',
        )
    if reference == 'thermal':
        matrix = np.linalg.inv(matrix)
    middle = matrix[2] @ ((size[0] - 1) / 2, (size[1] - 1) / 2, 1)
    matrix = matrix * (np.sign(middle) or 1)  # H and -H are the same map; w > 0 is in front
    with np.errstate(divide='ignore', invalid='ignore'):
        return _grid(_apply(matrix, _pixels(*size)))


def _rig(
    config: RegistrationConfig, source: str, rgb_size: Size, thermal_size: Size,
    rgb: CameraModel | None, thermal: CameraModel | None, camchain: Camchain | None,
) -> tuple[CameraModel, CameraModel, np.ndarray]:
    """Return both camera models, checked against the images, and T_rgb_thermal."""
    t_rgb_thermal: np.ndarray
    if source == 'camchain':
        if camchain is None:
            raise InputError(
                'camchain file was not read', where='registration.camchain',
                accepted='its content, parsed by parse_camchain',
            )
        rgb, thermal, t_rgb_thermal = camchain.rig(rgb_size, thermal_size)
    else:
        t_rgb_thermal = np.asarray(config.t_rgb_thermal, dtype=np.float64).reshape(4, 4)
        require_rigid(t_rgb_thermal, 'registration.t_rgb_thermal')
    for name, model, size in (('rgb', rgb, rgb_size), ('thermal', thermal, thermal_size)):
        if model is None:
            raise InputError(
                f'no usable camera_info of the {name} camera', where='registration',
                accepted='camera_info of both cameras when t_rgb_thermal is given',
                remedy='publish a calibrated camera_info, or give a homography or a camchain',
            )
        if model.size != size:
            raise InputError(
                f'calibration of the {name} camera is for {model.size[0]}x{model.size[1]}, '
                f'images are {size[0]}x{size[1]}', where='registration', accepted='equal sizes',
                remedy='calibrate at the size the camera publishes (cropping, padding and '
                'binning change the camera matrix in different ways), or set registration.source '
                'to identity when the images are aligned',
            )
    assert rgb is not None
    assert thermal is not None
    return rgb, thermal, t_rgb_thermal


def _require_overlap(grid: np.ndarray, other_size: Size, source: str) -> None:
    inside = ((grid > -0.5) & (grid < np.array(other_size) - 0.5)).all(axis=2)
    if not inside.any():
        raise InputError(
            f'{source}: no pixel of the reference camera falls into the other image',
            where='registration', accepted='overlapping views',
            remedy='check the direction of the matrix (X_rgb = T X_thermal; '
            '[u v 1]_thermal ~ H [u v 1]_rgb) and its units (metres, px)',
        )


def _pixels(width: int, height: int) -> np.ndarray:
    """Return HxWx2 float64: (u, v) of every pixel."""
    u, v = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    return np.stack((u, v), axis=2)


def _apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map ...x2 points by a 3x3 projective matrix; NaN behind its horizon (w <= 0)."""
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    weight = mapped[..., 2:]
    return np.where(weight > 0, mapped[..., :2] / weight, np.nan)


def _grid(positions: np.ndarray) -> np.ndarray:
    seen = (np.abs(positions) < -NOWHERE).all(axis=2, keepdims=True)
    return np.where(seen, positions, NOWHERE).astype(np.float32)
