"""What pruning does to one job's scores at a given sparsity: helps, leaves alone, hurts, crashes, undecided.

The rules are fixed in advance, in docs/science.md; nothing is chosen after looking at scores.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from lth_core.analysis.collapse import COLLAPSED, fallen, fallen_said, rare
from lth_core.analysis.densities import known_density
from lth_core.analysis.power import LEVEL, fewest_seeds, more_seeds_within
from lth_core.analysis.scores import JobScores
from lth_core.analysis.statistics import Interval, bootstrap, sign_flip_p
from lth_core.analysis.trials import Scored
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.text import significant

THIRD = 1 / 3
"""Density of the first answer: the paper's headline, 67 % pruned, is its round 5."""
EQUIVALENT = 0.05
"""Margin of `leaves alone` and of matching, as a fraction of the dense network's gain over the reference."""
CRASHED = COLLAPSED
"""Smallest loss of `crashes`, as a fraction of the same."""
FEWEST_SEEDS = fewest_seeds()
"""Fewest seeds: below it no exact sign-flip test can decide at 5 %, and bootstrap intervals are far too narrow."""

Level = Literal["third", "last"]
LEVELS: tuple[Level, ...] = get_args(Level)
Effect = Literal["helps", "leaves alone", "hurts", "crashes", "inconclusive"]
EFFECTS: tuple[Effect, ...] = get_args(Effect)


@dataclass(frozen=True)
class Answer:
    """The effect of pruning on one job's performance at one level of sparsity.

    gain: interquartile mean of reference arm minus dense network, paired by seed, positive if the arm is better.
    scale: the dense network's gain over the reference score, None if there is none. lost, unfinished: seeds without
    a pair because a trial failed, or has not ended.
    """

    level: Level
    round: int
    density: float
    word: Effect
    gain: Interval
    scale: float | None
    p: float
    lost: int
    unfinished: int
    short: str = ""
    facts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The answer and its clauses in one line."""
        return "; ".join((self.short, *self.facts))


def level_round(experiment: Experiment, level: Level, trials: Iterable[Scored] = ()) -> int:
    """The round of a level: the last, or the one whose density is nearest a third (on a log axis).

    Uses known densities (see `densities`), or the pruning fraction if none is known.
    """
    rounds, trials = experiment.rounds_of(experiment.reference), tuple(trials)
    if level == "last":
        return rounds[-1]
    known = {k: known_density(experiment, trials, experiment.reference, k) for k in rounds}
    found = {k: density for k, density in known.items() if density} or {
        k: experiment.pruning.density(k) for k in rounds
    }
    return min(found, key=lambda k: (abs(math.log(found[k]) - math.log(THIRD)), k))


def judge(gains: Sequence[float], scale: float | None, *, lost: int = 0, unfinished: int = 0) -> Effect:
    """The rule. gains: arm minus dense, one per seed, positive if the arm is better.

    leaves alone: the whole interval lies within EQUIVALENT x scale of zero, the mean too (two one-sided sign-flip
    tests), and no seed has fallen (see `collapse`). helps, hurts: the interval excludes zero, and the sign-flip p is at
    most 5 %. crashes: hurts, and the whole interval lies below -CRASHED x scale. With an unfinished seed there is no
    answer; with a lost one neither helps nor leaves alone, so that failures gain nothing.
    """
    interval, p = bootstrap(gains), sign_flip_p(gains)
    if interval.n < FEWEST_SEEDS or unfinished:
        return "inconclusive"
    if scale is not None and max(abs(interval.low), abs(interval.high)) <= EQUIVALENT * scale:
        return "leaves alone" if not lost and _mean_within(gains, scale) else "inconclusive"
    agree = sum(gains) * interval.value > 0  # p is about the mean, the interval about the interquartile mean
    if not agree or p > LEVEL or interval.low <= 0 <= interval.high:
        return "inconclusive"
    if interval.low > 0:
        return "inconclusive" if lost else "helps"
    return "crashes" if scale is not None and interval.high < -CRASHED * scale else "hurts"


def _mean_within(gains: Sequence[float], scale: float) -> bool:
    """Whether the mean lies within the margin too (two one-sided sign-flip tests), and no seed has fallen."""
    sides = ([EQUIVALENT * scale + sign * gain for gain in gains] for sign in (1, -1))
    return not fallen(gains, scale) and all(sign_flip_p(side, greater=True) <= LEVEL for side in sides)


def effect_of_pruning(scores: JobScores, level: Level) -> Answer:
    """The reference arm against the dense network at one level."""
    experiment = scores.experiment
    arm, round = experiment.reference, level_round(experiment, level, scores.trials)
    base = scores.baseline
    mine, dense = scores.paired(round, arm, base)
    gains = (mine - dense).tolist()
    lost, unfinished = scores.missing(round, arm, base)
    word = judge(gains, scores.scale, lost=lost, unfinished=unfinished)
    density = scores.density(arm, round)
    answer = Answer(level, round, density, word, bootstrap(gains), scores.scale, sign_flip_p(gains), lost, unfinished)
    return replace(answer, short=_short(scores, answer, gains), facts=tuple(_facts(scores, answer, gains)))


_SAID: dict[Effect, str] = {
    "helps": "pruning helps", "leaves alone": "pruning leaves it alone", "hurts": "pruning hurts",
    "crashes": "pruning crashes it", "inconclusive": "open whether pruning helps or hurts",
}  # fmt: skip


def _short(scores: JobScores, answer: Answer, gains: Sequence[float]) -> str:
    place = f"{answer.density:.1%} kept" if math.isfinite(answer.density) else f"round {answer.round}"
    what = _SAID[answer.word]
    if answer.word == "leaves alone" and not rare(gains, answer.scale):
        what = "pruning leaves typical seeds alone"
    where, gain = f"{what} at {place}", answer.gain
    if gain.n == 0:
        return f"{where}: no pair of {scores.experiment.reference} and dense network is finished yet"
    better = "" if scores.experiment.task.higher_is_better else ", more is better"  # a gain, though the score is not
    return f"{where}: {gain.signed()}{better}"


def _facts(scores: JobScores, answer: Answer, gains: Sequence[float]) -> Iterator[str]:
    gain = answer.gain
    if gain.n == 0:
        return
    reference, base = scores.experiment.reference, scores.baseline
    pair = (reference, base) if scores.experiment.task.higher_is_better else (base, reference)
    mean = significant(float(np.mean(gains)), 4, signed=True)
    yield f"{' minus '.join(pair)}, round {answer.round}, n={gain.n}, mean {mean}, p={answer.p:.2g}"
    if base != DENSE:
        mine, dense = scores.paired(answer.round, reference, DENSE)
        yield f"over the dense run itself, without the head start: {bootstrap((mine - dense).tolist()).signed()}"
    if answer.scale is None:
        yield "no margin: no reference score, or dense is not certainly above it"
    else:
        margin, crash = EQUIVALENT * answer.scale, -CRASHED * answer.scale
        bounds = f"margin {significant(margin, 3)}, crash below {significant(crash, 3)}"
        yield f"{bounds} (reference {significant(scores.zero or 0.0, 4)})"
        yield fallen_said(gains, answer.scale)
    missing = [f"{answer.lost} seeds lost"] if answer.lost else []
    missing += [f"{answer.unfinished} seeds unfinished"] if answer.unfinished else []
    if missing:
        yield ", ".join(missing)
    if answer.word == "inconclusive" and not answer.unfinished:
        more = more_seeds_within(gains, None if answer.scale is None else EQUIVALENT * answer.scale)
        if more:
            yield more
