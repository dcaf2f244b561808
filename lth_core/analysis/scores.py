"""A job's finished scores relative to the score of nothing learned, with signs such that higher is better."""

import math
from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np

from lth_core.analysis.densities import known_density
from lth_core.analysis.normalised import has_scale
from lth_core.analysis.references import RANDOM_POLICY
from lth_core.analysis.statistics import Floats, interquartile_mean
from lth_core.analysis.trials import Scored, finished_scores, is_lost, measured
from lth_core.experiment.arms import DENSE
from lth_core.experiment.baseline import baseline
from lth_core.experiment.experiment import Experiment


class JobScores:
    """Scores of one job by arm, round and seed.

    reference: the score of nothing learned; measured: whether the trials measured it themselves.
    zero: the reference score that is subtracted, None if there is none: measured by the trials (a text's unigram
    log-perplexity), or else a random policy's score. scale: the dense network's gain over it (interquartile mean), None
    without a reference, or if the gain is not certain. baseline: see `experiment.baseline`.
    """

    def __init__(
        self, experiment: Experiment, trials: Iterable[Scored], references: Mapping[str, float] = RANDOM_POLICY
    ) -> None:
        self.experiment, self.trials = experiment, tuple(trials)
        self.sign = 1.0 if experiment.task.higher_is_better else -1.0
        self._unpruned = {arm for arm in experiment.arms if experiment.arm_named(arm).unpruned}
        known = (measured(trial, experiment.task.reference) for trial in self.trials)
        own = next((one for one in known if math.isfinite(one)), None)
        self.measured = own is not None
        self.reference = reference = references.get(experiment.task.subject) if own is None else own
        self._found = finished_scores(experiment.task, self.trials)
        self._at: dict[tuple[str, int], list[Scored]] = {}
        self._lost: dict[str, set[int]] = {}
        for trial in self.trials:
            self._at.setdefault((trial.arm, trial.round), []).append(trial)
            if is_lost(trial):
                self._lost.setdefault(trial.arm, set()).add(trial.seed)
        self.baseline = baseline(experiment)
        # Without a reference, zero may serve, but only if higher is better and no return is negative.
        counts = self.sign > 0 and all(s >= 0 for scores in self._found.values() for s in scores.values())
        zero = reference if reference is not None else 0.0 if counts else None
        dense = [] if zero is None else [self.sign * (s - zero) for s in self.raw(DENSE, 0).values()]
        self.zero = zero if dense and has_scale(dense) else None
        self.scale = float(interquartile_mean(dense)) if self.zero is not None else None

    @cached_property
    def dense(self) -> float:
        """Interquartile mean of the network that tickets are compared with (see `experiment.baseline`), not turned."""
        zero = self.zero or 0.0
        gains = [self.sign * (score - zero) for score in self.raw(self.baseline, 0).values()]
        return zero + self.sign * float(interquartile_mean(gains))

    def turned(self, score: float) -> float:
        """A score turned so that higher is better."""
        return self.sign * score

    def raw(self, arm: str, round: int) -> dict[int, float]:
        """Scores by seed, on the scale that trials are compared on."""
        return self._found.get((arm, self._round(arm, round)), {})

    def _round(self, arm: str, round: int) -> int:
        """The round of an arm's trials: the unpruned network's trials count for every round."""
        return 0 if arm == DENSE else 1 if arm in self._unpruned else round

    def paired(self, round: int, *arms: str) -> list[Floats]:
        """Scores of these arms, turned and relative to zero, for the seeds that all of them have finished."""
        own = [self.raw(arm, round) for arm in arms]
        seeds = sorted(set.intersection(*(set(scores) for scores in own)))
        return [self.sign * (np.array([scores[seed] for seed in seeds]) - (self.zero or 0.0)) for scores in own]

    def with_failed(self, round: int, one: str, other: str) -> tuple[Floats, Floats]:
        """Scores of two arms, turned and relative to zero, by seed; -inf for a lost trial, without unfinished ones."""
        arms = ((one, self.raw(one, round)), (other, self.raw(other, round)))
        lost = {arm: {t.seed for t in self.at(arm, round) if is_lost(t)} for arm, _ in arms}
        seeds = [s for s in self.experiment.seeds if all(s in found or s in lost[arm] for arm, found in arms)]
        mine, theirs = (
            np.array([self.sign * (found[s] - (self.zero or 0.0)) if s in found else -np.inf for s in seeds])
            for _, found in arms
        )
        return mine, theirs

    def at(self, arm: str, round: int) -> list[Scored]:
        """The trials of an arm at a round; for an unpruned network its trials at any round."""
        return self._at.get((arm, self._round(arm, round)), [])

    def missing(self, round: int, *arms: str) -> tuple[int, int]:
        """Seeds that lack a score of these arms: (because a trial was lost, because one has not ended)."""
        lost = {t.seed for arm in arms for t in self.at(arm, round) if is_lost(t)}
        have = set.intersection(*(set(self.raw(arm, round)) for arm in arms))
        return len(lost), len(self.experiment.seeds) - len(lost) - len(have)

    def lost_seeds(self, *arms: str) -> set[int]:
        """Seeds that lost a trial of these arms at any round, of the dense network, or of the baseline."""
        return set().union(*(self._lost.get(arm, set()) for arm in (*arms, DENSE, self.baseline)))

    def density(self, arm: str, round: int) -> float:
        """Fraction of the prunable parameters that remains (see `densities`); NaN while unknown."""
        known = known_density(self.experiment, self.at(arm, round), arm, round)
        return math.nan if known is None else known
