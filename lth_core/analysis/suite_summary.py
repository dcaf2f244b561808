"""Over the jobs of a suite: whether pruning helps, leaves alone or crashes each, and how the arms do over all of them.

The rules are fixed in advance, in docs/science.md; nothing is chosen after looking at scores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lth_core.analysis.comparison import Verdict
from lth_core.analysis.domains import Domains, Job, domains
from lth_core.analysis.effect import LEVELS, Answer, Effect, Level, effect_of_pruning, level_round
from lth_core.analysis.normalised import Stratum, has_scale, stratified_iqm, stratified_share
from lth_core.analysis.profiles import probability_of_improvement
from lth_core.analysis.references import ATARI, RANDOM_POLICY
from lth_core.analysis.scores import JobScores
from lth_core.analysis.statistics import Floats, Interval, bootstrap
from lth_core.analysis.trials import Scored
from lth_core.analysis.verdict import summarise
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.store.views import GoneLayer


@dataclass(frozen=True)
class SuiteJob:
    """A job of a suite, with what the summary needs."""

    job: int
    name: str
    state: str
    experiment: Experiment
    trials: Sequence[Scored]
    gone: Sequence[GoneLayer] = ()


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
    minus this arm, normalised. share: of seeds in which the reference arm did better than this one. improvement:
    chance that a run of the reference arm beats any run of this one, failed runs being the worst. None where nothing
    is to be said. jobs: how many have a scale and are in `score` and `difference`; share and improvement are over all
    jobs. human: over the jobs on games with published scores, 1 is a human's and 0 a random policy's.
    """

    level: Level
    arm: str
    score: Interval | None
    difference: Interval | None
    share: Interval | None
    improvement: Interval | None
    jobs: int
    human: Interval | None


@dataclass(frozen=True)
class SuiteSummary:
    """All jobs of a suite; `without_scale` names the jobs that normalised scores leave out. domains: whether it is
    about images, None where the suite does not ask."""

    arm: str
    jobs: tuple[JobResult, ...]
    across: tuple[Across, ...]
    without_scale: tuple[str, ...]
    domains: Domains | None = None

    def count(self, level: Level, word: Effect) -> int:
        """How many jobs have this answer at this level."""
        return sum(answer.word == word for job in self.jobs for answer in job.answers if answer.level == level)


def summarise_suite(jobs: Sequence[SuiteJob], references: Mapping[str, float] = RANDOM_POLICY) -> SuiteSummary:
    """The summary of a suite's jobs, finished or not.

    `references` gives, per environment, the score that counts as nothing learned (a random policy's); it is
    subtracted before scores of different jobs are compared.
    """
    all_scores = [JobScores(job.experiment, job.trials, references) for job in jobs]
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
        jobs=tuple(_job_result(job, scores) for job, scores in zip(jobs, all_scores, strict=True)),
        across=tuple(across),
        without_scale=tuple(job.name for job, scores in zip(jobs, all_scores, strict=True) if scores.scale is None),
        domains=domains([Job(job.job, job.name, scores) for job, scores in zip(jobs, all_scores, strict=True)]),
    )


def _job_result(job: SuiteJob, scores: JobScores) -> JobResult:
    dense = scores.raw(DENSE, 0)
    return JobResult(
        job=job.job,
        name=job.name,
        state=job.state,
        dense=bootstrap([dense[seed] for seed in sorted(dense)]),
        reference=scores.zero,
        verdicts=summarise(job.experiment, job.trials, job.gone).verdicts,
        answers=tuple(effect_of_pruning(scores, level) for level in LEVELS),
    )


def _across(all_scores: Sequence[JobScores], level: Level, arm: str, other: str) -> Across:
    strata: list[Stratum] = []
    differences: list[Stratum] = []
    gains: list[Floats] = []
    runs: list[tuple[Floats, Floats]] = []
    human: list[Stratum] = []
    for scores in all_scores:
        round = level_round(scores.experiment, level, scores.trials)
        mine, theirs, dense = scores.paired(round, arm, other, DENSE)
        if mine.size:
            gains.append(mine - theirs)
            runs.append(scores.with_failed(round, arm, other))
        published = ATARI.get(scores.experiment.task.subject)
        found = np.array(list(scores.raw(other, round).values()))
        if published is not None and found.size:
            human.append(Stratum(found - published[0], np.full(found.size, published[1] - published[0])))
        if scores.scale is not None:
            own, base = scores.paired(round, other, DENSE)
            # There may be fewer seeds here than those that showed that there is a scale.
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
        improvement=probability_of_improvement(runs) if runs and compared else None,
        jobs=len(strata),
        human=stratified_iqm(human) if human else None,
    )
