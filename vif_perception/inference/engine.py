"""What the pipeline asks of an inference backend, and the choice of one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import nn

from vif_perception.config import Config, ModelConfig
from vif_perception.errors import InputError
from vif_perception.inference.weights import Card, load_network
from vif_perception.models.egmt.entities import pin_entities
from vif_perception.models.registry import find
from vif_perception.resources import weights_file
from vif_perception.types import Calibration, LabelSet


@dataclass(frozen=True)
class EngineOutput:
    """Result of one run, in reference geometry.

    Attributes:
        fused: HxWx3 uint8 rgb8.
        mask: HxW uint8 class ids.
        confidence: HxW uint8, round(255 * max softmax).
        entities: K float32 scores 0..1, in the order of ``entity_names``.
    """

    fused: np.ndarray
    mask: np.ndarray
    confidence: np.ndarray
    entities: np.ndarray


@dataclass(frozen=True)
class WeightsInfo:
    """Which weights run: name and sha256 of the file."""

    name: str
    sha256: str


class Engine(Protocol):
    """One loaded network, ready to run. Not thread-safe: one worker owns it."""

    labels: LabelSet
    entity_names: tuple[str, ...]
    weights: WeightsInfo
    description: str

    def run(
        self, rgb: np.ndarray | None, thermal: np.ndarray | None, *, bgr: bool,
        window: tuple[float, float], calibration: Calibration,
    ) -> EngineOutput:
        """Run one pair, or one camera when the other is None.

        Args:
            rgb: h x w x 3 uint8 view.
            thermal: h x w uint8, uint16 or float32 view.
            bgr: whether ``rgb`` is in B G R order.
            window: thermal values shown as black and white.
            calibration: geometry of the output.
        """


def create_engine(config: Config) -> Engine:
    """Load the network of the configuration into its backend and warm it up.

    Raises:
        InputError: unknown network, unusable weights (see ``weights.load_network``) or device,
            weights of another network than the configuration asks for, or entities forced on or
            off that the network does not know or has no gates for.
    """
    from vif_perception.inference.torch_engine import TorchEngine

    path = _weights(config.model)
    network, card = load_network(path)
    _check_card(card, config.model, path)
    _force_entities(network, card, config.model)
    return TorchEngine(network, card, config.inference)


def _weights(model: ModelConfig) -> Path:
    if model.weights:
        return Path(os.path.expanduser(model.weights))
    find(model.name, model.preset)  # what there is not at all has no weights to be missed
    return weights_file(f'{model.name}-{model.preset}')


def _check_card(card: Card, model: ModelConfig, path: Path) -> None:
    """Weights given by file may be of any network; options that are given must be theirs."""
    if model.weights == '' and (card.network, card.preset) != (model.name, model.preset):
        raise InputError(
            f'card says {card.network} {card.preset}', where=str(path),
            accepted=f'{model.name} {model.preset}',
        )
    for option, value in model.options.items():
        if option not in card.options or card.options[option] != value:
            raise InputError(
                f'{option} is {value!r}', where='model.options',
                accepted=f'{path.name} was made with {card.options or "no options"}',
                remedy='leave model.options out: the card says what the weights are',
            )


def _force_entities(network: nn.Module, card: Card, model: ModelConfig) -> None:
    on, off = dict.fromkeys(model.entities_on, 1.0), dict.fromkeys(model.entities_off, 0.0)
    try:
        pin_entities(network, card.entities, {**on, **off})
    except InputError as error:
        raise error.at('model.entities_on, model.entities_off') from None
