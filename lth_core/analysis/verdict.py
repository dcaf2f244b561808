"""From the scores of trials to the lottery curve of each arm and a verdict: winning better, worse, inconclusive."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lth_core.analysis.collapse import collapsed
from lth_core.analysis.comparison import Verdict, comparisons, verdicts, with_lost
from lth_core.analysis.critical import HALF, Critical, critical
from lth_core.analysis.densities import known_density
from lth_core.analysis.scores import JobScores
from lth_core.analysis.second_score import rescored
from lth_core.analysis.statistics import Interval, bootstrap, holm, sign_flip_p
from lth_core.analysis.trials import Scored, Scores, finished_scores, is_lost
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.lengths import trained
from lth_core.store.views import GoneLayer

__all__ = ["Cell", "Summary", "Verdict", "summarise"]


@dataclass(frozen=True)
class Cell:
    """One arm at one round: its score over seeds, and winning minus this arm, paired by seed.

    density: of the prunable parameters; NaN while unknown.
    p: of that difference, sign-flip, corrected by Holm over the rounds of this arm; lost seeds count against.
    trained: how much training is behind it, in `training.unit` (see `experiment.lengths`). mean: of its scores, beside
    the interquartile mean. collapsed: how many of its seeds have (see `collapse`), None without a scale.
    """

    arm: str
    round: int
    density: float
    score: Interval
    difference: Interval | None
    failed: int
    p: float | None = None
    trained: int = 0
    mean: float = math.nan
    collapsed: int | None = None


@dataclass(frozen=True)
class Summary:
    """All cells, by round and arm (round 0 is the dense network), and a verdict per control arm.

    further: verdicts on pairs without the reference arm, corrected together with the others.
    zero, scale: for normalising scores, None if there is none (see `JobScores`). halves: of each arm, where half of
    the dense network's gain is lost.
    """

    cells: tuple[Cell, ...]
    verdicts: tuple[Verdict, ...]
    failed: int
    further: tuple[Verdict, ...] = ()
    zero: float | None = None
    scale: float | None = None
    halves: tuple[Critical, ...] = ()

    def cell(self, arm: str, round: int) -> Cell | None:
        """The cell of an arm at a round, if it has a finished trial."""
        return next((c for c in self.cells if c.arm == arm and c.round == round), None)


def summarise(experiment: Experiment, trials: Iterable[Scored], gone: Sequence[GoneLayer] = ()) -> Summary:
    """Lottery curves and verdicts from whatever trials are finished; works while the job runs."""
    trials = list(trials)
    scores = finished_scores(experiment.task, trials)
    turned = JobScores(experiment, trials)
    cells = [
        _cell(experiment, trials, scores, turned, arm, round)
        for round in range(experiment.pruning.rounds + 1)
        for arm in ((DENSE,) if round == 0 else experiment.arms)
    ]
    pairs = comparisons(experiment)
    found = _by_other_scores(experiment, trials, verdicts(experiment, trials, scores, pairs, turned, gone))
    controls = len(experiment.ticket_arms) - 1
    return Summary(
        cells=tuple(_corrected(experiment, [cell for cell in cells if cell is not None])),
        verdicts=tuple(found[:controls]),
        failed=sum(is_lost(trial) for trial in trials),
        further=tuple(found[controls:]),
        zero=turned.zero,
        scale=turned.scale,
        halves=tuple(one for arm in experiment.ticket_arms if (one := critical(turned, arm, HALF)) is not None),
    )


def _by_other_scores(experiment: Experiment, trials: list[Scored], found: list[Verdict]) -> list[Verdict]:
    """The same verdicts; of each is said which other measure of the same gives another word."""
    for metric in experiment.training.scored[1:]:
        others = rescored(trials, metric)
        if others:
            scores = finished_scores(experiment.task, others)
            again = verdicts(experiment, others, scores, comparisons(experiment), JobScores(experiment, others))
            said = [f"by {metric} {other.word}: {other.effect.signed()}" for other in again]
            found = [
                replace(one, otherwise=words) if one.word != other.word else one
                for one, other, words in zip(found, again, said, strict=True)
            ]
    return found


def _cell(
    experiment: Experiment, trials: list[Scored], scores: Scores, turned: JobScores, arm: str, round: int,
) -> Cell | None:  # fmt: skip
    reference = experiment.reference
    here = [t for t in trials if t.arm == arm and t.round == round]
    failed = sum(is_lost(t) for t in here)
    own = scores.get((arm, round), {})
    if not own and not failed:
        return None
    density = known_density(experiment, here, arm, round)
    theirs = scores.get((reference, round), {})
    paired = [theirs[seed] - own[seed] for seed in sorted(own.keys() & theirs.keys())]
    compared = arm in experiment.ticket_arms and arm != reference and bool(paired)
    lost = {t.seed for t in trials if t.round == round and t.arm in (arm, reference) and is_lost(t)}
    return Cell(
        arm=arm,
        round=round,
        density=math.nan if density is None else density,
        score=bootstrap([own[seed] for seed in sorted(own)]),
        difference=bootstrap(paired) if compared else None,
        failed=failed,
        p=sign_flip_p(with_lost(paired, len(lost))) if compared else None,
        trained=trained(experiment, arm, round),
        mean=math.fsum(own.values()) / len(own) if own else math.nan,
        collapsed=collapsed(turned, arm, round),
    )


def _corrected(experiment: Experiment, cells: list[Cell]) -> list[Cell]:
    """The cells with p corrected by Holm over the rounds of each arm, as many as the experiment has."""
    corrected: dict[tuple[str, int], float] = {}
    for arm in experiment.arms:
        own = [(cell.round, cell.p) for cell in cells if cell.arm == arm and cell.p is not None]
        unknown = [1.0] * (len(experiment.rounds_of(arm)) - len(own))
        adjusted = holm([p for _, p in own] + unknown)
        corrected |= {(arm, round): p for (round, _), p in zip(own, adjusted, strict=False)}
    return [replace(cell, p=corrected.get((cell.arm, cell.round))) for cell in cells]
