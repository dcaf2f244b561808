"""A stack: tickets of one shape trained together, each exactly as if it were alone, whatever they learn.

What a run needs to know of a training, and nothing of how it trains: that is for the kinds of stack.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from lth_core.tickets.mask import Mask, Weights

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
_T = TypeVar("_T")


def under(named: Mapping[str, _T], prefix: str) -> dict[str, _T]:
    """What is named with this prefix, without it."""
    return {name.removeprefix(prefix): one for name, one in named.items() if name.startswith(prefix)}


class Interrupted(Exception):
    """An evaluation was asked to stop; nothing came of it."""


@dataclass(frozen=True)
class Start:
    """What one ticket of a stack starts from; first and last bound its counter, in `training.unit`.

    statistics: those that the weights were trained with, see Stack.statistics; None for those of a new network.
    """

    seed: int
    weights: Weights
    mask: Mask
    first: int
    last: int
    optimizer: dict[str, Weights] | None = None
    statistics: Weights | None = None


class Stack(ABC):
    """The training of a stack. `update` is one turn; `keep` drops tickets; `state` and `restore` are exact.

    Gradients are masked before they are clipped and before the optimizer sees them, weights at the start and after
    every step; optimizer state starts masked.
    """

    def __init__(self, starts: Sequence[Start]) -> None:
        self.first = np.array([start.first for start in starts])
        self.last = np.array([start.last for start in starts])
        self.trained = 0
        """Steps of each ticket since its start."""

    @property
    def tickets(self) -> int:
        """How many tickets are in the stack."""
        return len(self.first)

    @property
    def steps_per_unit(self) -> int:
        """Steps that one of `training.unit` takes, at most."""
        return 1

    @property
    @abstractmethod
    def counter(self) -> npt.NDArray[np.int64]:
        """(T,) where each ticket stands between `first` and `last`, in `training.unit`."""

    @abstractmethod
    def update(self) -> None:
        """One turn of training of every ticket; adds its steps to `trained`."""

    @abstractmethod
    def weights(self, ticket: int) -> Weights:
        """Copies of one ticket's parameters, as they stand in the stack."""

    @abstractmethod
    def optimizer_state(self, ticket: int) -> dict[str, Weights]:
        """Copies of one ticket's optimizer entries; `count` under the name "count"."""

    def statistics(self, ticket: int) -> Weights:
        """What the network needs beside its parameters to compute what it did in training, by name: its buffers, or
        the running statistics of what it is shown."""
        return {}

    @abstractmethod
    def broken(self) -> list[int]:
        """Tickets with a parameter that is not finite."""

    def faults(self) -> dict[int, str]:
        """Tickets that cannot go on for a cause outside their parameters, and the cause in a sentence."""
        return {}

    def unscored(self, ticket: int) -> str:
        """Why a ticket that has ended may have no score, in a sentence."""
        return "its score is not a number"

    @abstractmethod
    def metrics(self) -> list[dict[str, float]]:
        """What is recorded of each ticket now, by metric name."""

    def validate(self, go_on: Callable[[], bool]) -> list[dict[str, float]]:
        """What is recorded beside `metrics` and takes long to find. Raises Interrupted once `go_on` says no."""
        return [{} for _ in range(self.tickets)]

    @abstractmethod
    def evaluate(self, rows: Sequence[int], go_on: Callable[[], bool]) -> list[dict[str, float]]:
        """What these tickets, which have ended, score, by metric name. Raises Interrupted once `go_on` says no."""

    @abstractmethod
    def forget(self, ticket: int) -> None:
        """What the ticket has scored so far no longer counts: its mask was another one."""

    @abstractmethod
    def narrow(self, ticket: int, mask: Mask) -> None:
        """From now on only what lives in this mask does, in weights and optimizer; it lies within the one before."""

    @abstractmethod
    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these; the others go on as if nothing had happened."""

    @property
    def can_save(self) -> bool:
        """Whether the state can be saved after any update; else only where `restart` was called."""
        return True

    def restart(self) -> None:  # noqa: B027 most have nothing that cannot be saved
        """Bring what cannot be saved into a state that follows from `trained` alone."""

    @abstractmethod
    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """Everything that the future depends on, as arrays and JSON values."""

    @abstractmethod
    def restore(self, arrays: Arrays, values: dict[str, Any]) -> None:
        """The inverse of `state`, on a stack of the same tickets."""
