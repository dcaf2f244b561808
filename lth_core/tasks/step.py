"""The result of one step of a stack's environments, and their time limit."""

from typing import Any, NamedTuple

import numpy.typing as npt

Array = npt.NDArray[Any]
UNLIMITED = 2**31
"""The value of `Environments.limit` without a time limit."""


class Step(NamedTuple):
    """One step of all environments; T tickets, E environments each, D observation entries.

    observations (T, E, D) float32: after the reset if the episode ended. last_observations (T, E, D): before the
    reset; None if no episode ended. rewards (T, E) float32, terminated and truncated (T, E) bool.
    earned (T, E) and finished (T, E): rewards and ends for scores, if they differ from those for training.
    For images, D is channels, height, width, and observations are uint8.
    """

    observations: Array
    last_observations: Array | None
    rewards: Array
    terminated: Array
    truncated: Array
    earned: Array | None = None
    finished: Array | None = None

    @property
    def ended(self) -> Array:
        """Where an episode ended (T, E)."""
        ended: Array = self.terminated | self.truncated
        return ended

    @property
    def scored(self) -> tuple[Array, Array]:
        """Rewards (T, E) and ends (T, E) of the scored episodes."""
        rewards = self.rewards if self.earned is None else self.earned
        return rewards, self.ended if self.finished is None else self.finished
