"""What the val split says about a network: mean IoU in each mode, or the loss."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vif_perception.errors import InputError
from vif_perception.models.inputs import MODES
from vif_perception.training.augmentation import Augmentation, AugmentationConfig
from vif_perception.training.data import Batch, Triple
from vif_perception.training.datasets import IGNORED, PairDataset, Sample
from vif_perception.training.objective import Objective, Shown
from vif_perception.training.score import score
from vif_perception.types import LabelSet


class Validation:
    """The val split in memory.

    Args:
        dataset: of the split; labels: of its masks.
        objective: one that selects by ``miou`` needs masks, by ``loss`` none.

    Raises:
        InputError: see :func:`triples_of`.
    """

    def __init__(self, dataset: PairDataset, labels: LabelSet, objective: Objective):
        self.selects, self._labels = objective.selects, labels
        self._triples, self._scenes = [], []
        if self.selects == 'miou':
            self._triples = triples_of(dataset, objective.network)
        else:
            self._scenes = [scene for _, scene in _scenes(dataset)]

    def columns(self, network: nn.Module) -> list[str]:
        """Names of what :meth:`look` finds."""
        if self.selects == 'loss':
            return ['val_loss']
        return [f'val_miou_{mode.lower()}' for mode in modes_of(network)]

    def look(self, network: nn.Module, objective: Objective) -> tuple[float, dict[str, float]]:
        """Return a score to select by, larger is better, and what it is made of.

        Args:
            network: in eval mode; objective: for the loss, of any network of its kind.
        """
        if self.selects == 'loss':
            of_network = copy.copy(objective)
            of_network.network = network
            loss = self._loss(of_network)
            return -loss, {'val_loss': loss}
        found = {
            f'val_miou_{mode.lower()}': float(
                score(network, self._triples, mode, labels=self._labels)['miou_present'])
            for mode in modes_of(network)
        }
        return float(np.mean(list(found.values()))), found

    @torch.no_grad()
    def _loss(self, objective: Objective) -> float:
        """Mean loss under fixed weights; what it draws at random is the same every time."""
        device = next(objective.network.parameters()).device
        stride = int(objective.network.stride)
        values = []
        with torch.random.fork_rng():
            for number, scene in enumerate(self._scenes):
                torch.manual_seed(number)
                height, width = (side // stride * stride for side in scene['mask'].shape)
                cut = {
                    key: value[None, ..., :height, :width] if value.ndim > 1 else value[None]
                    for key, value in scene.items() if key != 'boxes'
                }
                batch = Batch.unpack(cut, (), device)
                # Objectives that are selected by their loss do not ask for entities.
                shown = show(batch, batch.present.new_zeros(1, 0))
                values.append(float(objective.total(objective(shown, 1.0))))
        return float(np.mean(values))


def triples_of(dataset: PairDataset, network: nn.Module) -> list[Triple]:
    """Read a labelled data set for scoring ``network``, thermal values as the robot shows them.

    Raises:
        InputError: a sample has no mask, or no image of a camera that ``network`` looks at, or no
            pixel is labelled.
    """
    triples, name = [], f'{dataset.name} {dataset.split}'
    wants_rgb = getattr(network.config, 'inputs', 'both') != 'thermal'
    for sample, scene in _scenes(dataset):
        lacks = 'mask' if sample.mask is None else 'RGB image'
        if sample.mask is None or (wants_rgb and sample.rgb is None):
            raise InputError(
                f'{sample.id} of {name} has no {lacks}', where='data.val',
                accepted='labelled pairs' if wants_rgb else 'labelled samples',
            )
        thermal = (scene['thermal'][0] * 255).round().to(torch.uint8)
        triples.append(Triple(
            sample.id, sample.day_night == 'night', scene['rgb'].permute(1, 2, 0).numpy(),
            thermal.numpy(), sample.mask,
        ))
    if all((triple.mask == IGNORED).all() for triple in triples):
        raise InputError(f'no pixel of {name} is labelled', where='data.val',
                         accepted=f'masks with ids of classes, {IGNORED} for what is not labelled')
    return triples


def _scenes(dataset: PairDataset) -> Iterator[tuple[Sample, dict[str, Tensor]]]:
    plain = Augmentation(AugmentationConfig.only())
    for index in range(len(dataset)):
        sample = dataset[index]
        yield sample, plain(sample, 0)


def modes_of(network: nn.Module) -> Sequence[str]:
    """Modes that a network is scored in: one for the networks that see one picture."""
    both = getattr(network.config, 'inputs', 'both') == 'both'
    return list(MODES) if both else ['FUSED']


def show(batch: Batch, entities: Tensor) -> Shown:
    """Show a batch to a network; ``entities`` are N x K flags."""
    return Shown.of(batch.rgb, batch.thermal, batch.mask, batch.present, entities)
