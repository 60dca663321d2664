"""A pinhole camera placed in the rig: pixel rays and point projection, with lens distortion."""

from __future__ import annotations

import numpy as np

from vif_perception.sensing.lens import distort, undistort
from vif_perception.types import CameraModel

WIDEST = 1.5  # tangent of the angle up to which the lens model is trusted


class View:
    """Where a camera sits in the rig and what its pixels look at.

    The rig frame is the RGB camera's optical frame (X right, Y down, Z forward, metres).

    Args:
        model: intrinsics and distortion.
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
        shown = np.stack([(u - k[0, 2]) / k[0, 0], (v - k[1, 2]) / k[1, 1]], axis=-1)
        xy = undistort(shown, self.model.distortion)
        return np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1) @ self.rotation.T

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Project Nx3 points of the rig frame; return Nx2 px and N depths (m, keep them > 0).

        Points far outside the image come out somewhere outside the image.
        """
        local = (points - self.center) @ self.rotation
        depth = local[:, 2]
        xy = local[:, :2] / np.maximum(depth, 0.05)[:, None]
        shrink = np.maximum(np.hypot(xy[:, 0], xy[:, 1]) / WIDEST, 1.0)[:, None]
        xy = distort(xy / shrink, self.model.distortion) * shrink
        k = self.model.matrix
        return xy * (k[0, 0], k[1, 1]) + (k[0, 2], k[1, 2]), depth
