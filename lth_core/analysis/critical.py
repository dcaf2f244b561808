"""The critical density: how far a chain can be pruned while it holds a stated part of the dense network's gain.

Per chain (an arm and a seed) scores are made monotone in density by an isotonic fit, and the density at which the fit
crosses the level is read off on a logarithmic axis. One bad round moves it little, and none has to be tested.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lth_core.analysis.ranks import median
from lth_core.analysis.scores import JobScores
from lth_core.analysis.statistics import Floats, Interval

HALF, MOST = 0.5, 0.9
SHARES = (HALF, MOST)
"""Parts of the dense network's gain over the reference score; comparisons of arms are at the first."""
FEWEST_ROUNDS = 2
"""Rounds of pruning without which no curve is fitted."""

Crossed = Literal["crosses", "stays above", "starts below"]


@dataclass(frozen=True)
class Chain:
    """Where one chain crosses the level. density: there; of one that stays above the lowest density that it was
    trained at, of one that starts below 1. Those two are censored: the true one is at most, or more than, that."""

    seed: int
    density: float
    how: Crossed


@dataclass(frozen=True)
class Critical:
    """The critical density of an arm: the median of its chains with a 95 % interval, None bounds below six chains.

    share: of the dense network's gain, `level` the score. floor: the lowest density trained at; above: how many chains
    never fall below the level, below: how many never reach it; lost: seeds left out because a trial failed.
    """

    arm: str
    share: float
    level: float
    density: Interval
    floor: float
    above: int
    below: int
    lost: int

    @property
    def crossed(self) -> bool:
        """Whether the median is known, and not censored."""
        return not _at(self.density.value, self.floor) and self.density.value < 1

    @property
    def text(self) -> str:
        """`3.4 % [2.6, 5.1]`, with `below` where the median is censored."""
        found = self.density
        if found.n == 0:
            return "-"
        value = said(found.value, self.floor)
        if not math.isfinite(found.low):
            return value
        return f"{value} [{_bare(found.low, self.floor)}, {_bare(found.high, self.floor)}]"


def said(density: float, floor: float) -> str:
    """A density in percent; `below 2.3 %` where it is not above the lowest that was trained at."""
    if _at(density, floor):
        return f"below {_digits(floor)}%"
    return "more than 100%" if density >= 1 else f"{_digits(density)}%"


def _at(density: float, floor: float) -> bool:
    """Whether it is the lowest that was trained at; a median of logarithms has other last bits."""
    return density <= floor * (1 + 1e-9)


def _bare(density: float, floor: float) -> str:
    if _at(density, floor):
        return f"<{_digits(floor)}"
    return ">100" if density >= 1 else _digits(density)


def _digits(density: float) -> str:
    """In percent: one decimal, two digits below 1 %."""
    return f"{100 * density:.1f}" if density >= 0.01 else f"{100 * density:.2g}"


def isotonic(scores: Sequence[float]) -> Floats:
    """The nearest sequence (least squares) that never rises: pool adjacent violators."""
    blocks: list[tuple[float, int]] = []
    for score in scores:
        blocks.append((float(score), 1))
        while len(blocks) > 1 and blocks[-1][0] > blocks[-2][0]:
            (one, n), (other, m) = blocks.pop(), blocks.pop()
            blocks.append(((one * n + other * m) / (n + m), n + m))
    return np.repeat([value for value, _ in blocks], [n for _, n in blocks])


def crossing(densities: Sequence[float], scores: Sequence[float], level: float) -> tuple[float, Crossed]:
    """Where the isotonic fit of scores (more is better) falls below the level.

    densities: descending, the first 1. Between rounds the fit is a line over log density.
    """
    fit = isotonic(scores)
    under = np.flatnonzero(fit < level)
    if not under.size:
        return float(densities[-1]), "stays above"
    first = int(under[0])
    if first == 0:
        return float(densities[0]), "starts below"
    high, low = float(fit[first - 1]), float(fit[first])
    near, far = math.log(densities[first - 1]), math.log(densities[first])
    return math.exp(near + (far - near) * (high - level) / (high - low)), "crosses"


def why_not(scores: JobScores) -> str:
    """Why no critical density can be said; empty where it can."""
    if scores.experiment.pruning.rounds < FEWEST_ROUNDS:
        return f"a curve takes {FEWEST_ROUNDS} rounds of pruning"
    if scores.scale is None:
        return "no reference score, or the dense network is not certainly above it"
    return ""


def chains(scores: JobScores, share: float, *arms: str) -> tuple[list[list[Chain]], list[int], float]:
    """Per arm the chains of the same seeds, those seeds, and the density down to which all of them are counted.

    Seeds that lost a trial of these arms, or of the dense network, are left out; so are rounds that some other seed has
    not finished. Densities below the lowest that all arms were trained at count as that one. No seeds where fewer
    than FEWEST_ROUNDS rounds are finished. Only where `why_not` is empty.
    """
    lost, base = scores.lost_seeds(*arms), scores.raw(scores.baseline, 0)
    known = {arm: {k: scores.density(arm, k) for k in scores.experiment.rounds_of(arm)} for arm in arms}
    started = {s for arm in arms for k in known[arm] for s in scores.raw(arm, k)} & (base.keys() - lost)
    whole = {
        arm: {k: d for k, d in known[arm].items() if math.isfinite(d) and started <= scores.raw(arm, k).keys()}
        for arm in arms
    }
    if not started or min(map(len, whole.values())) < FEWEST_ROUNDS:
        return [[] for _ in arms], [], math.nan
    floor = max(min(whole[arm].values()) for arm in arms)
    seeds = sorted(started)
    return [[_chain(scores, arm, whole[arm], seed, share, floor) for seed in seeds] for arm in arms], seeds, floor


def _chain(scores: JobScores, arm: str, known: Mapping[int, float], seed: int, share: float, floor: float) -> Chain:
    points = sorted(((d, scores.raw(arm, k)[seed]) for k, d in known.items()), key=lambda one: -one[0])
    densities = [1.0, *(density for density, _ in points)]
    own = [scores.raw(scores.baseline, 0)[seed], *(score for _, score in points)]
    density, how = crossing(densities, [scores.turned(score) for score in own], level_of(scores, share))
    if how == "crosses" and density < floor:
        density, how = floor, "stays above"
    return Chain(seed, max(density, floor), how)


def level_of(scores: JobScores, share: float) -> float:
    """The turned score that holds this share of the dense network's gain."""
    zero = scores.turned(scores.zero or 0.0)
    return zero + share * (scores.turned(scores.dense) - zero)


def critical(scores: JobScores, arm: str, share: float) -> Critical | None:
    """Of one arm; None where `why_not` says why, or where too little is finished."""
    if why_not(scores):
        return None
    (own,), seeds, floor = chains(scores, share, arm)
    if not seeds:
        return None
    logs = median([math.log(one.density) for one in own])
    density = Interval(math.exp(logs.value), math.exp(logs.low), math.exp(logs.high), logs.n)
    above, below = (sum(one.how == how for one in own) for how in ("stays above", "starts below"))
    return Critical(
        arm, share, scores.turned(level_of(scores, share)), density, floor, above, below, len(scores.lost_seeds(arm))
    )


def criticals(scores: JobScores) -> Iterator[Critical]:
    """Of each arm, at each share."""
    for arm in scores.experiment.ticket_arms:
        yield from (one for share in SHARES if (one := critical(scores, arm, share)) is not None)
