"""A weighted sum of arms, seed by seed: is it above zero, below, or shown to be near zero?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lth_core.analysis.collapse import fallen
from lth_core.analysis.comparison import with_lost
from lth_core.analysis.effect import EQUIVALENT
from lth_core.analysis.matching import margin_of
from lth_core.analysis.power import LEVEL
from lth_core.analysis.scores import JobScores
from lth_core.analysis.statistics import Interval, bootstrap, sign_flip_p
from lth_core.analysis.trials import have_ended
from lth_core.experiment.arms import DENSE

Word = Literal["above", "below", "near zero", "open"]


@dataclass(frozen=True)
class Contrast:
    """The sum over seeds: interquartile mean with its interval, turned so that more is better.

    p: sign-flip, two-sided, lost seeds count against. near: the one-sided p's against less by the margin or more, and
    more by it; None without a margin. density: of the round it was taken at, None for the mean over
    rounds. ended: whether all trials of its arms have ended. apart: where the mean over rounds hides that single ones
    lie on both sides of zero, each shown by itself, the lowest and the highest round's sum. fallen, risen: how many
    seeds lose, or gain, more than a quarter of the dense network's gain (see `collapse`). agree: whether the mean,
    which p is about, has the sign of the interquartile mean, which the interval is about.
    """

    value: Interval
    p: float
    near: tuple[float, float] | None
    margin: float | None
    density: float | None
    rounds: int
    lost: int
    ended: bool
    apart: tuple[float, float] | None = None
    fallen: int = 0
    risen: int = 0
    agree: bool = True

    def word(self, p: float) -> Word:
        """The answer, with p as corrected over a family."""
        found = self.value
        if not self.ended or found.n < 2:
            return "open"
        if self.agree and p <= LEVEL and (found.low > 0 or found.high < 0):
            return "above" if found.value > 0 else "below"
        return "near zero" if self.near_zero else "open"

    @property
    def no_loss(self) -> bool:
        """Whether it is shown to be no further below zero than the margin, though it may be seen to be below.

        Not where a seed has fallen, which the interquartile mean would hide.
        """
        if not self.ended or self.value.n < 2 or self.lost or self.fallen or self.margin is None or self.near is None:
            return False
        return self.value.low > -self.margin and self.near[0] <= LEVEL

    @property
    def near_zero(self) -> bool:
        """Whether it is shown to lie within the margin around zero, though it may be seen to differ from it.

        Not where a seed has fallen or risen: which of two arms is subtracted makes no difference.
        """
        if self.margin is None or self.near is None or self.risen:
            return False
        return self.no_loss and self.value.high < self.margin and self.near[1] <= LEVEL


@dataclass(frozen=True)
class Sums:
    """A weighted sum of arms by seed. each: by seed, of each round that it is the mean of; lost: seeds that lost
    a trial of these arms; see Contrast for the rest."""

    by_seed: Mapping[int, float]
    each: Sequence[Mapping[int, float]]
    density: float | None
    lost: frozenset[int]
    ended: bool
    margin: float | None


def sums(scores: JobScores, weights: Mapping[str, float], density: float | None = None) -> Sums:
    """Of each seed, the sum of weight x score over arms, turned so that more is better: at the round nearest to a
    density of the first arm, or the mean over all rounds that every seed has finished.

    The dense network's score counts at each round.
    """
    arms = list(weights)
    ended = have_ended(t for t in scores.trials if t.arm in arms)
    lost = frozenset(scores.lost_seeds(*arms))
    chosen = range(1, scores.experiment.pruning.rounds + 1)
    if density is not None:
        first = next(arm for arm in arms if arm != DENSE)
        chosen = range(place := nearest(scores, first, density), place + 1)
        density = scores.density(first, place)
    found: list[dict[int, float]] = []
    for round in chosen:
        own = {arm: scores.raw(arm, round) for arm in arms}
        seeds = set.intersection(*(set(one) for one in own.values())) - lost
        found.append({s: scores.sign * sum(w * own[arm][s] for arm, w in weights.items()) for s in seeds})
    started = set().union(*found)
    complete = [one for one in found if one and one.keys() == started]
    by_seed = {seed: float(np.mean([one[seed] for one in complete])) for seed in sorted(started) if complete}
    return Sums(by_seed, complete, density, lost, ended, margin_of(scores))


def contrast(found: Sums, less: Sums | None = None) -> Contrast:
    """These sums, or what is left after subtracting those of another job seed by seed."""
    by_seed, each, lost, ended = found.by_seed, found.each, found.lost, found.ended
    if less is not None:
        by_seed = _without(by_seed, less.by_seed)
        each = [_without(one, other) for one, other in zip(each, less.each, strict=False)]
        lost, ended = lost | less.lost, ended and less.ended
    numbers = [by_seed[seed] for seed in sorted(by_seed)]
    value = bootstrap(numbers)
    return Contrast(
        value, sign_flip_p(with_lost(numbers, len(lost))), _near(numbers, found.margin), found.margin,
        found.density, len(found.each), len(lost), ended, _apart(each),
        *((0, 0) if found.margin is None else _fallen_risen(numbers, found.margin / EQUIVALENT)),
        agree=sum(numbers) * value.value > 0,
    )  # fmt: skip


def _fallen_risen(numbers: Sequence[float], gain: float) -> tuple[int, int]:
    return fallen(numbers, gain), fallen([-one for one in numbers], gain)


def _without(one: Mapping[int, float], other: Mapping[int, float]) -> dict[int, float]:
    return {seed: one[seed] - other[seed] for seed in one.keys() & other.keys()}


def _apart(each: Sequence[Mapping[int, float]]) -> tuple[float, float] | None:
    """The lowest and the highest round, if one is shown to be below zero and another above, each by itself."""
    clear = [list(one.values()) for one in each if sign_flip_p(list(one.values())) <= LEVEL]
    if len({sum(one) > 0 for one in clear}) < 2:
        return None  # without the price of the intervals
    found = [bootstrap(one) for one in clear]
    if not any(one.low > 0 for one in found) or not any(one.high < 0 for one in found):
        return None
    return min(one.value for one in found), max(one.value for one in found)


def nearest(scores: JobScores, arm: str, density: float) -> int:
    """The round of an arm whose density is nearest, on a logarithmic axis, to this one."""
    rounds = range(1, scores.experiment.pruning.rounds + 1)

    def distance(round: int) -> float:
        own = scores.density(arm, round)
        return abs(math.log(own / density)) if own > 0 else math.inf

    return min(rounds, key=distance)


def _near(numbers: Sequence[float], margin: float | None) -> tuple[float, float] | None:
    if margin is None or not numbers:
        return None
    below, above = [margin + one for one in numbers], [margin - one for one in numbers]
    return sign_flip_p(below, greater=True), sign_flip_p(above, greater=True)
