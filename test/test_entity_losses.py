"""Losses of the entity branch against values worked out by hand."""

import math

import pytest
import torch

from vif_perception.models.egmt.entities import FREE
from vif_perception.models.prediction import Prediction
from vif_perception.models.registry import build
from vif_perception.training.entity_losses import (
    alignment_loss,
    asymmetric_loss,
    entity_terms,
    focal_loss,
    gate_labels,
    positive_weights,
    smoothed,
    teacher_share,
)
from vif_perception.training.objectives import EGMTObjective


def logit(p: float) -> torch.Tensor:
    return torch.tensor([[math.log(p / (1 - p))]], dtype=torch.float64)


ONE, ZERO = torch.ones(1, 1), torch.zeros(1, 1)


@pytest.mark.parametrize('p, label, expected', [
    (0.5, ONE, -math.log(0.5)),
    (0.9, ONE, -math.log(0.9)),
    (0.55, ZERO, -(0.5**4) * math.log(0.5)),  # shifted by the margin: q = 0.5
    (0.95, ZERO, -(0.9**4) * math.log(0.1)),
    (0.04, ZERO, 0.0),                        # below the margin: an easy negative is free
])
def test_asymmetric_loss_by_hand(p, label, expected):
    assert asymmetric_loss(logit(p), label).item() == pytest.approx(expected, abs=1e-12)


def test_asymmetric_loss_focuses_positives_when_asked():
    value = asymmetric_loss(logit(0.8), ONE, gamma_positive=2.0)
    assert value.item() == pytest.approx(-(0.2**2) * math.log(0.8))


def test_asymmetric_loss_without_asymmetry_is_cross_entropy():
    logits, labels = torch.randn(4, 5), (torch.rand(4, 5) > 0.5).float()
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(
        asymmetric_loss(logits, labels, gamma_negative=0.0, margin=0.0), plain
    )


@pytest.mark.parametrize('p, label, expected', [
    (0.8, ONE, -0.25 * 0.2**2 * math.log(0.8)), (0.8, ZERO, -0.75 * 0.8**2 * math.log(0.2)),
])
def test_focal_loss_by_hand(p, label, expected):
    assert focal_loss(logit(p), label).item() == pytest.approx(expected)


@pytest.mark.parametrize('loss', [asymmetric_loss, focal_loss])
@pytest.mark.parametrize('size', [-30.0, 30.0])
def test_gradients_stay_finite_where_the_classifier_is_sure(loss, size):
    logits = torch.full((1, 2), size, requires_grad=True)
    value = loss(logits, torch.tensor([[0.0, 1.0]]))
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()


def test_positive_weights_are_limited():
    labels = torch.zeros(100, 4)
    labels[:80, 0] = labels[:10, 1] = labels[:1, 2] = 1
    assert positive_weights(labels).tolist() == [1.0, 9.0, 20.0, 20.0]


def test_alignment_by_hand_and_only_for_what_is_there():
    keys = torch.eye(2)[None]
    regions = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    right = alignment_loss(regions, keys, torch.tensor([[1.0, 0.0]]), temperature=0.5)
    wrong = alignment_loss(regions, keys, torch.tensor([[0.0, 1.0]]), temperature=0.5)
    assert right.item() == pytest.approx(math.log(1 + math.exp(-2)))
    assert wrong.item() == pytest.approx(math.log(1 + math.exp(2)))
    assert alignment_loss(regions, keys, torch.zeros(1, 2)) == 0


@pytest.mark.parametrize('kind', ['entities', 'entities_bce', 'entities_focal'])
def test_a_few_steps_lower_the_loss_of_a_network(kind):
    torch.manual_seed(0)
    network = build('egmt', 'tiny', classes=3, entities=4).train()
    labels = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    weights = dict.fromkeys(EGMTObjective.TERMS, 0.0) | {kind: 1.0, 'entities_alignment': 0.5}
    args = torch.rand(2, 3, 16, 16), torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    values = []
    for _ in range(4):
        terms = entity_terms(
            network(*args, torch.ones(2, 2), labels), labels, weights, positive_weights(labels)
        )
        assert set(terms) == {kind, 'entities_alignment'}
        value = terms[kind] + 0.5 * terms['entities_alignment']
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < values[0]
    assert network.ecim8.entity.query[1].weight.grad.any(), 'alignment teaches where to look'


def test_rare_entities_weigh_more_in_bce_alone():
    logits, labels = torch.tensor([[0.3, -0.2]]), torch.tensor([[1.0, 0.0]])
    weights = {'entities': 0, 'entities_bce': 1, 'entities_focal': 0, 'entities_alignment': 0}
    prediction = Prediction(torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 2, 2), logits)
    found = entity_terms(prediction, labels, weights, torch.tensor([5.0, 2.0]))
    p, q = torch.sigmoid(logits)[0], 1 - torch.sigmoid(logits)[0]
    soft, weight = (0.975, 0.025), (5, 2)
    wanted = sum(
        -w * y * p[k].log() - (1 - y) * q[k].log()
        for k, (y, w) in enumerate(zip(soft, weight, strict=True))
    ) / 2
    torch.testing.assert_close(found['entities_bce'], wanted)
    torch.testing.assert_close(smoothed(labels), torch.tensor([soft]))


def test_teacher_leaves_slowly():
    assert [teacher_share(x) for x in (-1, 0, 0.5, 1, 2)] == pytest.approx([1, 1, 0.65, 0.3, 0.3])
    labels = (torch.rand(2000, 3) > 0.5).float()
    gates = gate_labels(labels, 0.65, torch.Generator().manual_seed(0))
    free = (gates == FREE).all(1)
    assert torch.equal(gates[~free], labels[~free])
    assert not (gates[~free] == FREE).any()
    assert free.float().mean() == pytest.approx(0.35, abs=0.04)
    assert torch.equal(gate_labels(labels, 1.0, torch.Generator()), labels)
