"""Training objectives of EGMT's entity branch: multi-label classification and alignment.

EGMT (arXiv 2601.01870) does not publish its terms; these are the usual ones for few positives
among many labels. ``objectives.EGMTObjective`` weighs them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from vif_perception.models.egmt.entities import FREE
from vif_perception.models.prediction import Prediction


def asymmetric_loss(
    logits: Tensor, labels: Tensor, gamma_positive: float = 0.0, gamma_negative: float = 4.0,
    margin: float = 0.05,
) -> Tensor:
    """Mean asymmetric loss (Ridnik et al., arXiv 2009.14119).

    Positives cost -(1 - p)^g+ log p, negatives -q^g- log(1 - q) with q = max(p - margin, 0), so
    that easy negatives cost nothing.

    Args:
        logits: N x K; labels: N x K, 0..1.
    """
    p = torch.sigmoid(logits)
    q = (p - margin).clamp_min(0)
    positive = labels * (1 - p) ** gamma_positive * F.logsigmoid(logits)
    negative = (1 - labels) * q**gamma_negative * torch.log1p(-q)
    return -(positive + negative).mean()


def focal_loss(logits: Tensor, labels: Tensor, gamma: float = 2.0, alpha: float = 0.25) -> Tensor:
    """Mean focal loss (Lin et al., arXiv 1708.02002) of N x K logits and labels 0..1."""
    p = torch.sigmoid(logits)
    positive = alpha * labels * (1 - p) ** gamma * F.logsigmoid(logits)
    negative = (1 - alpha) * (1 - labels) * p**gamma * F.logsigmoid(-logits)
    return -(positive + negative).mean()


def positive_weights(labels: Tensor, limits: tuple[float, float] = (1.0, 20.0)) -> Tensor:
    """K weights negatives / positives within limits, from the M x K labels of a data set."""
    positives = labels.sum(0)
    return ((len(labels) - positives) / positives.clamp_min(1)).clamp(*limits)


def alignment_loss(
    regions: Tensor, keys: Tensor, labels: Tensor, temperature: float = 0.07
) -> Tensor:
    """InfoNCE: what looks at a present entity must resemble it more than any other entity.

    Args:
        regions, keys: N x K x d, from the auxiliaries ``regions`` and ``entity_keys``.
        labels: N x K flags; images without an entity cost nothing.
    """
    cosine = F.normalize(regions, dim=-1) @ F.normalize(keys, dim=-1).transpose(1, 2)
    chance = (cosine / temperature).log_softmax(-1).diagonal(dim1=1, dim2=2)  # N K
    present = (labels > 0.5).to(chance.dtype)
    return -(chance * present).sum() / present.sum().clamp_min(1)


def entity_terms(
    prediction: Prediction, labels: Tensor, weights: Mapping[str, float],
    positive_weight: Tensor | None = None,
) -> dict[str, Tensor]:
    """Loss terms of a prediction made in training mode, those that weigh anything.

    Args:
        labels: N x K flags; weights: by name of the term.
        positive_weight: (K,) of ``entities_bce``, from :func:`positive_weights`.
    """
    logits, seen, soft = prediction.entity_logits, prediction.auxiliaries, smoothed(labels)
    terms = {
        'entities': lambda: asymmetric_loss(logits, soft),
        'entities_bce': lambda: F.binary_cross_entropy_with_logits(
            logits, soft, pos_weight=positive_weight
        ),
        'entities_focal': lambda: focal_loss(logits, soft),
        'entities_alignment': lambda: alignment_loss(
            seen['regions'], seen['entity_keys'], labels
        ),
    }
    return {name: term() for name, term in terms.items() if weights[name]}


def smoothed(labels: Tensor, smoothing: float = 0.05) -> Tensor:
    """Labels 0 and 1 become smoothing / 2 and 1 - smoothing / 2."""
    return labels * (1 - smoothing) + smoothing / 2


def teacher_share(progress: float, last: float = 0.3) -> float:
    """Share of images whose gates are their labels: 1 at progress 0, ``last`` at progress 1."""
    return 1 + (last - 1) * min(max(progress, 0.0), 1.0)


def gate_labels(
    labels: Tensor, share: float, generator: torch.Generator | None = None
) -> Tensor:
    """Labels N x K for the network's gates; FREE for the images that must do without them."""
    given = torch.rand(len(labels), 1, generator=generator).to(labels.device) < share
    return torch.where(given, labels, FREE)
