"""How many seeds a question needs: the fewest that can decide, and an estimate of how many more would decide."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

LEVEL = 0.05
"""The level of every test: two-sided, or one-sided for claims in one direction."""
POWER = 0.8
"""The power of `seeds_needed`."""
MOST_SEEDS = 1000
"""The largest number of seeds that is reported."""


def fewest_seeds(tests: int = 1, *, greater: bool = False) -> int:
    """The fewest pairs with which a sign-flip test (one-sided if `greater`) can pass Holm among this many tests."""
    sides = 1 if greater else 2
    n = 1
    while sides / 2**n > LEVEL / max(tests, 1):
        n += 1
    return n


def seeds_needed(effects: Sequence[float], tests: int = 1, *, greater: bool = False) -> int | None:
    """Seeds with which a paired test decides in 4 of 5 cases, if mean and spread are those of these effects.

    n = (z_a + z_b)^2 / d^2 + z_a^2 / 2, d = mean / standard deviation, a the level over `tests` (the strictest step
    of Holm), b = 1 - power (Guenther 1981, the usual approximation for the paired t test). None if the effects have no
    direction, or if more than MOST_SEEDS are needed. An estimate from few seeds is rough.
    """
    data = np.asarray(effects, np.float64)
    if data.size < 2:
        return None
    mean, spread = float(data.mean()), float(data.std(ddof=1))
    if mean == 0 or (greater and mean < 0):
        return None
    d = abs(mean) / spread if spread > 0 else math.inf
    normal = NormalDist()
    z_a = normal.inv_cdf(1 - LEVEL / max(tests, 1) / (1 if greater else 2))
    n = (z_a + normal.inv_cdf(POWER)) ** 2 / d**2 + z_a**2 / 2
    return max(math.ceil(n), fewest_seeds(tests, greater=greater)) if n <= MOST_SEEDS else None


def more_seeds(effects: Sequence[float], tests: int = 1, *, greater: bool = False) -> str:
    """`a new job with about 13 seeds would decide it`, if the effect is as measured; or that no number would."""
    return said(len(effects), seeds_needed(effects, tests, greater=greater))


def more_seeds_within(effects: Sequence[float], margin: float | None) -> str:
    """Like `more_seeds`, for a question decided by a difference, or by showing none larger than the margin."""
    found = [seeds_needed(effects)]
    if margin is not None:
        sides = [[margin + e for e in effects], [margin - e for e in effects]]
        both = [seeds_needed(side, greater=True) for side in sides]
        found.append(None if None in both else max(n for n in both if n is not None))
    return said(len(effects), min((n for n in found if n is not None), default=None))


def said(have: int, needed: int | None) -> str:
    """The sentence; empty below two seeds."""
    if needed is None:
        return f"no number of seeds up to {MOST_SEEDS} would decide it" if have > 1 else ""
    # Adding seeds to these until a test decides would make it wrong in more than 5 %.
    return f"a new job with about {max(needed, have + 1)} seeds would decide it"
