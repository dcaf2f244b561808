"""An algorithm of reinforcement learning: a loss, and how often a rollout is used.

The loss is written once. Training, reports and criteria that need its gradient before training all call it.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from lth_core.settings.reinforcement import ActorCriticTraining

Settings = TypeVar("Settings", bound=ActorCriticTraining)


class Transitions(NamedTuple):
    """b transitions of each ticket: actions (T, b) or (T, b, A), the rest (T, b).

    log_p, values: of the network that acted; valid: see Rollout.
    """

    actions: Tensor
    log_p: Tensor
    values: Tensor
    targets: Tensor
    advantages: Tensor
    valid: tuple[Tensor, ...] = ()


class Heads(NamedTuple):
    """The heads' present values for transitions, (T, b) each: of the taken actions, and of states."""

    log_p: Tensor
    entropy: Tensor
    values: Tensor


class HeadGradients(NamedTuple):
    """Gradients of what is minimised, summed over transitions, with respect to the heads; None where it has none."""

    log_p: Tensor
    entropy: Tensor | None
    values: Tensor


class Algorithm(ABC, Generic[Settings]):
    """An algorithm with the settings of its `[training]`."""

    kind: ClassVar[type[ActorCriticTraining]]
    """The settings of this algorithm."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def epochs(self) -> int:
        """Passes over a rollout, each in a random order.

        0: one pass over the whole rollout in its own order, with the activations kept while acting.
        """
        return 0

    @property
    def minibatches(self) -> int:
        """Equal parts of a rollout in each epoch; each is a gradient step."""
        return 1

    @abstractmethod
    def losses(self, heads: Heads, taken: Transitions) -> dict[str, Tensor]:
        """`loss/policy`, `loss/value` and `entropy` (T, b), and other values to record.

        Differentiable with respect to the heads. It runs inside a CUDA graph: it must not wait for the GPU, and its
        shapes must follow from those of the arguments.
        """

    def head_gradients(self, heads: Heads, taken: Transitions) -> HeadGradients:
        """By autograd. An algorithm may state the same in closed form, which is faster: tests compare the two."""
        with torch.enable_grad():
            said = Heads(*(one.detach().requires_grad_() for one in heads))
            minimised = self.minimised(self.losses(said, taken)).sum()
        return HeadGradients(*torch.autograd.grad(minimised, said, allow_unused=True))

    def value_loss(self, error: Tensor) -> Tensor:
        """The loss (T, b) of errors of values, without its weight."""
        if self.settings.value_loss == "squared":
            return error.square()
        return smooth_l1_loss(error, torch.zeros_like(error), reduction="none")

    def of_values(self, error: Tensor) -> Tensor:
        """Gradient of the weighted `value_loss` with respect to the values."""
        if self.settings.value_loss == "squared":
            return error * (2 * self.settings.value_weight)
        return error.clamp(-1, 1) * self.settings.value_weight

    def of_entropy(self, heads: Heads) -> Tensor | None:
        """Gradient with respect to the entropy, the same everywhere; None where the entropy does not count."""
        weight = self.settings.entropy_weight
        return torch.full((), -weight, device=heads.values.device).expand_as(heads.values) if weight else None

    def minimised(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum (T, b) of losses."""
        return functools.reduce(torch.add, [weight * losses[name] for name, weight in self.weights.items()])

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each of these in the minimised sum; without the entropy if it has none."""
        entropy = {"entropy": -self.settings.entropy_weight} if self.settings.entropy_weight else {}
        return {"loss/policy": 1.0, "loss/value": self.settings.value_weight, **entropy}
