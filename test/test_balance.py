"""Rules that weigh tasks against each other."""

import math

import pytest
import torch

from vif_perception.errors import InputError
from vif_perception.training.balance import by_task, make_balance

TASKS = ('fusion', 'mask')


def losses(*values: float) -> torch.Tensor:
    return torch.tensor(values, requires_grad=True)


def weights(rule, *values: float, shared=()) -> list[float]:
    """The weight that each loss gets: the gradient of the total."""
    given = losses(*values)
    rule(given, shared).backward()
    return given.grad.tolist()


def test_terms_become_tasks_by_the_first_word_of_their_names():
    terms = {name: torch.tensor(value) for name, value in
             (('fusion', 1.0), ('mask', 2.0), ('mask_lovasz', 3.0))}
    found = by_task(terms, {'fusion': 1, 'mask': 0.5, 'mask_lovasz': 10})
    assert {name: float(value) for name, value in found.items()} == {'fusion': 1, 'mask': 31}


def test_fixed_adds_up():
    assert weights(make_balance('fixed', ['fusion'], 1, []), 3.0, 4.0) == [1, 1]


def test_uncertainty_learns_to_trust_the_small_loss():
    rule = make_balance('uncertainty', TASKS, 1, [])
    assert weights(rule, 4.0, 0.25) == [1, 1]
    optimizer = torch.optim.SGD(rule.parameters(), lr=0.1)
    for _ in range(400):
        optimizer.zero_grad()
        rule(torch.tensor([4.0, 0.25]), ()).backward()
        optimizer.step()
    # The minimum over s of exp(-s) L + s is at exp(-s) = 1 / L.
    assert weights(rule, 4.0, 0.25) == pytest.approx([0.25, 4.0], rel=1e-2)


def slow_dwa(history: list[list[float]], epoch: int) -> list[float]:
    """Weights at the last of the steps in history, as the paper has them."""
    whole = (len(history) - 1) // epoch
    if whole < 2:
        return [1.0] * len(history[0])
    means = [
        [sum(row[k] for row in history[e * epoch:(e + 1) * epoch]) / epoch
         for k in range(len(history[0]))] for e in (whole - 1, whole - 2)
    ]
    parts = [math.exp(now / before / 2) for now, before in zip(*means, strict=True)]
    return [len(parts) * part / sum(parts) for part in parts]


@pytest.mark.parametrize('epoch', [1, 3])
def test_dwa_against_a_slow_reference(epoch):
    rule = make_balance('dwa', TASKS, epoch, [])
    generator = torch.Generator().manual_seed(0)
    history: list[list[float]] = []
    for _ in range(5 * epoch):
        history.append((0.2 + torch.rand(2, generator=generator)).tolist())
        assert weights(rule, *history[-1]) == pytest.approx(slow_dwa(history, epoch), rel=1e-5)


def test_fairness_helps_the_task_that_is_behind():
    rule = make_balance('fairness', TASKS, 2, [])
    for _ in range(2):
        assert weights(rule, 1.0, 1.0) == [1, 1]
    for _ in range(60):
        found = weights(rule, 0.2, 1.0)
    assert found[0] < 0.5 < 1.5 < found[1]


def test_gradients_of_equal_length_share_evenly():
    shared = torch.tensor([1.0, 1.0], requires_grad=True)
    rule = make_balance('fairness_gradient', TASKS, 1, [shared])
    total = rule(torch.stack([2 * shared[0], 2 * shared[1]]), [shared])
    total.backward()
    assert shared.grad.tolist() == [2, 2]


@pytest.mark.parametrize('kind', ['uncertainty', 'dwa', 'fairness', 'fairness_gradient'])
def test_one_task_needs_no_balance(kind):
    with pytest.raises(InputError, match=r'objective\.balance: .* accepted: fixed'):
        make_balance(kind, ['fusion'], 1, [])


def test_gradients_need_two_tasks_on_one_block():
    with pytest.raises(InputError, match='use fairness'):
        make_balance('fairness_gradient', (*TASKS, 'entities'), 1, [torch.ones(1)])
    with pytest.raises(InputError, match='use fairness'):
        make_balance('fairness_gradient', TASKS, 1, [])


@pytest.mark.parametrize('kind', ['uncertainty', 'dwa', 'fairness', 'fairness_gradient'])
def test_the_state_of_every_rule_can_be_saved_and_loaded(kind):
    shared = torch.ones(2, requires_grad=True)
    first, second = (make_balance(kind, TASKS, 2, [shared]) for _ in range(2))

    def step(rule, values):
        return float(rule(torch.stack([values * shared[0], shared[1] / values]).abs(), [shared]))

    for value in (0.5, 0.7, 0.2, 0.9, 0.4):
        step(first, value)
    second.load_state_dict(first.state_dict())
    assert step(first, 0.3) == step(second, 0.3)


def test_gradients_are_not_weighed_by_each_process_on_its_own(monkeypatch):
    monkeypatch.setattr('torch.distributed.is_initialized', lambda: True)
    monkeypatch.setattr('torch.distributed.get_world_size', lambda: 2)
    with pytest.raises(InputError, match='fairness_gradient in several processes'):
        make_balance('fairness_gradient', TASKS, 1, [torch.ones(1)])
