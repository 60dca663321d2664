"""What moves during a training: the network with its objective, and the running mean of it."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from vif_perception.errors import InputError
from vif_perception.training.balance import Balance, by_task, make_balance, task_of
from vif_perception.training.objective import Objective, Shown
from vif_perception.training.recipe import OptimizerRecipe


class Learner(nn.Module):
    """Everything with gradients in one module, so that one wrapper spreads it over processes.

    Args:
        objective: of the network that learns.
        balance: rule for its tasks by name, see ``balance.make_balance``.
        epoch: steps of an epoch.

    Raises:
        InputError: the rule does not fit the objective.
    """

    def __init__(self, objective: Objective, balance: str, epoch: int):
        super().__init__()
        self.network: nn.Module = objective.network
        self.extra = objective.extra or nn.Identity()
        self._objective = objective
        used = [name for name, weight in objective.weights.items() if weight]
        tasks = list(dict.fromkeys(map(task_of, used)))
        if objective.staged and balance != 'fixed':
            raise InputError(
                f'{balance} for {type(self.network).__name__}, whose tasks come and go',
                where='objective.balance', accepted='fixed',
            )
        self.balance: Balance = make_balance(balance, tasks, epoch, self._shared())

    def forward(self, shown: Shown, progress: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the scalar to minimise, and the loss terms without gradient."""
        terms = self._objective(shown, progress)
        tasks = by_task(terms, self._objective.weights)
        total = self.balance(torch.stack(list(tasks.values())), self._shared())
        return total, {name: value.detach() for name, value in terms.items()}

    def _shared(self) -> list[nn.Parameter]:
        last = getattr(self.network, 'last_shared', None)
        return last() if last else []


class Average:
    """Exponential running mean of a network's weights and statistics; short memory at the start.

    Attributes:
        network: in eval mode; the one that is looked at and kept.
    """

    def __init__(self, network: nn.Module, memory: float):
        self.network = copy.deepcopy(network).eval()
        self._memory = memory

    @torch.no_grad()
    def follow(self, network: nn.Module, step: int) -> None:
        """Move towards the network after step ``step``, counted from 1."""
        keep = min(self._memory, (1 + step) / (10 + step))
        means, values = [], []
        for mean, value in zip(
            self.network.state_dict().values(), network.state_dict().values(), strict=True
        ):
            if mean.is_floating_point():
                means.append(mean)
                values.append(value)
            else:
                mean.copy_(value)
        torch._foreach_lerp_(means, values, 1 - keep)


def make_optimizer(learner: nn.Module, recipe: OptimizerRecipe) -> torch.optim.Optimizer:
    """Build the optimizer; vectors (biases, norms) do not decay."""
    parameters = [p for p in learner.parameters() if p.requires_grad]
    groups = [
        {'params': [p for p in parameters if p.ndim > 1], 'weight_decay': recipe.weight_decay},
        {'params': [p for p in parameters if p.ndim <= 1], 'weight_decay': 0.0},
    ]
    if recipe.name == 'sgd':
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum)
    fused = parameters[0].device.type == 'cuda'
    return torch.optim.AdamW(groups, lr=recipe.lr, fused=fused)
