"""Matching: is a ticket as good as the dense network, within a margin, and how far can one prune until it is not?

A test of equivalence, not a failure to see a difference: two one-sided tests (Schuirmann 1987) by interval and by
sign-flip. The margin is fixed in advance, and printed with every answer.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lth_core.analysis.collapse import RARE, fallen, fallen_said, fewest_to_exclude, rare
from lth_core.analysis.effect import EQUIVALENT
from lth_core.analysis.power import LEVEL, more_seeds
from lth_core.analysis.scores import JobScores
from lth_core.analysis.statistics import Interval, bootstrap, sign_flip_p
from lth_core.text import significant

Word = Literal["equal", "at least", "below", "inconclusive"]
MATCHING: tuple[Word, ...] = ("equal", "at least")


@dataclass(frozen=True)
class Match:
    """One arm at one round against the dense network (see `experiment.baseline`), paired by seed.

    gain: interquartile mean of arm minus dense, turned so that higher is better. word:

    equal         the gain lies within the margin of zero, on both sides (equivalence)
    at least      it lies above minus the margin, but is not shown to be below the margin (non-inferiority)
                  Neither where a seed has fallen (see `collapse`). Interval: interquartile mean, p: mean.
    below         it lies below minus the margin
    inconclusive  none of these is shown; a seed has not ended; or, instead of the first two, one lost its trial

    rare: whether so many seeds also exclude that one in ten falls; if not, only typical seeds match. mean: of the
    gains. fallen: how many fell.
    p_below, p_above: one-sided sign-flip p against "worse by the margin or more", "better by the margin or more".
    """

    arm: str
    round: int
    density: float
    gain: Interval
    margin: float
    word: Word
    p_below: float
    p_above: float
    lost: int
    more: str
    mean: float = math.nan
    fallen: int = 0
    rare: bool = False
    fallen_said: str = ""


@dataclass(frozen=True)
class Reach:
    """How far an arm can be pruned: the last round of the unbroken series of matching rounds from round 1 on.

    The rounds are tested in this fixed order, each only if all before it matched, so that the level holds for the whole
    series without a correction. last: None if the first round does not match. stopped: the round that ended the
    series, None if all rounds match. certain: whether all of these rounds also exclude that one seed in ten falls; if
    not, it is typical seeds that match.
    """

    arm: str
    margin: float
    last: Match | None
    stopped: Match | None
    certain: bool = False


def margin_of(scores: JobScores) -> float | None:
    """EQUIVALENT x the dense network's gain over the reference score; None without such a scale."""
    return None if scores.scale is None else EQUIVALENT * scores.scale


def match(scores: JobScores, arm: str, round: int, margin: float) -> Match:
    """The answer for one arm at one round."""
    base = scores.baseline
    mine, dense = scores.paired(round, arm, base)
    gains = (mine - dense).tolist()
    lost, unfinished = scores.missing(round, arm, base)
    word, p_below, p_above = judge_match(gains, margin, lost=lost, unfinished=unfinished)
    more = ""
    if word == "inconclusive" and not unfinished and not lost:
        above = [gain + margin for gain in gains]
        more = more_seeds(above if sum(above) > 0 else [-a for a in above], greater=True)  # to match, or to fall short
    scale = margin / EQUIVALENT
    return Match(
        arm, round, scores.density(arm, round), bootstrap(gains), margin, word, p_below, p_above, lost, more,
        sum(gains) / len(gains) if gains else math.nan, fallen(gains, scale), rare(gains, scale),
        fallen_said(gains, scale),
    )  # fmt: skip


def judge_match(
    gains: Sequence[float], margin: float, *, lost: int = 0, unfinished: int = 0
) -> tuple[Word, float, float]:
    """The rule and its two p. Each side needs a one-sided p of at most 5 % and the 95 % interval on its side.

    With n seeds of which none falls, a tenth that does is not excluded: see `rare`.
    """
    interval = bootstrap(gains)
    p_below = sign_flip_p([gain + margin for gain in gains], greater=True)
    p_above = sign_flip_p([margin - gain for gain in gains], greater=True)
    p_worse = sign_flip_p([-margin - gain for gain in gains], greater=True)
    word: Word = "inconclusive"
    if unfinished:
        return word, p_below, p_above
    if p_worse <= LEVEL and interval.high < -margin:
        word = "below"
    elif p_below <= LEVEL and interval.low > -margin and not lost and not fallen(gains, margin / EQUIVALENT):
        word = "equal" if p_above <= LEVEL and interval.high < margin else "at least"
    return word, p_below, p_above


def reach(scores: JobScores, arm: str) -> Reach | None:
    """How far `arm` can be pruned until it no longer matches; None without a margin."""
    margin = margin_of(scores)
    if margin is None:
        return None
    last: Match | None = None
    certain = True
    for round in scores.experiment.rounds_of(arm):
        found = match(scores, arm, round, margin)
        if found.word not in MATCHING:
            return Reach(arm, margin, last, found, certain and last is not None)
        last, certain = found, certain and found.rare
    return Reach(arm, margin, last, None, certain)


def reach_word(found: Reach) -> str:
    """`to 37.2%`, `typically to 37.2%`, `not at all`."""
    if found.last is None:
        return "not at all"
    return f"{'' if found.certain else 'typically '}to {found.last.density:.1%}"


def reach_short(found: Reach | None, arm: str) -> str:
    """`winning matches the dense network down to 37.2% kept`, or that it does not."""
    if found is None:
        return f"{arm}: matching cannot be tested: no reference score, or the dense network is not certainly above it"
    if found.last is None:
        return f"{arm} is not shown to match the dense network at any sparsity"
    every = ", at every round" if found.stopped is None else ""
    who = f"{arm} matches" if found.certain else f"typical seeds of {arm} match"
    return f"{who} the dense network down to {found.last.density:.1%} kept{every}"


def reach_facts(found: Reach | None) -> Iterator[str]:
    """The margin, the gain at the last round, and why the series ended there."""
    if found is None:
        return
    yield f"margin {significant(found.margin, 3)}, {EQUIVALENT:.0%} of what the dense network gains"
    if found.last is not None:
        yield f"gain there {_gain(found.last)}"
        yield found.last.fallen_said
        if not found.certain:
            yield f"excluding {RARE:.0%} takes {fewest_to_exclude()} seeds"
    stop = found.stopped
    if stop is None:
        return
    where = f"at {stop.density:.1%}" if math.isfinite(stop.density) else f"at round {stop.round}"
    if stop.gain.n == 0:
        yield f"{where} no pair is finished"
        return
    yield f"{where} {'certainly worse' if stop.word == 'below' else 'open'}: {_gain(stop)}"
    if stop.fallen:
        yield stop.fallen_said
    if stop.lost:
        yield f"{stop.lost} seeds lost a trial"
    if stop.more:
        yield stop.more


def _gain(one: Match) -> str:
    return f"{one.gain.signed(3)}, mean {significant(one.mean, 3, signed=True)}, n={one.gain.n}"
