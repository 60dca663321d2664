"""The camera pictures behind one output, both in the geometry of the reference camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vif_perception.types import Calibration


@dataclass(frozen=True)
class View:
    """What the engine was given for one output; an absent camera is None.

    Attributes:
        rgb: h x w x 3 uint8; bgr tells the order of its channels.
        thermal: h x w uint8, uint16 or float32.
        window: thermal values shown as black and white.
        calibration: geometry of the output.
    """

    rgb: np.ndarray | None
    thermal: np.ndarray | None
    bgr: bool
    window: tuple[float, float]
    calibration: Calibration

    def rgb_picture(self) -> np.ndarray:
        """Return the visible picture, HxWx3 uint8 rgb8."""
        assert self.rgb is not None
        picture = self.rgb[..., ::-1] if self.bgr else self.rgb
        moves = self.calibration.reference == 'thermal'
        return _warp(picture, self.calibration.grid if moves else None)

    def thermal_picture(self) -> np.ndarray:
        """Return the thermal picture through the window that the network saw, HxW uint8."""
        assert self.thermal is not None
        low, high = self.window
        scaled = (self.thermal.astype(np.float32) - low) * (255 / max(high - low, 1e-6))
        picture = np.rint(np.clip(np.nan_to_num(scaled), 0, 255)).astype(np.uint8)
        moves = self.calibration.reference == 'rgb'
        return _warp(picture, self.calibration.grid if moves else None)


class EngineTap:
    """An engine that remembers what it was given last; obeys the Engine protocol.

    Attributes:
        last: what the engine was given last.
        error: what it raised; the pipeline survives that, a replay ends with it.
    """

    def __init__(self, engine: Any):
        self._engine = engine
        self.labels = engine.labels
        self.entity_names = engine.entity_names
        self.weights = engine.weights
        self.description = engine.description
        self.last: View | None = None
        self.error: Exception | None = None

    def run(
        self, rgb: np.ndarray | None, thermal: np.ndarray | None, *, bgr: bool,
        window: tuple[float, float], calibration: Calibration,
    ) -> Any:
        """Pass everything on, also what the engine raises."""
        self.last = View(rgb, thermal, bgr, window, calibration)
        try:
            return self._engine.run(
                rgb, thermal, bgr=bgr, window=window, calibration=calibration
            )
        except Exception as error:
            self.error = error
            raise


def _warp(picture: np.ndarray, grid: np.ndarray | None) -> np.ndarray:
    """Sample bilinearly at a grid as in Calibration; black where it leaves the picture."""
    if grid is None:
        return np.ascontiguousarray(picture)
    height, width = picture.shape[:2]
    x, y = np.clip(grid[..., 0], 0, width - 1), np.clip(grid[..., 1], 0, height - 1)
    inside = np.asarray((x == grid[..., 0]) & (y == grid[..., 1]))
    left, top = x.astype(np.intp), y.astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = x - left, y - top
    if picture.ndim == 3:
        across, down, inside = across[..., None], down[..., None], inside[..., None]
    upper = picture[top, left] * (1 - across) + picture[top, right] * across
    lower = picture[bottom, left] * (1 - across) + picture[bottom, right] * across
    return np.rint((upper * (1 - down) + lower * down) * inside).astype(np.uint8)
