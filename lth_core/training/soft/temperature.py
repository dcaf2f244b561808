"""The temperatures of a stack: one number for each ticket, learnt by Adam so that the entropy comes to its target.

On the host in double precision, each ticket's by itself, so that its bits do not depend on its stack.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lth_core.settings.soft import SAC

Numbers = npt.NDArray[np.float64]


class Temperature:
    """log: logarithms (T,) of the temperatures; target: the entropy that they lead to."""

    def __init__(self, settings: SAC, tickets: int, actions: int) -> None:
        self._settings = settings
        self.target = -float(actions) if settings.target_entropy is None else settings.target_entropy
        self.log: Numbers = np.full(tickets, math.log(settings.temperature))
        self._mean: Numbers = np.zeros(tickets)
        self._square: Numbers = np.zeros(tickets)
        self._count = 0
        self.rates: Numbers = np.zeros(tickets)
        """(T,) learning rates of the last step."""

    @property
    def values(self) -> Numbers:
        """(T,) the temperatures."""
        return np.array([math.exp(one) for one in self.log.tolist()])

    def step(self, log_p: Numbers, rate: Numbers) -> None:
        """One step at rates (T,) on mean log-probabilities (T,): of the loss -log temperature x (log p + target)."""
        if not self._settings.learn_temperature:
            return
        self.rates = rate
        (first, second), gradient = self._settings.adam_betas, -(log_p + self.target)
        self._count += 1
        self._mean = first * self._mean + (1 - first) * gradient
        self._square = second * self._square + (1 - second) * gradient * gradient
        mean, square = self._mean / (1 - first**self._count), self._square / (1 - second**self._count)
        self.log = self.log - rate * mean / (np.sqrt(square) + self._settings.epsilon)

    def of(self, ticket: int) -> tuple[float, float, float, int]:
        """A ticket's logarithm, mean and mean square of its gradients as Adam keeps them, and steps so far."""
        return float(self.log[ticket]), float(self._mean[ticket]), float(self._square[ticket]), self._count

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all tickets but these."""
        own = list(rows)
        self.log, self._mean, self._square = self.log[own], self._mean[own], self._square[own]

    def state(self) -> list[Any]:
        """The state as JSON values."""
        return [self.log.tolist(), self._mean.tolist(), self._square.tolist(), self._count]

    def restore(self, values: Sequence[Any]) -> None:
        """The inverse of `state`."""
        self.log, self._mean, self._square = (np.array(one, np.float64) for one in values[:3])
        self._count = int(values[3])
