"""What an algorithm of reinforcement learning is: a loss, and how often a rollout is gone through.

The loss stands once. Training, reports and the criteria that ask for its gradient before training all call it.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, NamedTuple, TypeVar

from torch import Tensor

from lth_core.settings.reinforcement import ActorCriticTraining

Settings = TypeVar("Settings", bound=ActorCriticTraining)


class Transitions(NamedTuple):
    """b transitions of each ticket: observations (T, b, ...), actions (T, b) or (T, b, A), the rest (T, b).

    log_p and values are of the network that acted; valid: see Rollout.
    """

    observations: Tensor
    actions: Tensor
    log_p: Tensor
    values: Tensor
    targets: Tensor
    advantages: Tensor
    valid: tuple[Tensor, ...] = ()


class Heads(NamedTuple):
    """What the network's heads say of transitions now, (T, b) each: of the actions that were taken, and of states."""

    log_p: Tensor
    entropy: Tensor
    values: Tensor


class Algorithm(ABC, Generic[Settings]):
    """An algorithm with the settings of its `[training]`."""

    kind: ClassVar[type[ActorCriticTraining]]
    """The settings that ask for it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def epochs(self) -> int:
        """How often learning goes through a rollout in an order of its own.

        0: once, whole and in the order that it is in, with the activations of all layers while acting.
        """
        return 0

    @property
    def minibatches(self) -> int:
        """Into how many equal parts each epoch cuts a rollout; each is a gradient step."""
        return 1

    @abstractmethod
    def losses(self, heads: Heads, taken: Transitions) -> dict[str, Tensor]:
        """`loss/policy`, `loss/value` and `entropy` (T, b), and what else is worth a curve.

        Differentiable with respect to the heads. It runs inside a CUDA graph: no waiting for the GPU, and shapes that
        follow from those of the arguments.
        """

    @property
    def weights(self) -> dict[str, float]:
        """How much each of these counts in what is minimised, their sum; without the entropy where it does not."""
        entropy = {"entropy": -self.settings.entropy_weight} if self.settings.entropy_weight else {}
        return {"loss/policy": 1.0, "loss/value": self.settings.value_weight, **entropy}
