"""Pictures of single things as the camera sees them: where they go, and their pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from vif_perception.sim.body import Body
from vif_perception.sim.sprite import Box, Cells
from vif_perception.sim.view import View


@dataclass(frozen=True)
class Place:
    """Image cells a sprite fills, their size in px, and the part of the sprite that is seen."""

    cells: Cells
    size: tuple[int, int]
    box: Box


def place_sprite(foot: np.ndarray, px_per_m: float, size_m: tuple[float, float],
                 source: tuple[int, int], image: tuple[int, int]) -> Place | None:
    """Find where an upright picture goes; None when it is outside the image.

    Args:
        foot: (x, y) px of the middle of its bottom edge.
        px_per_m: scale at its distance.
        size_m: (width, height) of the picture, m; source: the same in its own px.
        image: (width, height) of the image, px.
    """
    width, height = size_m[0] * px_per_m, size_m[1] * px_per_m
    left, top = foot[0] - width / 2, foot[1] - height
    x0, x1 = max(0, round(left)), min(image[0], round(left + width))
    y0, y1 = max(0, round(top)), min(image[1], round(top + height))
    if x1 <= x0 or y1 <= y0:
        return None
    sx, sy = source[0] / width, source[1] / height
    box = (max(0.0, (x0 - left) * sx), max(0.0, (y0 - top) * sy),
           min(source[0], (x1 - left) * sx), min(source[1], (y1 - top) * sy))
    if box[2] - box[0] < 1e-3 or box[3] - box[1] < 1e-3:
        return None
    return Place((slice(y0, y1), slice(x0, x1)), (x1 - x0, y1 - y0), box)


def draw_body(body: Body, yaw: float, origin: np.ndarray, view: View, palette: np.ndarray
              ) -> tuple[Cells, np.ndarray] | None:
    """Draw a body's visible faces, each in its colour of the palette, with smooth edges.

    Args:
        body: what to draw.
        yaw: heading, rad; 0 is away from the camera.
        origin: its place in the rig frame, m.
        view: the camera.
        palette: Fx4 uint8, premultiplied colour and coverage of each face.

    Returns:
        Image cells and HxWx4 uint8, premultiplied; None when nothing is seen.
    """
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    corners = body.corners @ turn.T + origin
    normals = body.normals @ turn.T
    away = corners.mean(axis=1) - view.center
    points, depth = view.project(corners.reshape(-1, 3))
    points = points.reshape(*corners.shape[:2], 2)
    reach = np.linalg.norm(away, axis=1)
    # Curved faces seen edge on would leave gaps, so those just turned away are drawn too.
    shown = ((away * normals).sum(axis=1) < 0.04 * reach) | ~normals.any(axis=1)
    shown &= depth.reshape(corners.shape[:2]).min(axis=1) > 0.4
    if not shown.any():
        return None
    seen = points[shown]
    low = np.maximum(np.floor(seen.min(axis=(0, 1))).astype(int), 0)
    high = np.minimum(np.ceil(seen.max(axis=(0, 1))).astype(int) + 1, view.size)
    if (high <= low).any():
        return None
    width, height = (high - low).tolist()
    index = Image.new('L', (2 * width, 2 * height))
    draw = ImageDraw.Draw(index)
    outlines = ((points - low) * 2).reshape(len(points), -1).tolist()
    for face in np.lexsort((-reach, body.layer)):
        if shown[face]:
            draw.polygon(outlines[face], fill=int(face) + 1)
    table = np.concatenate([np.zeros((1, 4), np.uint8), palette])
    pixels = np.ascontiguousarray(table).view(np.uint32).reshape(-1).take(np.asarray(index))
    fine = Image.frombuffer('RGBX', index.size, pixels, 'raw', 'RGBX', 0, 1)
    return (slice(low[1], high[1]), slice(low[0], high[0])), np.asarray(fine.reduce(2))


def smear(cells: Cells, tile: np.ndarray, way_px: int, width: int) -> tuple[Cells, np.ndarray]:
    """Blur a premultiplied tile sideways over ``way_px`` pixels, as motion during exposure does.

    Args:
        cells: where the tile goes; tile: HxWxC uint8.
        way_px: length of the blur, at least 2.
        width: of the image; the result is cut to it.
    """
    rows, columns = cells
    side = way_px // 2
    padded = np.pad(tile, ((0, 0), (way_px, way_px), (0, 0)))
    total = np.cumsum(padded, axis=1, dtype=np.uint32)
    mean = (total[:, way_px:] - total[:, :-way_px]) // way_px
    start = columns.start - side
    first, last = max(0, -start), min(mean.shape[1], width - start)
    wide = mean[:, first:last].astype(np.uint8)
    return (rows, slice(start + first, start + last)), wide
