"""A stack: tickets of one shape trained together, each exactly as if it were alone.

The interface between a run and a training; how it trains is up to each kind of stack.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from lth_core.tickets.check import Check
from lth_core.tickets.mask import Mask, Weights

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
_T = TypeVar("_T")


def under(named: Mapping[str, _T], prefix: str) -> dict[str, _T]:
    """The entries whose names have this prefix, without it."""
    return {name.removeprefix(prefix): one for name, one in named.items() if name.startswith(prefix)}


class Interrupted(Exception):
    """An evaluation was asked to stop, and has no result."""


@dataclass(frozen=True)
class Start:
    """The start of one ticket of a stack. first, last: bounds of its counter, in `training.unit`.

    moves: how its mask will move, `set` or `rigl`; empty if it will not.
    statistics: those that the weights were trained with, see Stack.statistics; None: those of a new network.
    """

    seed: int
    weights: Weights
    mask: Mask
    first: int
    last: int
    optimizer: dict[str, Weights] | None = None
    statistics: Weights | None = None
    moves: str = ""


@dataclass(frozen=True)
class Calls:
    """An expected number of calls; after_all: only of what has not ended by itself within a few seconds."""

    number: float
    after_all: bool = False


class Log(Protocol):
    """What a stack's training only adds to: a checkpoint stores what is new since the one before. Entries are numbered
    from 0; each holds something of every ticket."""

    @property
    def first(self) -> int:
        """The number of the oldest entry that later training depends on."""

    @property
    def total(self) -> int:
        """How many entries there are, those included that are no longer needed."""

    @property
    def bytes(self) -> int:
        """The most bytes that the needed entries have."""

    def since(self, number: int) -> Array:
        """The entries (T, n, ...) from this number on, which is at least `first`."""

    def fill(self, number: int, entries: Array) -> None:
        """Put back entries (T, n, ...) from this number on."""


class Stack(ABC):
    """The training of a stack. `update` is one step of training; `state` and `restore` are exact.

    Gradients are masked before clipping and the optimizer; weights at the start and after every step; optimizer state
    starts masked.
    """

    def __init__(self, starts: Sequence[Start]) -> None:
        self.first = np.array([start.first for start in starts])
        self.last = np.array([start.last for start in starts])
        self.trained = 0
        """Steps of each ticket since its start."""
        self.rates = np.zeros(len(starts))
        """(T,) the sum of the learning rates of each ticket's updates."""
        self.log: Log | None = None
        """The part of its state that only grows, if it has one; not part of `state`."""

    @property
    def tickets(self) -> int:
        """How many tickets are in the stack."""
        return len(self.first)

    @property
    def steps_per_unit(self) -> int:
        """The most steps that one `training.unit` takes."""
        return 1

    @property
    def learns(self) -> bool:
        """Whether the last update took steps of the optimizer; before the first of them no mask moves."""
        return True

    @property
    def learns_from(self) -> int:
        """Steps at the beginning of a training in which nothing is learnt."""
        return 0

    @property
    @abstractmethod
    def counter(self) -> npt.NDArray[np.int64]:
        """(T,) each ticket's position between `first` and `last`, in `training.unit`."""

    @property
    def position(self) -> npt.NDArray[np.int64]:
        """(T,) each ticket's position in its schedule, in `training.unit`: its counter.

        A ticket that starts below zero first trains as the dense run does from its start.
        """
        found: npt.NDArray[np.int64] = np.where(self.counter < 0, self.counter - self.first, self.counter)
        return found

    @abstractmethod
    def update(self) -> None:
        """Train every ticket once; adds the steps to `trained`."""

    def warm_up(self) -> None:
        """Train until updates and evaluations cost what later ones do, for a measurement; not part of any training."""
        self.update()

    @abstractmethod
    def weights(self, ticket: int) -> Weights:
        """Copies of one ticket's current parameters."""

    @abstractmethod
    def optimizer_state(self, ticket: int) -> dict[str, Weights]:
        """Copies of one ticket's optimizer entries; `count` under the name "count"."""

    def followers(self, ticket: int) -> dict[str, Weights]:
        """Copies of the networks that follow the ticket's and have its mask, as target networks do, by name."""
        return {}

    def statistics(self, ticket: int) -> Weights:
        """What the network needs beside its parameters to compute as in training, by name: its buffers, or the running
        statistics of its observations."""
        return {}

    def scored(self, ticket: int) -> Weights:
        """The weights and buffers that `evaluate` uses, if they are others than `weights`; else nothing."""
        return {}

    def drawn(self, ticket: int) -> dict[str, str]:
        """Digests of what the ticket drew from its random streams and data, by name: see `drawn.Drawn`."""
        return {}

    def checks(self, ticket: int, seed: int, score: float) -> list[Check]:
        """The audit of an ended ticket of this chain, with this score, by what the stack saw while it trained."""
        return []

    @abstractmethod
    def broken(self) -> list[int]:
        """Tickets with a parameter that is not finite."""

    def faults(self) -> dict[int, str]:
        """Tickets that cannot continue for a cause outside their parameters, with a sentence."""
        return {}

    def unscored(self, ticket: int) -> str:
        """A sentence why an ended ticket may have no score."""
        return "its score is not a number"

    @abstractmethod
    def metrics(self) -> list[dict[str, float]]:
        """Values to record for each ticket now, by metric name."""

    def recorded(self, tickets: Sequence[int]) -> None:  # noqa: B027 most have nothing that begins anew
        """The values of these tickets were recorded: what are means since the last record begin anew."""

    def form(self) -> str:
        """A sentence on how the tickets are computed, where the experiment leaves a choice; else empty."""
        return ""

    def validate(self, go_on: Callable[[], bool]) -> list[dict[str, float]]:
        """More values to record, which take long to compute. Raises Interrupted once `go_on` returns False."""
        return [{} for _ in range(self.tickets)]

    @abstractmethod
    def evaluate(self, rows: Sequence[int], go_on: Callable[[], bool]) -> list[dict[str, float]]:
        """Final scores of these ended tickets, by metric name. Raises Interrupted once `go_on` returns False."""

    def evaluation_calls(self) -> Calls | None:
        """How often `evaluate` calls `go_on` after a training; None: as often as before it."""
        return None

    @abstractmethod
    def forget(self, ticket: int) -> None:
        """Drop the ticket's scores so far, because they belong to an earlier mask."""

    @abstractmethod
    def narrow(self, ticket: int, mask: Mask) -> None:
        """Apply another mask to weights and optimizer state: a smaller one, or one that has moved. Entries that come
        alive start at zero in both, as they were while they were dead."""

    def gradient(self, ticket: int) -> Weights:
        """The gradient that the last step of the optimizer had for all parameters, dead ones included, before masks
        and clipping; in stacks with a ticket whose mask moves."""
        raise ValueError("this training keeps no gradients of dead weights")

    @property
    def done(self) -> npt.NDArray[np.float64]:
        """(T,) the share of each training that is done, in steps where these are known before."""
        share: npt.NDArray[np.float64] = (self.counter - self.first) / (self.last - self.first)
        return share

    @abstractmethod
    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these, whose training continues unchanged."""

    @property
    def can_save(self) -> bool:
        """Whether the state can be saved after any update; otherwise only after `restart`."""
        return True

    def restart(self) -> None:  # noqa: B027 most have nothing that cannot be saved
        """Reset what cannot be saved to a state that depends only on `trained`."""

    @abstractmethod
    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """Everything that later training depends on, as arrays and JSON values."""

    @abstractmethod
    def restore(self, arrays: Arrays, values: dict[str, Any]) -> None:
        """The inverse of `state`, on a stack of the same tickets."""
