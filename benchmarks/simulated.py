"""What simulations of the statistics share: rows of their table, and how often something happens."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SEEDS = (5, 6, 8, 10, 20)
Draw = Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True)
class Row:
    """A line of the table: what is counted, what it should be (a text), and the share found for each n."""

    what: str
    promised: str
    shares: tuple[float | None, ...]
    runs: int


def share(runs: int, happens: Callable[[np.random.Generator], bool], seed: int = 0) -> float:
    """How often `happens` is true over so many runs, each with its own random numbers."""
    return sum(happens(np.random.default_rng([seed, run])) for run in range(runs)) / runs
