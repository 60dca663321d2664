"""The pose of one camera in the frame of another, from a tree of static transforms (REP 105)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from vif_perception.errors import InputError


def rigid(translation: Sequence[float], quaternion: Sequence[float], where: str) -> np.ndarray:
    """Return the 4x4 of a geometry_msgs/Transform, X_parent = T X_child.

    Args:
        translation: x y z, metres.
        quaternion: x y z w; normalised here.
        where: what it belongs to, for the message.

    Raises:
        InputError: numbers that are no pose.
    """
    x, y, z, w = (float(part) for part in quaternion)
    length = float(np.sqrt(x * x + y * y + z * z + w * w))
    if not (np.isfinite((*translation, length)).all() and abs(length - 1) < 0.01):
        raise InputError(
            f'translation {tuple(translation)}, quaternion {(x, y, z, w)}', where=where,
            accepted='finite metres and a quaternion x y z w of length 1',
        )
    x, y, z, w = x / length, y / length, z / length, w / length
    transform = np.eye(4)
    transform[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    transform[:3, 3] = translation
    return transform


def quaternion(rotation: np.ndarray) -> tuple[float, float, float, float]:
    """Return x y z w, w >= 0, of a 3x3 rotation; the inverse of what ``rigid`` does.

    Source: Bar-Itzhack, "New method for extracting the quaternion from a rotation matrix", 2000.
    """
    (a, b, c), (d, e, f), (g, h, i) = rotation
    symmetric = np.array([
        [a - e - i, b + d, c + g, h - f],
        [b + d, e - a - i, f + h, c - g],
        [c + g, f + h, i - a - e, d - b],
        [h - f, c - g, d - b, a + e + i],
    ])
    largest = np.linalg.eigh(symmetric)[1][:, -1]
    x, y, z, w = (float(part) for part in largest * (np.sign(largest[3]) or 1))
    return x, y, z, w


def find_transform(
    tree: Mapping[tuple[str, str], np.ndarray], target: str, source: str
) -> np.ndarray | None:
    """Return T with X_target = T X_source, None when the frames are not connected.

    Args:
        tree: (parent, child) -> 4x4, X_parent = T X_child.
        target, source: names of frames.
    """
    steps: dict[str, list[tuple[str, np.ndarray]]] = {}
    for (parent, child), transform in tree.items():
        steps.setdefault(parent, []).append((child, transform))
        steps.setdefault(child, []).append((parent, np.linalg.inv(transform)))
    reached = {target: np.eye(4)}
    queue = deque([target])
    while queue and source not in reached:
        frame = queue.popleft()
        for beyond, transform in steps.get(frame, ()):
            if beyond not in reached:
                reached[beyond] = reached[frame] @ transform
                queue.append(beyond)
    return reached.get(source)
