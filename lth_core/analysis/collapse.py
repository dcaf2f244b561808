"""Seeds that collapse: how many did, and what share may do so unseen.

An interquartile mean says what a typical seed does, and ignores a seed in ten that learns nothing.
"""

import math
from collections.abc import Sequence

from lth_core.analysis.power import LEVEL
from lth_core.analysis.scores import JobScores

COLLAPSED = 0.5
"""A seed has collapsed where it holds less than this part of the dense network's gain over the reference."""
FALLEN = 0.25
"""No ticket matches while a seed loses more than this part of that gain against its own dense run."""
RARE = 0.1
"""Share of seeds that fall: "matches" by itself, not only "typical seeds match", is said where more are excluded."""


def collapsed(scores: JobScores, arm: str, round: int) -> int | None:
    """How many finished seeds have collapsed; None where there is no scale to say it by."""
    if scores.scale is None or scores.zero is None:
        return None
    level = scores.turned(scores.zero) + COLLAPSED * scores.scale
    return sum(scores.turned(score) < level for score in scores.raw(arm, round).values())


def fallen(gains: Sequence[float], scale: float) -> int:
    """How many of the gains over the dense network are losses of more than FALLEN of its own gain."""
    return sum(gain < -FALLEN * scale for gain in gains)


def rare(gains: Sequence[float], scale: float | None) -> bool:
    """Whether these seeds exclude that more than a RARE share falls."""
    return scale is not None and upper_bound(fallen(gains, scale), len(gains)) <= RARE


def fallen_said(gains: Sequence[float], scale: float) -> str:
    """How many seeds fell, and how many may."""
    how_many = bound_said(fallen(gains, scale), len(gains))
    return f"seeds that lose over {FALLEN:.0%} of the dense network's gain: {how_many}"


def collapsed_means(seeds: int) -> str:
    """What the column counts, and what none of so many seeds cannot exclude."""
    may = f"{upper_bound(0, seeds):.0%}"
    return f"seeds with under {COLLAPSED:.0%} of the dense network's gain (0 of {seeds}: up to {may} may)"


def upper_bound(seen: int, of: int) -> float:
    """The largest share of seeds that may do what `seen` of `of` did: one-sided 95 % (Clopper & Pearson 1934)."""
    if seen >= of:
        return 1.0
    low, high = seen / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        chance = sum(math.comb(of, k) * middle**k * (1 - middle) ** (of - k) for k in range(seen + 1))
        low, high = (middle, high) if chance > LEVEL else (low, middle)
    return high


def fewest_to_exclude(share: float = RARE) -> int:
    """Seeds that it takes, none of which may fall, to exclude that more than this share falls."""
    return math.ceil(math.log(LEVEL) / math.log(1 - share))


def bound_said(seen: int, of: int) -> str:
    """`0 of 8, so up to 31% may (one-sided 95%)`."""
    return f"{seen} of {of}, so up to {upper_bound(seen, of):.0%} may (one-sided 95%)"
