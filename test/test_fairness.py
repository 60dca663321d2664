"""Max-min fair task weights: their limits, their closed forms, their memory."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vif_perception.training.fairness import (
    GradientFairness,
    LossFairness,
    flat_gradient,
    min_norm_share,
    softmax_weights,
)

values = st.floats(-10, 10, width=32)


def losses(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers)


def test_infinite_temperature_gives_equal_weights():
    assert softmax_weights(losses(0.1, 3.0), math.inf).tolist() == [1, 1]
    assert softmax_weights(losses(0.1, 3.0, 1.0), 1e9).tolist() == pytest.approx([1, 1, 1])


def test_zero_temperature_helps_the_worst_task_only():
    assert softmax_weights(losses(0.1, 3.0), 0).tolist() == [0, 2]
    assert softmax_weights(losses(0.1, 0.3), 1e-3).tolist() == pytest.approx([0, 2])
    assert softmax_weights(losses(1.0, 1.0), 0).tolist() == [1, 1]


def test_two_tasks_are_a_sigmoid_of_the_difference():
    first, second = softmax_weights(losses(0.9, 0.6), 0.25)
    assert first.item() == pytest.approx(2 / (1 + math.exp(-(0.9 - 0.6) / 0.25)))
    assert (first + second).item() == pytest.approx(2)


def test_closed_form_is_the_maximum_of_its_objective():
    remaining, tau = losses(0.9, 0.5), 0.25
    share = torch.linspace(1e-4, 1 - 1e-4, 20_001, dtype=torch.float64)
    weights = torch.stack([share, 1 - share], 1)
    objective = weights @ remaining.double() - tau * (weights * weights.log()).sum(1)
    best = share[objective.argmax()].item()
    assert softmax_weights(remaining, tau)[0].item() == pytest.approx(2 * best, abs=2e-4)


def test_weights_are_equal_through_the_reference_epoch():
    fairness = LossFairness(reference_steps=3)
    for _ in range(3):
        assert fairness(losses(1.0, 9.0)).tolist() == [1, 1]
    assert fairness.reference.tolist() == pytest.approx([1, 9])


def test_the_task_that_falls_behind_gains_weight_whatever_its_scale():
    fairness = LossFairness(reference_steps=2, memory=0.5)
    for _ in range(2):
        fairness(losses(1.0, 900.0))
    for _ in range(60):
        weights = fairness(losses(1.0, 90.0))  # only the second has improved
    assert weights[0] > 1.7
    assert weights.sum().item() == pytest.approx(2)


def test_weights_stay_inside_the_limits_and_change_slowly():
    fairness = LossFairness(reference_steps=1, memory=0.0, tau=0.0)
    fairness(losses(1.0, 1.0))
    before = torch.ones(2)
    for step in range(80):
        weights = fairness(losses(5.0, 0.0))
        assert (weights - before).abs().max() <= 0.1 * 0.8 + 1e-6, step
        before = weights
    assert weights.tolist() == pytest.approx([1.8, 0.2], abs=1e-3)


def test_infinite_temperature_never_moves_the_weights():
    fairness = LossFairness(reference_steps=1, tau=math.inf)
    for value in (1.0, 5.0, 0.1):
        assert fairness(losses(value, 1.0)).tolist() == pytest.approx([1, 1])


def test_losses_keep_their_graph_and_the_weights_have_none():
    parameter = torch.ones(2, requires_grad=True)
    both = torch.stack([parameter.sum(), 3 * parameter.sum()])
    for fairness in (LossFairness(reference_steps=0), GradientFairness()):
        weights = fairness(both, [parameter])
        assert not weights.requires_grad
        parameter.grad = None
        (weights * both).sum().backward(retain_graph=True)
        wanted = (weights[0] + 3 * weights[1]).item()
        assert parameter.grad.tolist() == pytest.approx([wanted] * 2)


@pytest.mark.parametrize('make', [lambda: LossFairness(2), lambda: GradientFairness(every=3)])
def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(make):
    def step(fairness, number):
        parameter = torch.tensor([1.0, 2.0], requires_grad=True)
        both = torch.stack([parameter[0] * number, (parameter**2).sum() / number])
        return fairness(both, [parameter])

    whole, first = make(), make()
    for number in range(1, 6):
        step(whole, number)
        step(first, number)
    second = make()
    second.load_state_dict(first.state_dict())
    for number in range(6, 10):
        assert torch.equal(step(whole, number), step(second, number))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(values, values), min_size=1, max_size=4))
def test_gradient_weights_equal_a_numerical_minimum_norm(pairs):
    first, second = (np.array(side, dtype=np.float64) for side in zip(*pairs, strict=True))
    share = min_norm_share(torch.tensor(first), torch.tensor(second)).item()
    assert 0 <= share <= 1

    def norm(a):
        return np.linalg.norm(a * first + (1 - a) * second)

    tried = min(norm(a) for a in np.linspace(0, 1, 2001))
    assert norm(share) <= tried + 1e-9
    assert norm(share) >= tried - 1e-2 * (1 + np.linalg.norm(first - second))


def test_gradient_weights_of_plain_cases():
    def share(first, second):
        return min_norm_share(torch.tensor(first), torch.tensor(second)).item()

    assert share([1.0, 0.0], [0.0, 1.0]) == pytest.approx(0.5)
    assert share([2.0, 0.0], [0.0, 1.0]) == pytest.approx(0.2)
    assert share([1.0, 0.0], [-1.0, 0.0]) == pytest.approx(0.5)
    assert share([1.0, 0.0], [5.0, 0.0]) == 1
    assert share([5.0, 0.0], [1.0, 0.0]) == 0
    assert share([1.0, 2.0], [1.0, 2.0]) == 0.5


def test_inside_the_range_both_losses_fall_equally_fast():
    first, second = torch.tensor([1.0, 0.5, 0.0]), torch.tensor([-0.5, 1.0, 2.0])
    share = min_norm_share(first, second)
    direction = share * first + (1 - share) * second
    assert 0 < share < 1
    assert torch.dot(direction, first).item() == pytest.approx(torch.dot(direction, second).item())


def test_gradients_are_measured_at_every_nth_step_only():
    fairness = GradientFairness(every=3)
    seen = []
    for step in range(6):
        parameter = torch.tensor([1.0, 1.0], requires_grad=True)
        both = torch.stack([parameter[0] * (1 + step), parameter[1]])
        seen.append(fairness(both, [parameter]).tolist())
    assert seen[0] == seen[1] == seen[2] == pytest.approx([1, 1])
    assert seen[3] == seen[4] == seen[5] == pytest.approx([2 / 17, 32 / 17])


def test_parameters_a_task_does_not_use_count_as_zero():
    used, unused = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    assert flat_gradient((used * 2).sum(), [used, unused]).tolist() == [2, 2, 0, 0, 0]
