"""What one step of the environments of a whole stack gives back."""

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Step:
    """One step of all environments; T tickets, E environments each, D observation entries.

    observations (T, E, D) float32: after a reset where the episode ended. last_observations (T, E, D): before
    the reset; None if no episode ended. rewards (T, E) float32, terminated and truncated (T, E) bool.
    """

    observations: Array
    last_observations: Array | None
    rewards: Array
    terminated: Array
    truncated: Array
