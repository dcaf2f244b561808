"""What one step of the environments of a whole stack gives back, and how long they go on."""

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
UNLIMITED = 2**31
"""Steps of an episode that no time limit truncates, as `Environments.limit` says it."""


@dataclass(frozen=True)
class Step:
    """One step of all environments; T tickets, E environments each, D observation entries.

    observations (T, E, D) float32: after a reset where the episode ended. last_observations (T, E, D): before
    the reset; None if no episode ended. rewards (T, E) float32, terminated and truncated (T, E) bool.
    Where scores count other rewards, and longer episodes, than a training does: earned (T, E) and finished (T, E).
    Of images, D is channels, height, width, and observations are uint8.
    """

    observations: Array
    last_observations: Array | None
    rewards: Array
    terminated: Array
    truncated: Array
    earned: Array | None = None
    finished: Array | None = None

    @property
    def scored(self) -> tuple[Array, Array]:
        """Rewards (T, E) and ends (T, E) of the episodes that are scored."""
        rewards = self.rewards if self.earned is None else self.earned
        return rewards, self.terminated | self.truncated if self.finished is None else self.finished
