"""Epsilon-greedy actions: the one of the highest value, but for a share at random."""

import numpy as np

from lth_core.training.stack import Array


class EpsilonGreedy:
    """One of A actions. Random numbers are passed in, each ticket's from its own stream."""

    def __init__(self, epsilon: Array | float) -> None:
        """epsilon: the share of random actions, (T, 1) or one for all."""
        self._epsilon = np.asarray(epsilon, np.float32)

    @staticmethod
    def noise(rng: np.random.Generator, *shape: int) -> Array:
        """The random numbers (*shape, 2) that `sample` needs for actions of this shape."""
        return rng.random((*shape, 2), np.float32)

    def sample(self, values: Array, noise: Array, valid: Array | None = None) -> Array:
        """Actions (T, E) from values (T, E, A) and uniform numbers (T, E, 2): whether to explore, and which action."""
        count = values.shape[-1]
        at_random = np.minimum((noise[..., 1] * np.float32(count)).astype(np.int64), count - 1)
        found: Array = np.where(noise[..., 0] < self._epsilon, at_random, self.greedy(values))
        return found

    @staticmethod
    def greedy(values: Array, valid: Array | None = None) -> Array:
        """The action (T, E) of the highest value; the first of equals."""
        found: Array = values.argmax(-1)
        return found
