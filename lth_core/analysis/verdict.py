"""From the scores of trials to the lottery curve of each arm and a verdict: winning better, worse, inconclusive."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from lth_core.analysis.statistics import Interval, bootstrap, sign_flip_p
from lth_core.arms import DENSE
from lth_core.experiment import Experiment

LEVEL = 0.05

Scores = dict[tuple[str, int], dict[int, float]]
"""By (arm, round), then seed."""


class Scored(Protocol):
    """What is needed of a trial (see `store.views.TrialView`)."""

    @property
    def arm(self) -> str: ...
    @property
    def round(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def score(self) -> float | None: ...
    @property
    def density(self) -> float | None: ...


@dataclass(frozen=True)
class Cell:
    """One arm at one round: its score over seeds, and winning minus this arm, paired by seed."""

    arm: str
    round: int
    density: float
    score: Interval
    difference: Interval | None
    failed: int


@dataclass(frozen=True)
class Verdict:
    """Reference arm against a control arm, judged on one pre-declared number per seed.

    That number is the mean over rounds of the paired score difference: the area between the two lottery
    curves on a logarithmic density axis. `better` and `worse` need the job to have ended, a 95 % interval that
    leaves zero out and a sign-flip p of at most 5 %; everything else is `inconclusive`. Seeds that lost a trial
    are not in the interval, and count against the decision in p.
    """

    reference: str
    control: str
    word: Literal["better", "worse", "inconclusive"]
    effect: Interval
    p: float
    rounds: int
    lost: int
    text: str


@dataclass(frozen=True)
class Summary:
    """All cells, by round and arm (round 0 is the dense network), and a verdict per control arm."""

    cells: tuple[Cell, ...]
    verdicts: tuple[Verdict, ...]
    failed: int

    def cell(self, arm: str, round: int) -> Cell | None:
        """The cell of an arm at a round, if it has a finished trial."""
        return next((c for c in self.cells if c.arm == arm and c.round == round), None)


def summarise(experiment: Experiment, trials: Iterable[Scored]) -> Summary:
    """Lottery curves and verdicts from whatever trials are finished; works while the job runs."""
    trials = list(trials)
    scores: Scores = {}
    for trial in trials:
        if trial.state == "done" and trial.score is not None and math.isfinite(trial.score):
            scores.setdefault((trial.arm, trial.round), {})[trial.seed] = trial.score
    reference = experiment.reference
    cells = [
        _cell(experiment, trials, scores, reference, arm, round)
        for round in range(experiment.pruning.rounds + 1)
        for arm in ((DENSE,) if round == 0 else experiment.arms)
    ]
    controls = [arm for arm in experiment.arms if arm != reference]
    return Summary(
        cells=tuple(cell for cell in cells if cell is not None),
        verdicts=tuple(_verdict(experiment, trials, scores, reference, control) for control in controls),
        failed=sum(is_lost(trial) for trial in trials),
    )


def is_lost(trial: Scored) -> bool:
    """Whether a trial will give no score: failed, blocked, or ended without a finished episode."""
    scored = trial.score is not None and math.isfinite(trial.score)
    return trial.state in ("failed", "blocked") or (trial.state == "done" and not scored)


def _cell(
    experiment: Experiment, trials: list[Scored], scores: Scores,
    reference: str, arm: str, round: int,
) -> Cell | None:  # fmt: skip
    here = [t for t in trials if t.arm == arm and t.round == round]
    failed = sum(is_lost(t) for t in here)
    own = scores.get((arm, round), {})
    if not own and not failed:
        return None
    densities = [t.density for t in here if t.density is not None]
    theirs = scores.get((reference, round), {})
    paired = [theirs[seed] - own[seed] for seed in sorted(own.keys() & theirs.keys())]
    return Cell(
        arm=arm,
        round=round,
        density=densities[0] if densities else experiment.pruning.density(round),
        score=bootstrap([own[seed] for seed in sorted(own)]),
        difference=bootstrap(paired) if arm not in (reference, DENSE) and paired else None,
        failed=failed,
    )


def _verdict(experiment: Experiment, trials: list[Scored], scores: Scores, reference: str, control: str) -> Verdict:
    lost = {t.seed for t in trials if t.arm in (reference, control, DENSE) and is_lost(t)}
    effects, rounds = _area_differences(experiment, scores, reference, control, lost)
    interval = bootstrap(effects)
    # A lost seed counts against what the others say, as strongly as the strongest of them.
    against = -max(map(abs, effects), default=0.0) * (1 if sum(effects) > 0 else -1)
    p = sign_flip_p(effects + [against] * len(lost & set(experiment.seeds)))
    ended = not any(t.state in ("waiting", "running") for t in trials)
    agree = sum(effects) * interval.value > 0  # p speaks of the mean, the interval of the interquartile mean
    word: Literal["better", "worse", "inconclusive"] = "inconclusive"
    if ended and agree and p <= LEVEL and (interval.low > 0 or interval.high < 0):
        word = "better" if (interval.value > 0) == experiment.task.higher_is_better else "worse"
    text = _sentence(reference, control, word, interval, p, rounds, len(lost), ended)
    return Verdict(reference, control, word, interval, p, rounds, len(lost), text)


def _area_differences(
    experiment: Experiment, scores: Scores, reference: str, control: str, lost: set[int]
) -> tuple[list[float], int]:
    """Per seed the mean difference over the rounds that every seed has finished; and how many rounds those are.

    Seeds that lost a trial are left out whole, so that they do not take the later rounds from the others.
    """
    paired: dict[int, dict[int, float]] = {}
    for round in range(1, experiment.pruning.rounds + 1):
        a, b = scores.get((reference, round), {}), scores.get((control, round), {})
        paired[round] = {seed: a[seed] - b[seed] for seed in (a.keys() & b.keys()) - lost}
    started = {seed for differences in paired.values() for seed in differences}
    complete = [r for r, differences in paired.items() if differences and differences.keys() == started]
    effects = [sum(paired[r][seed] for r in complete) / len(complete) for seed in sorted(started) if complete]
    return effects, len(complete)


def _sentence(
    reference: str, control: str, word: str, effect: Interval, p: float, rounds: int, lost: int, ended: bool
) -> str:
    if effect.n == 0 or rounds == 0:
        return f"{reference} against {control}: no round is finished by all seeds" + ("" if ended else " yet")
    size = f"{effect.value:+.4g} [{effect.low:+.4g}, {effect.high:+.4g}]"
    facts = f"{size} over {rounds} round{'s' * (rounds != 1)}, n={effect.n}"
    if lost:
        facts += f" ({lost} more lost a trial and count against)"
    if not ended:
        return f"so far {reference} minus {control}: {facts}; no verdict before the end"
    if word == "inconclusive":
        few = " (fewer than 6 seeds cannot decide at the 5 % level)" if effect.n + lost < 6 else ""
        return f"{reference} against {control}: inconclusive at n={effect.n}{few}: {facts}, p={p:.2g}"
    return f"{reference} is {word} than {control}: {facts}, p={p:.2g}"
