"""The camera pictures behind one output, both in the geometry of the reference camera."""

from __future__ import annotations

from collections.abc import Callable
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

    def thermal_values(self, stored: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return the thermal values themselves, HxW, 0 where the camera sees nothing.

        Args:
            stored: makes uint8 or uint16 of what came from the camera.
        """
        assert self.thermal is not None
        moves = self.calibration.reference == 'rgb'
        return _warp(stored(self.thermal), self.calibration.grid if moves else None)


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
    """Sample uint8 or uint16 bilinearly at a grid as in Calibration; 0 where it leaves it."""
    if grid is None:
        return np.ascontiguousarray(picture)
    import torch

    height, width = picture.shape[:2]
    span = np.array([max(width - 1, 1), max(height - 1, 1)], np.float32)
    unit = torch.from_numpy(grid * (2 / span) - 1)
    planes = torch.from_numpy(np.atleast_3d(picture).transpose(2, 0, 1).astype(np.float32))
    warped = torch.nn.functional.grid_sample(
        planes[None], unit[None], mode='bilinear', padding_mode='border', align_corners=True
    )[0]
    warped *= (unit.abs() <= 1).all(-1)
    pixels = warped.round_().permute(1, 2, 0).numpy().astype(picture.dtype)
    return np.ascontiguousarray(pixels.reshape(*grid.shape[:2], *picture.shape[2:]))
