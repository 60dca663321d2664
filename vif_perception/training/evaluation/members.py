"""One seed of a system: weights as the robot runs them, or two of them one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import nn

from vif_perception.config import InferenceConfig
from vif_perception.errors import InputError
from vif_perception.inference.engine import EngineOutput
from vif_perception.inference.torch_engine import TorchEngine
from vif_perception.inference.weights import Card
from vif_perception.training.objectives import objective_for
from vif_perception.types import Calibration, LabelSet

Inputs = Literal['both', 'early', 'rgb', 'thermal']
#: Thermal pictures are 8 bit here: black and white are the ends of the range.
WINDOW = (0.0, 255.0)


class Network:
    """One network in the deployed form: raw images in, uint8 results out.

    Args:
        network: in eval mode; its layers are folded in place, so that it cannot be saved after.
        card: what it is; path: where it came from.

    Attributes:
        inputs: the cameras it looks at; masks: whether it segments; fuses: whether its fused
            image is more than a copy.
    """

    def __init__(self, network: nn.Module, card: Card, path: Path):
        self.inputs: Inputs = getattr(network.config, 'inputs', 'both')
        self.masks = objective_for(network).selects == 'miou'
        self.fuses = self.inputs in ('both', 'early')
        self.engine = TorchEngine(network, card, InferenceConfig())
        self.path, self._card = path, card

    @property
    def key(self) -> tuple[str, ...]:
        """Equal for equal weights."""
        return (self._card.sha256,)

    @property
    def kind(self) -> tuple[Any, ...]:
        """Equal for networks that differ by nothing but their weights."""
        card = self._card
        return card.network, card.preset, repr(sorted(card.options.items())), card.classes

    @property
    def labels(self) -> LabelSet:
        """Classes of its masks."""
        return self._card.labels

    def run(self, rgb: np.ndarray | None, thermal: np.ndarray | None) -> EngineOutput:
        """Run a pair of HxWx3 and HxW uint8, or one camera when the other is None."""
        image = rgb if rgb is not None else thermal
        assert image is not None
        size = image.shape[1], image.shape[0]
        return self.engine.run(
            rgb, thermal, bgr=False, window=WINDOW,
            calibration=Calibration('rgb', size, size, None),
        )

    def describe(self) -> list[dict[str, Any]]:
        """Return what a result says about its weights."""
        card = self._card
        return [{
            'file': str(self.path), 'name': card.name, 'sha256': card.sha256,
            'network': card.network, 'preset': card.preset, 'options': card.options,
            'temperature': card.temperature, 'engine': self.engine.description,
        }]


class Cascade:
    """Two networks: one fuses, the other segments the fused image in colour, without thermal.

    Raises:
        InputError: the first does not fuse, or the second does not segment an RGB image alone.
    """

    fuses = False  # its fused image is that of its first network, which has a row of its own
    masks = True

    def __init__(self, fuse: Network, segment: Network):
        if not fuse.fuses:
            raise InputError('sees one camera only and cannot fuse', where=str(fuse.path),
                             accepted='a network of both cameras')
        if segment.inputs not in ('both', 'rgb') or not segment.masks:
            raise InputError(
                'cannot segment a fused image', where=str(segment.path),
                accepted='a network that gives masks of RGB images alone',
            )
        self._fuse, self._segment = fuse, segment
        self.inputs = fuse.inputs
        self.engine = fuse.engine
        self.key = (*fuse.key, *segment.key)
        self.kind = (*fuse.kind, *segment.kind)

    @property
    def labels(self) -> LabelSet:
        """Classes of its masks."""
        return self._segment.labels

    def run(self, rgb: np.ndarray | None, thermal: np.ndarray | None) -> EngineOutput:
        """Run as :meth:`Network.run`; the fused image is that of the first network."""
        fused = self._fuse.run(rgb, thermal).fused
        found = self._segment.run(fused, None)
        return EngineOutput(fused, found.mask, found.confidence, found.entities)

    def describe(self) -> list[dict[str, Any]]:
        """Return what a result says about both weights."""
        return [
            {'part': part, **facts}
            for part, network in (('fuse', self._fuse), ('segment', self._segment))
            for facts in network.describe()
        ]


Member = Network | Cascade
