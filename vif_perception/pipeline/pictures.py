"""Pictures for people who look at a running robot; all in the geometry of the output."""

from __future__ import annotations

import numpy as np

from vif_perception.errors import InputError
from vif_perception.pipeline.view import View
from vif_perception.sensing import to_kelvin
from vif_perception.types import LabelSet, Perception


def overlay(result: Perception, labels: LabelSet) -> np.ndarray:
    """Return the fused picture with the classes over it, HxWx3 uint8 rgb8."""
    colors = np.zeros((256, 3), np.uint8)
    colors[: len(labels)] = labels.colors
    mixed = (result.fused >> 1) + (colors[result.mask] >> 1)
    seen = (result.mask != labels.unlabeled) & (result.mask < len(labels))
    return np.where(seen[..., None], mixed, result.fused)


def registration(view: View) -> np.ndarray | None:
    """Return thermal as red over RGB brightness as cyan, HxWx3 uint8; None with one camera.

    Aligned edges are grey or of one colour, shifted ones have red and cyan seams.
    """
    if view.rgb is None or view.thermal is None:
        return None
    picture = view.rgb_picture().astype(np.uint16)
    luma = ((picture[..., 0] + 2 * picture[..., 1] + picture[..., 2]) >> 2).astype(np.uint8)
    return np.stack((view.thermal_picture(), luma, luma), axis=2)


def kelvin(view: View, profile: str) -> np.ndarray | None:
    """Return temperatures, HxW float32 K, NaN where the thermal camera does not look.

    None without a thermal image, and when its values have no temperature unit.
    """
    if view.thermal is None:
        return None
    try:
        image = to_kelvin(profile, view.thermal)
    except InputError:
        return None
    grid = view.calibration.grid
    if grid is None or view.calibration.reference == 'thermal':
        return image
    height, width = image.shape
    column, row = np.rint(grid[..., 0]), np.rint(grid[..., 1])
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    placed = np.full(grid.shape[:2], np.nan, np.float32)
    placed[inside] = image[row[inside].astype(np.intp), column[inside].astype(np.intp)]
    return placed
