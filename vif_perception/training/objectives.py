"""What each family learns from: the one place that knows.

A trainer needs no more than :func:`objective_for`::

    objective = objective_for(network, class_weights=weights)
    terms = objective(Shown.of(rgb, thermal, mask, present, entities), progress)
    objective.total(terms).backward()
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.errors import InputError
from vif_perception.models.egmt import EGMT
from vif_perception.models.mafs import MAFS
from vif_perception.models.multitaskvif import MultiTaskVIF
from vif_perception.models.prediction import Prediction
from vif_perception.models.rt import RT, Again
from vif_perception.training import entity_losses, losses, mafs_losses, multitask_losses
from vif_perception.training.cascade import Turn, cascade_weights, take_turn
from vif_perception.training.multitask_losses import joint_fusion_loss, ssim_loss
from vif_perception.training.objective import Objective, Shown, Teach
from vif_perception.training.pretraining import pretext_for

#: Turns of a cascade: SeAFusion's four rounds, fusion before segmentation.
ROUNDS = 4
#: Weight of the mask beside the fused image, for MultiTaskVIF; and for EGMT, where at the start
#: the fused image moves the streams a hundred times as much as the mask does.
MASK, EGMT_MASK = 0.5, 5.0
#: Share of EGMT's training that is fusion alone: 10 of 120 epochs.
FUSION_FIRST = 1 / 12
#: Mean luma below which RGB alone shows next to nothing.
DARK = 0.04


class RTObjective(Objective[RT]):
    """Mask, entities and fused image, all at once; ``class_weights`` (C,) of the mask.

    Attributes:
        alone: part of the pairs that are segmented once more with one camera alone, which costs
            no second pass of the streams and takes no pair away from FUSED.
    """

    TERMS: ClassVar[Mapping[str, float]] = {'fusion': 1.0, 'mask': 1.0, 'entities': 0.2}
    class_weights: Tensor
    alone = 0.0
    _again: Again | None = None

    def predict(self, shown: Shown, progress: float) -> Prediction:
        """Show some pairs a second time; which ones is drawn from torch's own generator."""
        self._again = None
        if self.alone and self.network.training:
            count = max(1, round(self.alone * len(shown.mask)))
            self._again = one_camera(shown, count)
        return self.network(
            shown.rgb, shown.y, shown.thermal, shown.present, again=self._again
        )

    def terms(self, prediction: Prediction, shown: Shown) -> dict[str, Tensor]:
        """Luma and what is warm on it, stronger gradient; weighted cross-entropy and Dice."""
        mask, entities = shown.mask, shown.entities
        if self._again is not None:
            mask, entities = (torch.cat([x, x[self._again.images]]) for x in (mask, entities))
        return {
            'fusion': losses.fusion_loss(prediction.fused_y, shown.y, shown.thermal, shown.both),
            'mask': losses.mask_loss(prediction.logits, mask, self.class_weights),
            'entities': F.binary_cross_entropy_with_logits(prediction.entity_logits, entities),
        }


def one_camera(shown: Shown, count: int) -> Again:
    """Choose ``count`` images and one camera of each; RGB only where it is lit.

    Pairs come first; what has one camera anyway keeps it.
    """
    order = torch.rand(len(shown.both), device=shown.both.device) + shown.both
    images = order.topk(count).indices
    lit = shown.y[images].mean((1, 2, 3)) > DARK
    rgb = (torch.rand(count, device=lit.device) < 0.5) & lit
    present = shown.present[images]
    wanted = torch.stack([rgb, ~rgb], 1).to(present)
    return Again(images, torch.where(shown.both[images, None] > 0.5, wanted, present))


class JointObjective(Objective[MultiTaskVIF]):
    """MultiTaskVIF with its multi-task head: both tasks in one stage."""

    TERMS: ClassVar[Mapping[str, float]] = {
        'fusion': 1.0, 'fusion_ssim': 0.0, 'mask': MASK, 'mask_lovasz': 0.0
    }

    def terms(self, prediction: Prediction, shown: Shown) -> dict[str, Tensor]:
        """Brighter source, stronger gradient; hard pixels and Dice."""
        terms = fusion_terms(prediction, shown, self.weights)
        terms['mask'] = multitask_losses.segmentation_loss(prediction.logits, shown.mask)
        if self.weights['mask_lovasz']:
            full = F.interpolate(prediction.logits, shown.mask.shape[-2:], mode='bilinear')
            terms['mask_lovasz'] = losses.lovasz_loss(full, shown.mask)
        return terms


class FusionObjective(JointObjective):
    """A host with its own decoder: no mask."""

    TERMS: ClassVar[Mapping[str, float]] = {'fusion': 1.0, 'fusion_ssim': 0.0}
    selects = 'loss'

    def terms(self, prediction: Prediction, shown: Shown) -> dict[str, Tensor]:
        """Brighter source, stronger gradient."""
        return fusion_terms(prediction, shown, self.weights)


class CascadeObjective(JointObjective):
    """SeAFusion's turns: one part learns, the other is frozen."""

    TERMS: ClassVar[Mapping[str, float]] = {
        'fusion': 1.0, 'fusion_ssim': 0.0, 'mask': 1.0, 'mask_lovasz': 0.0
    }
    staged = True
    _turn: Turn = 'fusion'
    _round = 0

    def predict(self, shown: Shown, progress: float) -> Prediction:
        """Let the part learn whose turn it is."""
        self._round, self._turn = turn_at(progress)
        take_turn(self.network, self._turn)
        return super().predict(shown, progress)

    def terms(self, prediction: Prediction, shown: Shown) -> dict[str, Tensor]:
        """Fusion plus the round's number times the mask, or the mask alone."""
        found = super().terms(prediction, shown)
        fusion, mask = cascade_weights(self._turn, self._round)
        return {
            name: value * (fusion if name.startswith('fusion') else mask)
            for name, value in found.items()
        }


def fusion_terms(
    prediction: Prediction, shown: Shown, weights: Mapping[str, float]
) -> dict[str, Tensor]:
    """``fusion``, and ``fusion_ssim`` where it weighs anything."""
    images = (prediction.fused_y, shown.y, shown.thermal, shown.both)
    terms = {'fusion': joint_fusion_loss(*images)}
    if weights['fusion_ssim']:
        terms['fusion_ssim'] = ssim_loss(*images)
    return terms


def turn_at(progress: float) -> tuple[int, Turn]:
    """Round, counted from 0, and turn of a cascade at a progress of 0..1."""
    number, second = divmod(min(int(progress * 2 * ROUNDS), 2 * ROUNDS - 1), 2)
    return number, 'segmentation' if second else 'fusion'


class MAFSObjective(Objective[MAFS]):
    """Stage II of MAFS; meant to be balanced by max-min fairness."""

    TERMS: ClassVar[Mapping[str, float]] = {'fusion': 1.0, 'mask': 1.0}

    def terms(self, prediction: Prediction, shown: Shown) -> dict[str, Tensor]:
        """Correlation, gradient, the source that varies more; hard pixels, auxiliary maps."""
        return {
            'fusion': mafs_losses.fusion_loss(
                prediction.fused_y, shown.y, shown.thermal, shown.both
            ),
            'mask': mafs_losses.mask_losses(
                prediction.logits, prediction.auxiliaries, shown.mask
            ),
        }


class EGMTObjective(Objective[EGMT]):
    """Fusion first, then entities and our mask head too; labels open the gates less and less.

    ``entities`` is the asymmetric loss; ``entities_bce`` or ``entities_focal`` may take its place.

    Attributes:
        positive_weight: (K,) weights of ``entities_bce``, see ``entity_losses.positive_weights``.
    """

    TERMS: ClassVar[Mapping[str, float]] = {
        'fusion': 1.0, 'fusion_ssim': 0.0, 'mask': EGMT_MASK, 'entities': 0.1,
        'entities_bce': 0.0, 'entities_focal': 0.0, 'entities_alignment': 0.05,
    }
    staged = True
    positive_weight: Tensor | None = None
    _alone = False

    def predict(self, shown: Shown, progress: float) -> Prediction:
        """Open some gates by labels; which ones is drawn from torch's own generator."""
        self._alone = progress < FUSION_FIRST
        gates = None
        if self.network.training:
            share = entity_losses.teacher_share(progress)
            gates = entity_losses.gate_labels(shown.entities, share)
        return self.network(shown.rgb, shown.y, shown.thermal, shown.present, labels=gates)

    def terms(self, prediction: Prediction, shown: Shown) -> dict[str, Tensor]:
        """Brighter source, stronger gradient; hard pixels; which entities, and where they look."""
        terms = fusion_terms(prediction, shown, self.weights)
        if self._alone:
            return terms
        terms['mask'] = multitask_losses.segmentation_loss(prediction.logits, shown.mask)
        return terms | entity_losses.entity_terms(
            prediction, shown.entities, self.weights, self.positive_weight
        )


def objective_for(
    network: nn.Module, *, stage: str = 'supervised', class_weights: Tensor | None = None,
    positive_weight: Tensor | None = None, weights: Mapping[str, float] | None = None,
    teach: Teach | None = None, alone: float = 0.0,
) -> Objective:
    """The objective of a network of the registry.

    Args:
        stage: ``supervised`` or ``pretrain``.
        class_weights: (C,), which only ``rt`` uses: the others look for hard pixels.
        positive_weight: (K,) of present entities, which only ``entities_bce`` of EGMT uses.
        weights, teach: see :class:`Objective`.
        alone: see :class:`RTObjective`.

    Raises:
        InputError: unknown loss term, a family that cannot be pre-trained, or ``alone`` for a
            network without a stream for each camera.
    """
    streams = isinstance(network, RT) and network.config.inputs == 'both'
    if alone and (stage == 'pretrain' or not streams):
        raise InputError(
            'one camera alone is for supervised training of rt', where='objective.alone',
            accepted='0', remedy='others learn it from data.augmentation.dropout',
        )
    if stage == 'pretrain':
        return pretext_for(network, weights)
    if isinstance(network, RT):
        supervised = RTObjective(network, weights, teach)
        supervised.alone = alone
        supervised.class_weights = (
            torch.ones(network.config.classes) if class_weights is None else class_weights
        )
        return supervised
    if isinstance(network, MultiTaskVIF):
        kind = {'mth': JointObjective, 'cascade': CascadeObjective, 'own': FusionObjective}
        return kind[network.config.way](network, weights, teach)
    if isinstance(network, MAFS):
        return MAFSObjective(network, weights, teach)
    if isinstance(network, EGMT):
        guided = EGMTObjective(network, weights, teach)
        guided.positive_weight = positive_weight
        return guided
    raise TypeError(f'no objective for {type(network).__name__}')
