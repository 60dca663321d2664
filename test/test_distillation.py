"""Losses between teacher and student, and Lovasz, against slow references."""

import math

import pytest
import torch

from vif_perception.errors import InputError
from vif_perception.models.prediction import Prediction
from vif_perception.models.registry import build
from vif_perception.training.distillation import (
    Distillation,
    channel_distillation,
    pixel_distillation,
)
from vif_perception.training.losses import lovasz_loss
from vif_perception.training.objective import TAUGHT, Shown


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def divergence(wanted: list[float], given: list[float], temperature: float) -> float:
    """KL(wanted || given) of the softmax of two lists of logits."""
    def softmax(values):
        parts = [math.exp(value / temperature) for value in values]
        return [part / sum(parts) for part in parts]

    return sum(p * math.log(p / q)
               for p, q in zip(softmax(wanted), softmax(given), strict=True))


@pytest.mark.parametrize('temperature', [1.0, 4.0])
def test_channel_distillation_against_a_slow_reference(temperature):
    student, teacher = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    slow = sum(
        divergence(teacher[n, c].flatten().tolist(), student[n, c].flatten().tolist(),
                   temperature)
        for n in range(2) for c in range(3)
    )
    found = channel_distillation(student, teacher, temperature)
    assert float(found) == pytest.approx(temperature**2 * slow / 6, rel=1e-4)


@pytest.mark.parametrize('temperature', [1.0, 4.0])
def test_pixel_distillation_against_a_slow_reference(temperature):
    student, teacher = random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1)
    slow = sum(
        divergence(teacher[n, :, i, j].tolist(), student[n, :, i, j].tolist(), temperature)
        for n in range(2) for i in range(4) for j in range(5)
    )
    found = pixel_distillation(student, teacher, temperature)
    assert float(found) == pytest.approx(temperature**2 * slow / 40, rel=1e-4)


@pytest.mark.parametrize('loss', [channel_distillation, pixel_distillation])
def test_the_student_learns_from_another_size_and_the_teacher_does_not(loss):
    student = random(1, 3, 8, 8).requires_grad_()
    teacher = random(1, 3, 4, 4, seed=1).requires_grad_()
    loss(student, teacher).backward()
    assert student.grad.any()
    assert teacher.grad is None
    assert float(loss(teacher, teacher)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize('sees', ['pair', 'fused'])
def test_a_teacher_stays_as_it_is(sees):
    network = build('rt', 'n')
    teach = Distillation(network, sees, 'channel', 4.0)
    images = torch.rand(2, 3, 32, 32), torch.rand(2, 1, 32, 32)
    shown = Shown.of(*images, torch.zeros(2, 32, 32), torch.ones(2, 2), torch.zeros(2, 8))
    logits = random(2, 9, 8, 8).requires_grad_()
    fused = shown.y.clone().requires_grad_()
    teach(Prediction(fused, logits, torch.zeros(2, 8)), shown, TAUGHT)['mask_teacher'].backward()
    assert logits.grad.any()
    assert fused.grad is None
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_a_teacher_that_sees_the_fused_image_may_teach_it():
    teach = Distillation(build('rt', 'n'), 'fused', 'channel', 4.0)
    images = torch.rand(2, 3, 32, 32), torch.rand(2, 1, 32, 32)
    mask = torch.randint(0, 9, (2, 32, 32), generator=torch.Generator().manual_seed(0))
    shown = Shown.of(*images, mask, torch.ones(2, 2), torch.zeros(2, 8))
    logits, fused = random(2, 9, 8, 8).requires_grad_(), shown.y.clone().requires_grad_()
    weights = {**TAUGHT, 'fusion_teacher': 0.05}
    seen = Prediction(fused, logits, torch.zeros(2, 8))
    teach(seen, shown, weights)['fusion_teacher'].backward()
    assert fused.grad.any()
    assert logits.grad is None
    nothing = shown._replace(mask=torch.full_like(mask, 255))
    assert float(teach(seen, nothing, weights)['fusion_teacher']) == 0
    with pytest.raises(InputError, match='sees=fused'):
        Distillation(build('rt', 'n'), 'pair', 'channel', 4.0)(seen, shown, weights)


def slow_lovasz(logits: torch.Tensor, target: torch.Tensor) -> float:
    """Sum over sorted errors times the change of the Jaccard index, class by class."""
    keep = target.flatten() != 255
    chance = logits.softmax(1).movedim(1, -1).flatten(0, 2)[keep]
    truth = target.flatten()[keep].tolist()
    results = []
    for label in sorted(set(truth)):
        errors = sorted(
            ((abs((t == label) - float(p)), t == label)
             for t, p in zip(truth, chance[:, label], strict=True)), reverse=True,
        )
        total, before, loss = sum(hit for _, hit in errors), 0.0, 0.0
        hits = misses = 0
        for error, hit in errors:
            hits, misses = hits + hit, misses + (not hit)
            index = 1 - (total - hits) / (total + misses)
            loss += error * (index - before)
            before = index
        results.append(loss)
    return sum(results) / len(results)


@pytest.mark.parametrize('seed', range(4))
def test_lovasz_against_a_slow_reference(seed):
    logits = 2 * random(2, 4, 5, 6, seed=seed)
    target = (random(2, 5, 6, seed=seed + 9).abs() * 2).long().clamp_max(2)
    target[0, :2] = 255
    assert float(lovasz_loss(logits, target)) == pytest.approx(
        slow_lovasz(logits, target), rel=1e-4)


def test_lovasz_of_nothing_and_of_the_truth_is_0():
    target = torch.zeros(1, 4, 4, dtype=torch.long)
    target[:, 2:] = 1
    right = torch.nn.functional.one_hot(target, 3).permute(0, 3, 1, 2) * 40.0
    assert float(lovasz_loss(right, target)) == pytest.approx(0, abs=1e-6)
    assert float(lovasz_loss(right, torch.full_like(target, 255))) == 0
