"""Policies on the network's heads: how actions are drawn, their log-probabilities and entropy, and gradients by hand.

Shapes: T tickets, B transitions, A actions. Random numbers come in from outside, each ticket's from its own stream.
"""

import functools
import itertools
import math
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lth_core.training.replay import to_host
from lth_core.training.stack import Array

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


class Terms(Protocol):
    """What a policy thinks of actions that were taken."""

    @property
    def log_p(self) -> Tensor:
        """Log-probabilities, or log-densities, (T, B) of the actions."""

    @property
    def entropy(self) -> Tensor:
        """Entropy (T, B) where they were taken."""

    def gradient(self, weight: Tensor, entropy_weight: float) -> tuple[Tensor, Tensor | None]:
        """Gradients of -sum(weight * log_p) - entropy_weight * sum(entropy); weight (T, B) is held constant.

        With respect to the heads, (T, B, A), and to log_std, (T, A), where there is one.
        """


class Categorical:
    """One of A choices, by the softmax of the logits."""

    @staticmethod
    def noise(rng: np.random.Generator, *shape: int) -> Array:
        """The random numbers (*shape) that `sample` needs for so many actions."""
        return rng.random(shape, np.float32)

    @staticmethod
    def empty(*shape: int) -> Array:
        """Room for so many actions."""
        return np.empty(shape, np.int64)

    @staticmethod
    def sample(logits: Array, noise: Array) -> Array:
        """Actions (T, E) by inverting the cumulative distribution of logits (T, E, A) at uniform numbers (T, E)."""
        # By slices of the last axis: numpy is slow at reducing short axes.
        columns = [logits[..., action] for action in range(logits.shape[-1])]
        peak = functools.reduce(np.maximum, columns)
        cumulated = list(itertools.accumulate(np.exp(column - peak) for column in columns))
        threshold = noise * cumulated[-1]
        actions = np.zeros(noise.shape, np.int64)
        for below in cumulated[:-1]:
            actions += below < threshold
        return actions

    @staticmethod
    def greedy(logits: Array) -> Array:
        """The likeliest actions (T, E); the first of equals."""
        actions: Array = logits.argmax(-1)
        return actions

    @staticmethod
    def terms(logits: Tensor, actions: Tensor) -> "CategoricalTerms":
        """See Terms; logits (T, B, A), actions (T, B)."""
        return CategoricalTerms(logits, actions)


class CategoricalTerms:
    """With p the softmax of the logits: -log p[a] has the gradient p - onehot(a), -entropy has p (log p + entropy)."""

    def __init__(self, logits: Tensor, actions: Tensor) -> None:
        self._chosen = actions.unsqueeze(-1)
        self._log_p = logits.log_softmax(-1)
        self._p = self._log_p.exp()
        self._entropy = -(self._p * self._log_p).sum(-1, keepdim=True)

    @property
    def log_p(self) -> Tensor:
        """See Terms."""
        return self._log_p.gather(-1, self._chosen).squeeze(-1)

    @property
    def entropy(self) -> Tensor:
        """See Terms."""
        return self._entropy.squeeze(-1)

    def gradient(self, weight: Tensor, entropy_weight: float) -> tuple[Tensor, None]:
        """See Terms."""
        minus_one = torch.full((1, 1, 1), -1.0, device=self._p.device).expand(self._chosen.shape)
        found = self._p.scatter_add(-1, self._chosen, minus_one)
        found *= weight.unsqueeze(-1)
        if entropy_weight:
            found.add_(self._p * (self._log_p + self._entropy), alpha=entropy_weight)
        return found, None


class Gaussian:
    """A numbers, each with a mean from the network and a standard deviation that is the same in every state."""

    def __init__(self, log_std: Tensor) -> None:
        """log_std (T, A), as it stands now."""
        self._log_std = log_std
        self._std = log_std.exp()

    @functools.cached_property
    def _numpy_std(self) -> Array:
        # Only for acting: a device is waited for here, and an update has no need of it.
        return to_host(self._std)[:, None]

    def noise(self, rng: np.random.Generator, *shape: int) -> Array:
        """The random numbers (*shape, A) that `sample` needs for so many actions."""
        return rng.standard_normal((*shape, self._log_std.shape[1]), np.float32)

    def empty(self, *shape: int) -> Array:
        """Room for so many actions."""
        return np.empty((*shape, self._log_std.shape[1]), np.float32)

    def sample(self, means: Array, noise: Array) -> Array:
        """Actions (T, E, A) from means (T, E, A) and standard normal numbers (T, E, A)."""
        actions: Array = means + self._numpy_std * noise
        return actions

    @staticmethod
    def greedy(means: Array) -> Array:
        """The likeliest actions."""
        return means

    def terms(self, means: Tensor, actions: Tensor) -> "GaussianTerms":
        """See Terms; means and actions (T, B, A)."""
        return GaussianTerms(means, actions, self._log_std, self._std)


class GaussianTerms:
    """With z = (a - mean) / std: log p has the gradients z / std (mean) and z^2 - 1 (log_std), the entropy 0 and 1."""

    def __init__(self, means: Tensor, actions: Tensor, log_std: Tensor, std: Tensor) -> None:
        self._std = std.unsqueeze(1)
        self._z = (actions - means) / self._std
        # Column by column: sums over a short last axis would be reduced differently for other shapes.
        parts = self._z.square() * -0.5 - (log_std + _HALF_LOG_TWO_PI).unsqueeze(1)
        self._log_p = functools.reduce(torch.add, parts.unbind(-1))
        entropy = functools.reduce(torch.add, (log_std + 0.5 + _HALF_LOG_TWO_PI).unbind(-1))
        self._entropy = entropy.unsqueeze(1).expand(self._log_p.shape)

    @property
    def log_p(self) -> Tensor:
        """See Terms."""
        return self._log_p

    @property
    def entropy(self) -> Tensor:
        """See Terms."""
        return self._entropy

    def gradient(self, weight: Tensor, entropy_weight: float) -> tuple[Tensor, Tensor]:
        """See Terms."""
        weight = weight.unsqueeze(-1)
        of_means = -weight * self._z / self._std
        of_log_std = (weight * (1 - self._z.square())).sum(1) - entropy_weight * self._z.shape[1]
        return of_means, of_log_std


Policy = Categorical | Gaussian


def policy(log_std: Tensor | None) -> Policy:
    """A Gaussian of these log standard deviations (T, A), or a categorical policy for None."""
    return Categorical() if log_std is None else Gaussian(log_std)
