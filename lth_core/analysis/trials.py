"""The input of all analysis: a job's trials, from the store or a simulation, and their finished scores."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from lth_core.settings.base import TaskSection

Scores = dict[tuple[str, int], dict[int, float]]
"""By (arm, round), then seed."""


class Scored(Protocol):
    """The fields needed of a trial (see `store.views.TrialView`)."""

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
class Trial:
    """A trial that no store has: simulated, or a stored one under another arm's name or with another score.

    beside: see `store.views.TrialView`.
    """

    arm: str
    round: int
    seed: int
    state: str
    score: float | None
    density: float | None = None
    beside: tuple[tuple[str, float], ...] = ()


def is_lost(trial: Scored) -> bool:
    """Whether a trial will give no score: failed, blocked, or ended without a finished episode."""
    scored = trial.score is not None and math.isfinite(trial.score)
    return trial.state in ("failed", "blocked") or (trial.state == "done" and not scored)


def have_ended(trials: Iterable[Scored]) -> bool:
    """Whether these trials have all ended by themselves, as verdicts need: one that was cancelled has not, since a job
    may be cancelled at the moment at which it looks best."""
    return all(trial.state not in ("waiting", "running", "cancelled") for trial in trials)


def measured(trial: Scored, metric: str) -> float:
    """What a trial measured at its end beside its score (see `store.views.TrialView.beside`); NaN where it did not."""
    beside: tuple[tuple[str, float], ...] = getattr(trial, "beside", ())
    return dict(beside).get(metric, math.nan)


def finished_scores(task: TaskSection, trials: Iterable[Scored]) -> Scores:
    """Scores of the trials that ended with a number, on the scale that trials are compared on."""
    found: Scores = {}
    for trial in trials:
        if trial.state == "done" and trial.score is not None and math.isfinite(trial.score):
            found.setdefault((trial.arm, trial.round), {})[trial.seed] = task.judged(trial.score)
    return found


def measured_density(trials: Iterable[Scored]) -> float | None:
    """The fraction of the prunable parameters that remains in these trials of one arm and round; None before any ended.

    A mask may shrink until its training ends.
    """
    return next((t.density for t in trials if t.density is not None and t.state == "done"), None)
