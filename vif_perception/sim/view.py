"""A pinhole camera placed in the rig: pixel rays and point projection, with lens distortion."""

from __future__ import annotations

import numpy as np

from vif_perception.types import CameraModel


class View:
    """Where a camera sits in the rig and what its pixels look at.

    The rig frame is the RGB camera's optical frame (X right, Y down, Z forward, metres).

    Args:
        model: intrinsics; distortion k1 k2 p1 p2 k3.
        t_rgb_camera: 4x4, X_rgb = T X_camera.
    """

    def __init__(self, model: CameraModel, t_rgb_camera: np.ndarray):
        self.model = model
        self.size = model.size
        self.rotation = t_rgb_camera[:3, :3]
        self.center = t_rgb_camera[:3, 3]
        self.focal = float(model.matrix[1, 1])

    def rays(self) -> np.ndarray:
        """Return HxWx3 float64 directions in the rig frame, one per pixel centre."""
        width, height = self.size
        k = self.model.matrix
        u, v = np.meshgrid(np.arange(width, dtype=float), np.arange(height, dtype=float))
        target = np.stack([(u - k[0, 2]) / k[0, 0], (v - k[1, 2]) / k[1, 1]], axis=-1)
        xy = target.copy()
        for _ in range(8):  # fixed point iteration, converges fast for mild lenses
            xy = target - (distort(xy, self.model.distortion) - xy)
        return np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1) @ self.rotation.T

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Project Nx3 points of the rig frame; return Nx2 px and N depths (m, keep them > 0)."""
        local = (points - self.center) @ self.rotation
        depth = local[:, 2]
        xy = distort(local[:, :2] / np.maximum(depth, 0.05)[:, None], self.model.distortion)
        k = self.model.matrix
        return xy * (k[0, 0], k[1, 1]) + (k[0, 2], k[1, 2]), depth


def distort(xy: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Apply plumb_bob distortion to ...x2 normalised coordinates (Brown 1971, as in OpenCV)."""
    k1, k2, p1, p2, k3 = (*coefficients, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]
    x, y = xy[..., 0], xy[..., 1]
    r2 = np.minimum(x * x + y * y, 4.0)
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return np.stack([
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    ], axis=-1)
