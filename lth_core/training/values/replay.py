"""The replay buffers of a stack's tickets in one array, and uniform draws from them.

All tickets have played equally many steps, so that one position serves all. Entries are numbered from 0 in the order
in which they are played; number k has the slot k modulo the number of slots.
"""

import math
import tempfile
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lth_core.tasks.step import Step
from lth_core.training.stack import Array

LIMIT = 2 * 2**30
"""Bytes up to which the buffers are in memory. Larger ones are a file without a name, in the folder for temporary files
(TMPDIR): the system writes out what it lacks memory for, and the space is free again when the process ends."""
_CHOICE = np.zeros((), np.int32)
GOES_ON, TERMINATED, CUT = 0, 1, 2
"""How an episode goes on after a transition; CUT: by a time limit, or by a restart of the environments."""


class Batch(NamedTuple):
    """B drawn transitions of each ticket: seen, following and actions (T, B, ...), the rest (T, B).

    earned: the discounted sum of up to n rewards. factor: of the value of what follows, zero after a termination.
    """

    seen: Array
    actions: Array
    earned: Array
    following: Array
    factor: Array


class Replay:
    """The last `slots` steps of T tickets with E environments each."""

    def __init__(
        self, tickets: int, slots: int, environments: int, observation: Array, action: Array = _CHOICE,
        steps: float = math.inf,
    ) -> None:  # fmt: skip
        """observation, action: one of each, of its shape and type. steps: of each environment, at most."""
        self._entry = np.dtype(
            [
                ("seen", observation.dtype, observation.shape), ("following", observation.dtype, observation.shape),
                ("reward", np.float32), ("action", action.dtype, action.shape), ("end", np.int32),
            ]
        )  # fmt: skip
        self.slots, self.environments, self.total = slots, environments, 0
        shape = (tickets, slots, environments)
        self._array = _room(shape, self._entry)
        self._rows, self._steps = np.arange(tickets), steps

    @property
    def first(self) -> int:
        """The number of the oldest entry that is kept."""
        return max(0, self.total - self.slots)

    @property
    def bytes(self) -> int:
        """Of all present tickets' buffers, as full as they become."""
        return len(self._rows) * self.bytes_of_step * int(min(self.slots, self._steps))

    @property
    def bytes_of_step(self) -> int:
        """Of one step of one ticket in all its environments."""
        return self._entry.itemsize * self.environments

    def add(self, seen: Array, actions: Array, step: Step) -> None:
        """Add a step: observations (T, E, ...) before it, actions (T, E, ...), and what the environments returned."""
        own = np.empty(step.rewards.shape, self._entry)
        own["seen"], own["action"], own["reward"] = seen, actions, step.rewards
        own["following"] = step.observations
        ended = step.terminated | step.truncated
        if step.last_observations is not None:
            own["following"][ended] = step.last_observations[ended]
        own["end"] = np.where(step.terminated, TERMINATED, np.where(step.truncated, CUT, GOES_ON))
        self._array[self._rows, self.total % self.slots] = own
        self.total += 1

    def cut(self) -> None:
        """The last step's episodes do not go on, though nothing ended them: the environments were restarted."""
        if self.total:
            slot = (self.total - 1) % self.slots
            ends = self._array[self._rows, slot]["end"]
            self._array["end"][self._rows, slot] = np.where(ends == GOES_ON, CUT, ends)

    def count(self, n: int) -> int:
        """How many transitions a draw chooses from, of each ticket, if targets add up n rewards."""
        return (min(self.total, self.slots) - n + 1) * self.environments

    def entry(self, ticket: int, number: int, environment: int) -> np.void:
        """One entry by its number."""
        found: np.void = self._array[self._rows[ticket], number % self.slots, environment]
        return found

    def entries(self, places: Array) -> Array:
        """The entries (T, ...) at places (T, ...), counted from the oldest, environment by environment."""
        return self._later(places, 0)

    def _later(self, places: Array, by: int) -> Array:
        steps, environment = np.divmod(places, self.environments)
        slots = (steps + (self.first + by)) % self.slots
        rows = self._rows.reshape(-1, *[1] * (places.ndim - 1)) * self.slots
        found: Array = self._array.reshape(-1).take((rows + slots) * self.environments + environment)
        return found

    def batch(self, places: Array, n: int, gamma: float, scale: float) -> Batch:
        """The transitions at places (T, ...) below `count`; rewards are multiplied by `scale`."""
        own = self._later(places, 0)
        earned = own["reward"] * np.float32(scale)
        following, end = np.ascontiguousarray(own["following"]), own["end"].copy()
        factor = np.full(places.shape, gamma, np.float32)
        for by in range(1, n):
            on = end == GOES_ON
            if not on.any():
                break
            later = self._later(places, by)
            earned[on] += (factor * (later["reward"] * np.float32(scale)))[on]
            following[on] = later["following"][on]
            end[on] = later["end"][on]
            factor[on] *= np.float32(gamma)
        factor[end == TERMINATED] = 0.0
        actions = own["action"]
        taken = actions.astype(np.int64) if actions.dtype == np.int32 else np.ascontiguousarray(actions)
        return Batch(np.ascontiguousarray(own["seen"]), taken, earned, following, factor)

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these; the array stays as it is."""
        self._rows = self._rows[list(tickets)]

    def since(self, number: int) -> Array:
        """The entries from this number on, which is at least `first`: bytes (T, n, E, of an entry)."""
        slots = np.arange(number, self.total) % self.slots
        found = self._array[self._rows[:, None], slots]
        return found.reshape(*found.shape, 1).view(np.uint8).reshape(*found.shape, -1)

    def fill(self, number: int, entries: Array) -> None:
        """Put back what `since(number)` gave, on the same tickets."""
        raw = np.ascontiguousarray(entries).view(self._entry)[..., 0]
        raw = raw[:, -self.slots :]
        self.total = number + entries.shape[1]
        slots = np.arange(self.total - raw.shape[1], self.total) % self.slots
        self._array[self._rows[:, None], slots] = raw


def _room(shape: tuple[int, ...], entry: np.dtype[np.void]) -> Array:
    size = int(np.prod(shape, dtype=np.int64)) * entry.itemsize
    if size <= LIMIT:
        return np.zeros(shape, entry)
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        return np.memmap(file, entry, "r+", shape=shape)
