"""What an environment's spaces are to a network: a flat vector in, logits or means out."""

from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from lth_core.errors import InputError
from lth_core.tasks.step import Array
from lth_core.text import one_line

_PLAIN = (spaces.Box, spaces.Discrete, spaces.MultiBinary, spaces.MultiDiscrete)
_INFINITE = 1e15
"""Bounds from here on are none: some environments write the largest float for infinity."""


@dataclass(frozen=True)
class Observations:
    """A space of observations as vectors of `size` entries: boxes flattened, discrete parts one-hot."""

    space: gymnasium.Space[Any]
    size: int

    def flat(self, observation: Any) -> Array:
        """The vector (size,) float32 of one observation; ValueError where it is not of the space's shape."""
        if isinstance(self.space, spaces.Box):
            found = np.asarray(observation, np.float32)
            if found.shape != self.space.shape:
                raise ValueError(f"an observation of shape {found.shape}, not {self.space.shape}")
            return found.reshape(-1)
        flat = np.asarray(spaces.flatten(self.space, observation), np.float32)
        if flat.shape != (self.size,):
            raise ValueError(f"an observation of {flat.size} numbers, not {self.size}")
        return flat


@dataclass(frozen=True)
class Actions:
    """A space of actions: `count` choices, or `count` numbers if continuous.

    Continuous actions are scaled so that [-1, 1] is the whole box where its bounds are finite, and then clipped
    to the box: a policy that starts with mean 0 and standard deviation 1 explores all of it, whatever its units.
    Scaling and not tanh, so that log-probabilities and entropy are a Gaussian's own; those of the action before
    it was clipped, as is usual. Infinite bounds leave a number as it is.
    """

    count: int
    continuous: bool
    start: int = 0
    shape: tuple[int, ...] = ()
    low: Array | None = None
    high: Array | None = None

    def translated(self, actions: Array) -> Array:
        """What environments take: (...) int64 choices, or (..., count) float32 numbers in the box."""
        if self.low is None or self.high is None:
            return actions + self.start if self.start else actions
        finite = (np.abs(self.low) < _INFINITE) & (np.abs(self.high) < _INFINITE)
        low, high = np.where(finite, self.low, -1), np.where(finite, self.high, 1)
        scaled = actions * ((high - low) / 2).astype(np.float32) + ((high + low) / 2).astype(np.float32)
        # A network that diverged says nan, which physics engines abort on; its ticket is found out by its weights.
        clipped: Array = np.clip(np.nan_to_num(scaled, nan=0.0), self.low, self.high)
        return clipped


def observations(environment: str, space: gymnasium.Space[Any]) -> Observations:
    """How to flatten this space; raises InputError where it has no fixed size, or nothing in it."""
    size = spaces.flatdim(space) if _has_fixed_size(space) else 0
    if size == 0:
        raise InputError(
            f'task.environment "{environment}": observation {one_line(space)}: accepted are spaces of a fixed size '
            "(Box, Discrete, MultiBinary, MultiDiscrete, and Dict and Tuple of these)"
        )
    return Observations(space, size)


def _has_fixed_size(space: gymnasium.Space[Any]) -> bool:
    if isinstance(space, spaces.Dict):
        return all(map(_has_fixed_size, space.spaces.values()))
    if isinstance(space, spaces.Tuple):
        return all(map(_has_fixed_size, space.spaces))
    return isinstance(space, _PLAIN)


def actions(environment: str, space: gymnasium.Space[Any]) -> Actions:
    """How to act in this space; raises InputError for anything but a Discrete and a Box of floating-point numbers."""
    if isinstance(space, spaces.Discrete):
        return Actions(int(space.n), False, int(space.start))
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating) and space.low.size > 0:
        low, high = (np.asarray(bound, np.float32).reshape(-1) for bound in (space.low, space.high))
        return Actions(low.size, True, 0, tuple(space.shape), low, high)
    raise InputError(
        f'task.environment "{environment}": action {one_line(space)}: '
        "accepted are Discrete, and a Box of floating-point numbers"
    )
