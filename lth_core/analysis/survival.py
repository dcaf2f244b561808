"""Which of two arms survives more pruning: the ratio of their critical densities, paired by seed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from lth_core.analysis.critical import HALF, Chain, Critical, chains, critical, why_not
from lth_core.analysis.power import LEVEL, fewest_seeds
from lth_core.analysis.ranks import shift
from lth_core.analysis.scores import JobScores
from lth_core.analysis.statistics import Interval
from lth_core.text import significant


@dataclass(frozen=True)
class Survival:
    """How many times as much pruning one arm survives as another, until half of the dense network's gain is lost.

    ratio: the control's critical density over the reference's (Hodges-Lehmann on its logarithm, with the interval that
    Wilcoxon's signed-rank test gives). Chains that cross no level count as if they did at `floor`, the lowest density
    that both arms were trained at: so the ratio is that of pruning survived as far as it was tried. above: how many
    such chains each arm has. word: `better` where the reference arm certainly survives more, `worse` less. p: of the
    signed ranks, corrected as the verdict it belongs to. why: why there is no ratio, else empty.
    """

    reference: str
    control: str
    word: Literal["better", "worse", "inconclusive"]
    ratio: Interval
    p: float
    floor: float
    above: tuple[int, int]
    lost: int
    why: str = ""
    short: str = ""
    facts: tuple[str, ...] = ()

    @property
    def silent(self) -> bool:
        """Whether it says nothing: there is no ratio, or no chain of either arm ever falls below half."""
        return bool(self.why) or self.ratio.n == 0 or sum(self.above) == 2 * self.ratio.n

    @property
    def clause(self) -> str:
        """The answer as a clause of another answer."""
        return self.short if self.silent else f"{self.short}, p={self.p:.2g}"


@dataclass(frozen=True)
class Ratios:
    """Log ratios of two arms' critical densities, one for each of `seeds`, and their origin."""

    seeds: list[int]
    logs: list[float]
    one: list[Chain]
    other: list[Chain]
    floor: float
    why: str = ""


def ratios(scores: JobScores, reference: str, control: str) -> Ratios:
    """Log of the control's critical density over the reference's, for seeds that lost no trial."""
    why = why_not(scores)
    if why:
        return Ratios([], [], [], [], math.nan, why)
    (one, other), seeds, floor = chains(scores, HALF, reference, control)
    logs = [math.log(theirs.density / mine.density) for mine, theirs in zip(one, other, strict=True)]
    return Ratios(seeds, logs, one, other, floor)


def survival(scores: JobScores, reference: str, control: str, found: Ratios, p: float, *, ended: bool) -> Survival:
    """The answer; p: already corrected."""
    logs = shift(found.logs)
    ratio = Interval(math.exp(logs.value), math.exp(logs.low), math.exp(logs.high), logs.n)
    word: Literal["better", "worse", "inconclusive"] = "inconclusive"
    if ended and p <= LEVEL and (logs.low > 0 or logs.high < 0):
        word = "better" if logs.value > 0 else "worse"
    above = (sum(c.how == "stays above" for c in found.one), sum(c.how == "stays above" for c in found.other))
    lost = len(scores.lost_seeds(reference, control))
    answer = Survival(reference, control, word, ratio, p, found.floor, above, lost, found.why)
    return replace(answer, short=_short(answer, ended), facts=tuple(_facts(scores, answer, ended)))


def _short(answer: Survival, ended: bool) -> str:
    mine, theirs, ratio = answer.reference, answer.control, answer.ratio
    if answer.why:
        return f"{mine} or {theirs}: which survives more pruning cannot be said: {answer.why}"
    if ratio.n == 0:
        return f"{mine} or {theirs}: too few rounds are finished by all seeds to say which survives more pruning"
    if answer.silent:
        return f"{mine} and {theirs} both hold half of the dense network's gain down to {answer.floor:.1%} kept"
    value, low, high = (significant(one, 2) for one in (ratio.value, ratio.low, ratio.high))
    bounds = f" [{low}, {high}]" if math.isfinite(ratio.low) else ""
    least = "at least " if answer.above[0] and not answer.above[1] else ""
    about = "as much" if value == "1" else f"{value} times as much"
    size = f"{least}{about} pruning as {theirs}{bounds}"
    if not ended:
        return f"{mine} survives so far {size}"
    return f"{mine} survives {size}" if answer.word != "inconclusive" else f"open: {mine} survives {size}"


def _facts(scores: JobScores, answer: Survival, ended: bool) -> Iterator[str]:
    if answer.ratio.n == 0:
        return
    arms = [critical(scores, arm, HALF) for arm in (answer.reference, answer.control)]
    halves = [f"{arm.arm} {arm.text}" for arm in arms if arm is not None]
    yield f"half of the dense network's gain is lost at: {', '.join(halves)}"
    yield f"paired by seed, n={answer.ratio.n}" + (f", p={answer.p:.2g}" if ended else "")
    stays = [
        f"{n} of {answer.ratio.n} chains of {arm}"
        for arm, n in zip((answer.reference, answer.control), answer.above, strict=True)
        if n
    ]
    if stays:
        yield f"never below half, so counted down to {answer.floor:.1%} only: {' and '.join(stays)}"
    if answer.lost:
        yield f"{answer.lost} more lost a trial and count against"
    if answer.ratio.n < fewest_seeds():
        yield f"an interval takes {fewest_seeds()} seeds"


def kept_short(half: Critical, most: Critical | None) -> str:
    """`winning holds half of the dense network's gain down to 3.4% [2.6, 5.1] kept, 90% down to 22.9%`."""
    if half.density.value >= 1:
        return f"{half.arm} holds half of the dense network's gain at no sparsity"
    more = f", 90% {down_to(most)}" if most is not None and most.text != half.text else ""
    return f"{half.arm} holds half of the dense network's gain {down_to(half)} kept{more}"


def down_to(found: Critical) -> str:
    """`down to 3.4% [2.6, 5.1]`, `to below 2.3%`, `at no sparsity`."""
    if found.density.value >= 1:
        return "at no sparsity"
    return f"{'to' if found.text.startswith('below') else 'down to'} {found.text}"


def kept_facts(half: Critical) -> Iterator[str]:
    """The basis of the estimate, and its censored chains."""
    yield f"median of {half.density.n} chains"
    if half.above:
        yield f"{half.above} never fall below half, down to {half.floor:.1%}"
    if half.below:
        yield f"{half.below} never reach half"
    if half.lost:
        yield f"{half.lost} more lost a trial"
