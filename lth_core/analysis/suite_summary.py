"""Across the jobs of a suite: does pruning help, leave alone or crash each, and how do the arms do over all of them.

The rules are fixed in advance and stand in docs/science.md; nothing is chosen after looking at scores.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from lth_core.analysis.normalised import Stratum, has_scale, stratified_iqm, stratified_share
from lth_core.analysis.references import RANDOM_POLICY
from lth_core.analysis.statistics import Floats, Interval, bootstrap, interquartile_mean, sign_flip_p
from lth_core.analysis.verdict import LEVEL, Scored, Verdict, is_lost, summarise
from lth_core.arms import DENSE
from lth_core.experiment import Experiment

THIRD = 1 / 3
"""Remaining fraction that the first answer is given at: the paper's headline, 67 % pruned, is its round 5."""
EQUIVALENT = 0.05
"""Margin of `leaves alone`, as a fraction of the dense network's gain over the reference."""
CRASHED = 0.5
"""Loss that `crashes` means at least, as a fraction of the same."""
FEWEST_SEEDS = 6
"""Below it no exact sign-flip test can decide at 5 %, and bootstrap intervals are far too narrow."""

Level = Literal["third", "last"]
LEVELS: tuple[Level, ...] = get_args(Level)
Effect = Literal["helps", "leaves alone", "hurts", "crashes", "inconclusive"]
EFFECTS: tuple[Effect, ...] = get_args(Effect)


@dataclass(frozen=True)
class SuiteJob:
    """A job of a suite, as the summary needs it."""

    job: int
    name: str
    state: str
    experiment: Experiment
    trials: Sequence[Scored]


@dataclass(frozen=True)
class Answer:
    """What pruning does to one job's performance at one level of sparsity.

    gain: interquartile mean of reference arm minus dense network, paired by seed, positive where the arm is better.
    scale: the dense network's gain over the reference score, None where there is none. lost, unfinished: seeds
    without a pair because a trial failed, or has not ended.
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
    text: str


@dataclass(frozen=True)
class JobResult:
    """One job: the dense score, the verdicts against each control, and an answer per level."""

    job: int
    name: str
    state: str
    dense: Interval
    reference: float | None
    verdicts: tuple[Verdict, ...]
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Across:
    """One arm over all jobs at one level.

    score: normalised, 1 is the dense network (which has none itself) and 0 the reference. difference: reference arm
    minus this arm, normalised. share: of pairs in which the reference arm did better than this one. None where
    nothing is to be said. jobs: how many have a scale and are in `score` and `difference`; `share` is over all jobs.
    """

    level: Level
    arm: str
    score: Interval | None
    difference: Interval | None
    share: Interval | None
    jobs: int


@dataclass(frozen=True)
class SuiteSummary:
    """All jobs of a suite; `without_scale` names the jobs that normalised scores leave out."""

    arm: str
    jobs: tuple[JobResult, ...]
    across: tuple[Across, ...]
    without_scale: tuple[str, ...]

    def count(self, level: Level, word: Effect) -> int:
        """How many jobs have this answer at this level."""
        return sum(answer.word == word for job in self.jobs for answer in job.answers if answer.level == level)


class _Scores:
    """A job's finished scores, turned so that more is better and counted from the reference."""

    def __init__(self, job: SuiteJob, references: Mapping[str, float]) -> None:
        self.job = job
        experiment = job.experiment
        self.sign = 1.0 if experiment.task.higher_is_better else -1.0
        self.reference = references.get(experiment.task.subject)
        self._found: dict[tuple[str, int], dict[int, float]] = {}
        for trial in job.trials:
            if trial.state == "done" and trial.score is not None and math.isfinite(trial.score):
                self._found.setdefault((trial.arm, trial.round), {})[trial.seed] = trial.score
        # Without a reference, zero may serve, but only where more is better and no return is negative.
        counts = self.sign > 0 and all(s >= 0 for scores in self._found.values() for s in scores.values())
        zero = self.reference if self.reference is not None else 0.0 if counts else None
        dense = [] if zero is None else [self.sign * (s - zero) for s in self.raw(DENSE, 0).values()]
        self.zero = zero if dense and has_scale(dense) else None
        self.scale = float(interquartile_mean(dense)) if self.zero is not None else None

    def raw(self, arm: str, round: int) -> dict[int, float]:
        return self._found.get((arm, 0 if arm == DENSE else round), {})

    def paired(self, round: int, *arms: str) -> list[Floats]:
        """Scores of these arms, turned and from zero, for the seeds that all of them have finished."""
        own = [self.raw(arm, round) for arm in arms]
        seeds = sorted(set.intersection(*(set(scores) for scores in own)))
        return [self.sign * (np.array([scores[seed] for seed in seeds]) - (self.zero or 0.0)) for scores in own]


def summarise_suite(jobs: Sequence[SuiteJob], references: Mapping[str, float] = RANDOM_POLICY) -> SuiteSummary:
    """The summary of a suite's jobs, finished or not.

    `references` gives, per environment, the score that counts as nothing learned (a random policy's); it is
    subtracted before scores of different jobs are compared.
    """
    all_scores = [_Scores(job, references) for job in jobs]
    arm = jobs[0].experiment.reference if jobs else "winning"
    common = [a for a in jobs[0].experiment.arms if all(a in job.experiment.arms for job in jobs)] if jobs else []
    across = [
        _across(all_scores, level, arm, other)
        for level in LEVELS
        for other in (DENSE, *common)
        if arm in common and all(job.experiment.reference == arm for job in jobs)
    ]
    return SuiteSummary(
        arm=arm,
        jobs=tuple(_job_result(scores) for scores in all_scores),
        across=tuple(across),
        without_scale=tuple(scores.job.name for scores in all_scores if scores.scale is None),
    )


def level_round(experiment: Experiment, level: Level) -> int:
    """The round that a level means: the last, or the one whose nominal density is nearest a third (on a log axis)."""
    rounds = experiment.pruning.rounds
    if level == "last":
        return rounds
    return min(range(1, rounds + 1), key=lambda k: (abs(math.log(experiment.pruning.density(k)) - math.log(THIRD)), k))


def judge(gains: Sequence[float], scale: float | None, *, lost: int = 0, unfinished: int = 0) -> Effect:
    """The rule: `gains` are arm minus dense, one per seed, positive where the arm is better.

    leaves alone: the whole interval lies within EQUIVALENT x scale of zero. helps, hurts: the interval leaves zero
    out, and the sign-flip p is at most 5 %. crashes: hurts, and the whole interval lies below -CRASHED x scale.
    With an unfinished seed nothing is said; with a lost one nothing good: failures must not flatter.
    """
    interval, p = bootstrap(gains), sign_flip_p(gains)
    if interval.n < FEWEST_SEEDS or unfinished:
        return "inconclusive"
    within = scale is not None and max(abs(interval.low), abs(interval.high)) <= EQUIVALENT * scale
    if within:
        return "inconclusive" if lost else "leaves alone"
    agree = sum(gains) * interval.value > 0  # p speaks of the mean, the interval of the interquartile mean
    if not agree or p > LEVEL or interval.low <= 0 <= interval.high:
        return "inconclusive"
    if interval.low > 0:
        return "inconclusive" if lost else "helps"
    return "crashes" if scale is not None and interval.high < -CRASHED * scale else "hurts"


def _job_result(scores: _Scores) -> JobResult:
    job = scores.job
    dense = scores.raw(DENSE, 0)
    return JobResult(
        job=job.job,
        name=job.name,
        state=job.state,
        dense=bootstrap([dense[seed] for seed in sorted(dense)]),
        reference=scores.zero,
        verdicts=summarise(job.experiment, job.trials).verdicts,
        answers=tuple(_answer(scores, level) for level in LEVELS),
    )


def _answer(scores: _Scores, level: Level) -> Answer:
    experiment = scores.job.experiment
    arm, round = experiment.reference, level_round(experiment, level)
    mine, dense = scores.paired(round, arm, DENSE)
    gains = (mine - dense).tolist()
    concerned = [t for t in scores.job.trials if (t.arm, t.round) in ((arm, round), (DENSE, 0))]
    lost = len({t.seed for t in concerned if is_lost(t)})
    unfinished = len(experiment.seeds) - lost - len(gains)
    word = judge(gains, scores.scale, lost=lost, unfinished=unfinished)
    interval, p = bootstrap(gains), sign_flip_p(gains)
    densities = [t.density for t in concerned if t.arm == arm and t.density is not None]
    density = densities[0] if densities else experiment.pruning.density(round)
    text = _sentence(scores, arm, round, density, word, interval, p, lost, unfinished)
    return Answer(level, round, density, word, interval, scores.scale, p, lost, unfinished, text)


def _sentence(
    scores: _Scores, arm: str, round: int, density: float, word: Effect, gain: Interval, p: float,
    lost: int, unfinished: int,
) -> str:  # fmt: skip
    said = {
        "helps": "pruning helps",
        "leaves alone": "pruning leaves the performance alone",
        "hurts": "pruning hurts",
        "crashes": "pruning crashes the performance",
        "inconclusive": "whether pruning helps or hurts is inconclusive",
    }[word]
    where = f"{scores.job.name}: {said} at {density:.1%} remaining (round {round})"
    if gain.n == 0:
        return f"{where}: no pair of {arm} and dense network is finished yet"
    size = f"gain of {arm} over dense {gain.value:+.4g} [{gain.low:+.4g}, {gain.high:+.4g}], n={gain.n}, p={p:.2g}"
    if scores.scale is None:
        size += ", no scale to state a margin on"
    else:
        size += (
            f", reference {scores.zero:.4g}, margin {EQUIVALENT * scores.scale:.3g}, "
            f"crash below {-CRASHED * scores.scale:.3g}"
        )
    few = f", fewer than {FEWEST_SEEDS} seeds cannot decide" if gain.n < FEWEST_SEEDS else ""
    missing = (f", {lost} seeds lost" if lost else "") + (f", {unfinished} seeds unfinished" if unfinished else "")
    return f"{where}: {size}{few}{missing}"


def _across(all_scores: Sequence[_Scores], level: Level, arm: str, other: str) -> Across:
    strata: list[Stratum] = []
    differences: list[Stratum] = []
    gains: list[Floats] = []
    for scores in all_scores:
        round = level_round(scores.job.experiment, level)
        mine, theirs, dense = scores.paired(round, arm, other, DENSE)
        if mine.size:
            gains.append(mine - theirs)
        if scores.scale is not None:
            own, base = scores.paired(round, other, DENSE)
            # The seeds at hand may be fewer than those that showed that there is a scale.
            if own.size and has_scale(base.tolist()):
                strata.append(Stratum(own, base))
            if mine.size and has_scale(dense.tolist()):
                differences.append(Stratum(mine - theirs, dense))
    compared = other != arm
    return Across(
        level=level,
        arm=other,
        score=stratified_iqm(strata) if strata and other != DENSE else None,
        difference=stratified_iqm(differences) if differences and compared else None,
        share=stratified_share(gains) if gains and compared else None,
        jobs=len(strata),
    )
