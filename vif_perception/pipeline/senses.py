"""Everything in the pipeline that remembers earlier frames."""

from __future__ import annotations

from vif_perception.config import Config
from vif_perception.pipeline.geometry import Geometry
from vif_perception.pipeline.modes import MISSING
from vif_perception.sensing import Camchain, FrameWatch, ThermalWindow
from vif_perception.types import Camera, FramePair


class Senses:
    """Watches, gain and geometry; used by the worker only, replaced as a whole by a reset."""

    def __init__(self, config: Config, camchain: Camchain | None) -> None:
        self._rgb = FrameWatch('rgb', config.fallback)
        self._thermal = FrameWatch('thermal', config.fallback)
        self.window = ThermalWindow(config.thermal)
        self.geometry = Geometry(config.registration, config.reference, camchain)

    def check(self, pair: FramePair) -> dict[Camera, str]:
        """Return camera -> '' when its frame is usable, else what is wrong with it."""
        self.geometry.see(pair)
        return {
            'rgb': self._rgb.check(pair.rgb) if pair.rgb else MISSING,
            'thermal': self._thermal.check(pair.thermal) if pair.thermal else MISSING,
        }
