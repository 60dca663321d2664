"""How several tasks are weighed against each other while they train: one interface for all rules.

A task is what the name of a loss term says before the first underscore: ``mask`` and
``mask_boundary`` are one task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, distributed, nn

from vif_perception.errors import InputError
from vif_perception.training.fairness import Fairness, GradientFairness, LossFairness


class Balance(nn.Module):
    """Fixed weights; the other rules change :meth:`forward`. State is in buffers."""

    def forward(self, losses: Tensor, shared: Sequence[Tensor]) -> Tensor:
        """Return the scalar to minimise.

        Args:
            losses: (K,) of the tasks, each a weighted sum of its terms.
            shared: parameters of the last block that all tasks use.
        """
        return losses.sum()


class Uncertainty(Balance):
    """Sum of exp(-s) L + s with one learned s a task (Kendall et al., arXiv 1705.07115)."""

    def __init__(self, tasks: int):
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(tasks))

    def forward(self, losses: Tensor, shared: Sequence[Tensor]) -> Tensor:
        """See :class:`Balance`."""
        return (torch.exp(-self.log_variance) * losses + self.log_variance).sum()


class DynamicWeightAverage(Balance):
    """K softmax(ratio / T), ratio: mean loss of the last epoch over that of the one before.

    DWA, Liu et al., arXiv 1803.10704. Until two epochs are over all weights are 1.

    Args:
        tasks: K; epoch: steps of an epoch; temperature: T, 2 as published.
    """

    epochs: Tensor
    running: Tensor
    steps: Tensor

    def __init__(self, tasks: int, epoch: int, temperature: float = 2.0):
        super().__init__()
        self.epoch, self.temperature = epoch, temperature
        self.register_buffer('epochs', torch.zeros(2, tasks))  # the one before, the last
        self.register_buffer('running', torch.zeros(tasks))
        self.register_buffer('steps', torch.zeros((), dtype=torch.long))

    def forward(self, losses: Tensor, shared: Sequence[Tensor]) -> Tensor:
        """See :class:`Balance`."""
        with torch.no_grad():
            self.running += over_processes(losses) / self.epoch
            self.steps += 1
            known = self.steps > 2 * self.epoch
            ratio = self.epochs[1] / self.epochs[0].clamp_min(1e-12)
            weights = len(losses) * (ratio / self.temperature).softmax(0)
            weights = torch.where(known, weights, torch.ones_like(weights))
            over = self.steps % self.epoch == 0
            shifted = torch.stack([self.epochs[1], self.running])
            self.epochs.copy_(torch.where(over, shifted, self.epochs))
            self.running.mul_(torch.where(over, 0.0, 1.0))
        return (weights * losses).sum()


class Fair(Balance):
    """Max-min fair weights, in the space of losses or of gradients; see :mod:`.fairness`."""

    def __init__(self, rule: Fairness):
        super().__init__()
        self.rule = rule

    def forward(self, losses: Tensor, shared: Sequence[Tensor]) -> Tensor:
        """See :class:`Balance`."""
        seen = over_processes(losses) if isinstance(self.rule, LossFairness) else losses
        return (self.rule(seen, shared) * losses).sum()


def make_balance(kind: str, tasks: Sequence[str], epoch: int, shared: Sequence[Tensor]) -> Balance:
    """Build a rule.

    Args:
        kind: fixed, uncertainty, dwa, fairness or fairness_gradient.
        tasks: their names; epoch: steps of an epoch, the reference of dwa and fairness.
        shared: parameters of the last block that all tasks use; only fairness_gradient needs it.

    Raises:
        InputError: one task only, or gradients asked of what has no two tasks on a shared block,
            or in several processes.
    """
    where = 'objective.balance'
    if kind == 'fixed':
        return Balance()
    if len(tasks) < 2:
        raise InputError(f'{kind} with the one task {tasks[0]!r}', where=where, accepted='fixed')
    if kind == 'uncertainty':
        return Uncertainty(len(tasks))
    if kind == 'dwa':
        return DynamicWeightAverage(len(tasks), epoch)
    if kind == 'fairness':
        return Fair(LossFairness(epoch, tasks=len(tasks)))
    if len(tasks) != 2 or not shared:
        raise InputError(
            f'fairness_gradient with the tasks {", ".join(tasks)}', where=where,
            accepted='two tasks that meet in one block: mafs, multitaskvif with its head',
            remedy='use fairness',
        )
    if distributed.is_available() and distributed.is_initialized() and (
        distributed.get_world_size() > 1
    ):
        raise InputError('fairness_gradient in several processes', where=where,
                         accepted='one process', remedy='use fairness')
    return Fair(GradientFairness())


def by_task(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> dict[str, Tensor]:
    """Weighted sums of loss terms, by task."""
    tasks: dict[str, Tensor] = {}
    for name, value in terms.items():
        task = task_of(name)
        part = weights[name] * value
        tasks[task] = tasks[task] + part if task in tasks else part
    return tasks


def task_of(term: str) -> str:
    """``mask_boundary`` belongs to ``mask``."""
    return term.partition('_')[0]


def over_processes(losses: Tensor) -> Tensor:
    """Mean over all processes that train together, without gradient."""
    losses = losses.detach().float().clone()
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(losses)
        losses /= distributed.get_world_size()
    return losses
