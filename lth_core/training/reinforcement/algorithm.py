"""An algorithm of reinforcement learning: a loss, and how often a rollout is used.

The loss is written once. Training, reports and criteria that need its gradient before training all call it.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, NamedTuple, TypeVar

from torch import Tensor

from lth_core.settings.reinforcement import ActorCriticTraining

Settings = TypeVar("Settings", bound=ActorCriticTraining)


class Transitions(NamedTuple):
    """b transitions of each ticket: observations (T, b, ...), actions (T, b) or (T, b, A), the rest (T, b).

    log_p, values: of the network that acted; valid: see Rollout.
    """

    observations: Tensor
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

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each of these in the minimised sum; without the entropy if it has none."""
        entropy = {"entropy": -self.settings.entropy_weight} if self.settings.entropy_weight else {}
        return {"loss/policy": 1.0, "loss/value": self.settings.value_weight, **entropy}
