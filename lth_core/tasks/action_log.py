"""The actions of unfinished episodes, from which an episode can be replayed."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lth_core.tasks.step import Array


class ActionLog:
    """Actions of T tickets in E environments since the start of each current episode.

    Its size is the age of the oldest episode times T * E actions.
    """

    def __init__(self, tickets: int, count: int, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self._taken = np.empty((16, tickets, count, *shape), dtype)
        self._length = 0
        self._began = np.zeros((tickets, count), np.int64)

    def add(self, actions: Array) -> None:
        """One action (T, E, *shape) in every environment."""
        if self._length == len(self._taken):
            self._make_room()
        self._taken[self._length] = actions
        self._length += 1

    def _make_room(self) -> None:
        living, self._began = self._living()
        self._taken = np.empty((max(16, 2 * len(living)), *living.shape[1:]), living.dtype)
        self._length = len(living)
        self._taken[: self._length] = living

    def _living(self) -> tuple[Array, Array]:
        oldest = int(self._began.min())
        return self._taken[oldest : self._length], self._began - oldest

    def begin(self, ended: Array) -> None:
        """Start new episodes where `ended` (T, E)."""
        self._began[ended] = self._length

    @property
    def ages(self) -> Array:
        """Number of actions so far in each episode (T, E)."""
        ages: Array = self._length - self._began
        return ages

    def of(self, ticket: int, environment: int) -> Array:
        """The actions of one episode so far (n, *shape)."""
        return self._taken[self._began[ticket, environment] : self._length, ticket, environment]

    def keep(self, tickets: Sequence[int]) -> None:
        """Keep only these tickets."""
        self._taken, self._began = self._taken[:, list(tickets)], self._began[list(tickets)]

    def state(self) -> dict[str, Array]:
        """Everything, as arrays."""
        living, began = self._living()
        return {"actions": living.copy(), "began": began}

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of `state`."""
        self._taken, self._began = arrays["actions"].copy(), arrays["began"].copy()
        self._length = len(self._taken)
