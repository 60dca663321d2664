"""Solid things made of polygons: the builder and the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Corner = tuple[float, float, float]
Color = tuple[float, ...] | np.ndarray


@dataclass(frozen=True)
class Body:
    """Polygons of one thing, metres, origin on the ground in its middle.

    X right, Y down, Z forward (the driving direction).

    Attributes:
        corners: FxKx3, K corners per face (faces with fewer repeat their last corner).
        normals: Fx3, pointing outwards; zero for faces that are seen from both sides.
        layer: F, faces of a higher layer are drawn over those of lower ones.
        color: Fx3, sqrt reflectance 0..255, already shaded by the face's tilt.
        alpha: F, coverage 0..1; shadows cover less than a half.
        heat: F, K above air with the engine running; rest: F, the same when parked.
        glow: Fx3, sqrt light of its lamps when lit, 0..255.
        label: class id.
        size_m: (width, height, length).
    """

    corners: np.ndarray
    normals: np.ndarray
    layer: np.ndarray
    color: np.ndarray
    alpha: np.ndarray
    heat: np.ndarray
    rest: np.ndarray
    glow: np.ndarray
    label: int
    size_m: tuple[float, float, float]


class BodyBuilder:
    """Collects faces."""

    def __init__(self) -> None:
        self._rows: list[tuple] = []

    def face(self, corners: Sequence[Corner], color: Color, heat: float, rest: float = 1.0, *,
             outward: Corner = (0, 0, 0), layer: int = 0, glow: Color = (0, 0, 0),
             alpha: float = 1.0, shine: float = 0.0) -> None:
        """Add a face.

        Args:
            corners: in order around the face.
            color: sqrt reflectance 0..255 before shading.
            heat, rest: K above air, driving and parked.
            outward: roughly where the outside is; zero: seen from both sides and not shaded.
            layer, glow, alpha: as in Body.
            shine: how much sky a tilted face mirrors, 0..1.
        """
        points = np.array(corners, float)
        normal = np.zeros(3)
        shade, mirrored = 1.0, 0.0
        if any(outward):
            normal = np.cross(points[1] - points[0], points[2] - points[0])
            normal /= np.linalg.norm(normal) + 1e-9
            if normal @ np.array(outward) < 0:
                normal = -normal
            up = -normal[1]
            shade = 0.66 + 0.22 * up + 0.14 * max(0.0, -normal[0] * 0.7 - normal[2] * 0.5)
            mirrored = shine * 130 * max(0.0, up + 0.15) ** 1.5
        final = np.clip(np.array(color, np.float32) * np.float32(shade) + mirrored, 0, 255)
        self._rows.append((points, normal, layer, final, alpha, heat, rest, glow))

    def body(self, label: int, size_m: tuple[float, float, float]) -> Body:
        """Return the finished body."""
        most = max(len(row[0]) for row in self._rows)
        corners = np.array([
            np.concatenate([row[0], np.repeat(row[0][-1:], most - len(row[0]), axis=0)])
            for row in self._rows])
        normals, layer, color, alpha, heat, rest, glow = (
            np.array([row[i] for row in self._rows], np.float32) for i in range(1, 8))
        return Body(corners, normals, layer, color, alpha, heat, rest, glow, label, size_m)
