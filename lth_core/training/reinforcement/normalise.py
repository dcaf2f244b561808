"""Running statistics of each ticket of a stack, for normalising observations and rewards.

All samples count equally. In double precision, with Chan's formula for merging two samples.
"""

from collections.abc import Sequence

import numpy as np

from lth_core.training.stack import Array

LIMIT = 10.0
"""Normalised values are clipped to this many standard deviations."""
EPSILON = 1e-8


class Moments:
    """Mean and variance (T, *shape) of all samples of each of T tickets; without samples: mean 0, variance 1."""

    def __init__(self, *shape: int) -> None:
        self.mean, self.variance, self.count = np.zeros(shape), np.ones(shape), np.zeros(shape[0])

    def add(self, samples: Array) -> None:
        """Add samples (T, E, *shape)."""
        samples = samples.astype(np.float64)
        number = samples.shape[1]
        mean, variance = samples.mean(axis=1), samples.var(axis=1)
        so_far = self.count.reshape(-1, *[1] * (mean.ndim - 1))
        total = so_far + number
        apart = mean - self.mean
        before = self.variance * so_far + apart**2 * (so_far * number / total)
        self.variance = (before + variance * number) / total
        self.mean += apart * (number / total)
        self.count = self.count + number

    @property
    def deviation(self) -> Array:
        """Standard deviation (T, *shape)."""
        found: Array = np.sqrt(self.variance + EPSILON)
        return found

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all tickets but these."""
        self.mean, self.variance, self.count = (x[list(rows)] for x in (self.mean, self.variance, self.count))

    def of(self, row: int) -> dict[str, Array]:
        """Mean, variance and count of one ticket, as arrays of at least one dimension."""
        return {n: np.atleast_1d(getattr(self, n)[row]).copy() for n in ("mean", "variance", "count")}

    def know(self, row: int, known: dict[str, Array]) -> None:
        """The inverse of `of`; without a count, mean and variance apply only until the first samples."""
        for name, one in known.items():
            getattr(self, name)[row] = one if one.shape == getattr(self, name)[row].shape else one[0]

    def state(self) -> dict[str, Array]:
        """The state as arrays."""
        return {"mean": self.mean.copy(), "variance": self.variance.copy(), "count": self.count.copy()}

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of `state`."""
        self.mean, self.variance = arrays["mean"].copy(), arrays["variance"].copy()
        self.count = arrays["count"].copy()


class Observations(Moments):
    """Observations of T tickets with D entries."""

    def normalised(self, observations: Array, rows: Sequence[int] | None = None) -> Array:
        """Normalised observations (T, E, D) float32, not added to the statistics; of tickets `rows`, or of all."""
        chosen = slice(None) if rows is None else list(rows)
        found = (observations - self.mean[chosen, None]) / self.deviation[chosen, None]
        limited: Array = np.clip(found, -LIMIT, LIMIT).astype(np.float32)
        return limited


class Returns(Moments):
    """Running discounted returns of T tickets in E environments; rewards are divided by their standard deviation."""

    def __init__(self, tickets: int, environments: int, gamma: float) -> None:
        super().__init__(tickets)
        self._gamma, self._running = gamma, np.zeros((tickets, environments))

    def normalised(self, rewards: Array, ends: Array) -> Array:
        """Normalised rewards (T, E) of one step, after adding them. ends: (T, E), where an episode ended."""
        self._running = self._running * self._gamma + rewards
        self.add(self._running)
        self._running[ends] = 0.0
        found: Array = np.clip(rewards / self.deviation[:, None], -LIMIT, LIMIT).astype(np.float32)
        return found

    def restart(self) -> None:
        """Forget the unfinished episodes."""
        self._running[:] = 0.0

    def keep(self, rows: Sequence[int]) -> None:
        """See Moments."""
        super().keep(rows)
        self._running = self._running[list(rows)]

    def state(self) -> dict[str, Array]:
        """See Moments."""
        return {**super().state(), "running": self._running.copy()}

    def restore(self, arrays: dict[str, Array]) -> None:
        """See Moments."""
        super().restore(arrays)
        self._running = arrays["running"].copy()
