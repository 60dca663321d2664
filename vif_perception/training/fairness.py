"""Max-min fair weights of two or more losses: help the task that is worst off.

MAFS (arXiv 2509.11817) names a dynamic factor from max-min fairness and does not publish it; both
formulas here are our reading. Use: ``weights = fairness(losses, shared)``, then back-propagate
``(weights * losses).sum()``. The state is in buffers, so a run can be resumed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Fairness(nn.Module):
    """One interface for both: losses (K,) in, weights (K,) out, which sum to K."""

    def forward(self, losses: Tensor, shared: Sequence[Tensor]) -> Tensor:
        """Return the weights of this step, without gradient.

        Args:
            losses: (K,) scalar losses with their graph, before :meth:`Tensor.backward`.
            shared: parameters of the last block that all tasks use.
        """
        raise NotImplementedError


class LossFairness(Fairness):
    """A: in the space of losses. The larger what remains of a loss, the larger its weight.

    Args:
        reference_steps: steps of the first epoch; its mean losses are the reference, and until
            then all weights are 1.
        tau: temperature; infinite: equal weights, 0: the worst task alone.
        memory: of the running mean of the losses; inertia: of the weights.
        limits: of the weights before they are smoothed.
    """

    mean: Tensor
    reference: Tensor
    weights: Tensor
    steps: Tensor

    def __init__(
        self, reference_steps: int, *, tasks: int = 2, tau: float = 0.25, memory: float = 0.98,
        inertia: float = 0.9, limits: tuple[float, float] = (0.2, 1.8),
    ):
        super().__init__()
        self.reference_steps = reference_steps
        self.tau, self.memory, self.inertia, self.limits = tau, memory, inertia, limits
        self.register_buffer('mean', torch.zeros(tasks))
        self.register_buffer('reference', torch.zeros(tasks))
        self.register_buffer('weights', torch.ones(tasks))
        self.register_buffer('steps', torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def forward(self, losses: Tensor, shared: Sequence[Tensor] = ()) -> Tensor:
        """Return the weights of this step; ``shared`` is not read."""
        losses = losses.detach().float()
        step = int(self.steps)
        self.mean.lerp_(losses, 1 - self.memory if step else 1.0)
        self.steps += 1
        if step < self.reference_steps:
            self.reference += losses / self.reference_steps
            return self.weights.clone()
        remaining = self.mean / self.reference.clamp_min(1e-12)
        wanted = softmax_weights(remaining, self.tau).clamp(*self.limits)
        self.weights.lerp_(wanted, 1 - self.inertia)
        return self.weights.clone()


class GradientFairness(Fairness):
    """B: in the space of gradients. Both losses fall equally fast along the shared direction.

    That direction is the point of smallest norm between the two gradients (MGDA), the limit of
    alpha-fair weighting (FairGrad) for infinite alpha.

    Args:
        every: steps between two measurements of the gradients.
    """

    weights: Tensor
    steps: Tensor

    def __init__(self, *, every: int = 10):
        super().__init__()
        self.every = every
        self.register_buffer('weights', torch.ones(2))
        self.register_buffer('steps', torch.zeros((), dtype=torch.long))

    def forward(self, losses: Tensor, shared: Sequence[Tensor]) -> Tensor:
        """Return the weights of this step; the graph of the losses is kept."""
        if int(self.steps) % self.every == 0:
            first, second = (flat_gradient(loss, shared) for loss in losses)
            share = min_norm_share(first, second)
            self.weights.copy_(2 * torch.stack([share, 1 - share]))
        self.steps += 1
        return self.weights.clone()


def softmax_weights(remaining: Tensor, tau: float) -> Tensor:
    """K softmax(remaining / tau): the maximum over w of <w, remaining> + tau entropy(w), times K.

    Args:
        remaining: (K,) what is left of each loss, relative to its reference.
        tau: 0 to infinity.
    """
    if tau == 0:
        worst = (remaining == remaining.max()).float()
        return len(remaining) * worst / worst.sum()
    return len(remaining) * (remaining / tau).softmax(0)


def min_norm_share(first: Tensor, second: Tensor) -> Tensor:
    """Share a in 0..1 for which the norm of a first + (1 - a) second is smallest.

    Args:
        first, second: flat gradients of equal length; equal ones share evenly.
    """
    difference = first - second
    square = difference.dot(difference)
    share = torch.dot(-difference, second) / square
    return torch.where(square > 0, share, 0.5).clamp(0, 1)


def flat_gradient(loss: Tensor, shared: Sequence[Tensor]) -> Tensor:
    """Gradient of a loss with respect to all of ``shared``, as one vector; unused parts are 0."""
    gradients = torch.autograd.grad(loss, list(shared), retain_graph=True, allow_unused=True)
    return torch.cat([
        (torch.zeros_like(parameter) if gradient is None else gradient).flatten()
        for parameter, gradient in zip(shared, gradients, strict=True)
    ])
