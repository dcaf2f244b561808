"""Why trials of a job have no score: one line per cause."""

from collections.abc import Sequence

from lth_core.analysis.trials import is_lost
from lth_core.store.views import TrialView
from lth_core.text import one_line, plural

MOST = 10
"""The most causes that are listed."""
UNSCORED = "it ended without a score"
"""The cause of trials that an earlier version ended without a score."""


def causes(trials: Sequence[TrialView], most: int | None = MOST) -> list[str]:
    """Lines `dense round 0 seeds 0, 1: CAUSE`, by falling number of trials; without trials that waited for others."""
    found: dict[str, list[TrialView]] = {}
    for trial in trials:
        if is_lost(trial) and trial.state != "blocked":
            found.setdefault(one_line(trial.error or UNSCORED), []).append(trial)
    told = sorted(found.items(), key=lambda one: -len(one[1]))
    lines = [f"{_named(own)}: {cause}" for cause, own in told[:most]]
    left = sum(len(own) for _, own in told[len(lines) :])
    return [
        *lines,
        *([f"and {plural(left, 'more trial')}, of {plural(len(told) - len(lines), 'other cause')}"] if left else []),
    ]


def _named(trials: Sequence[TrialView]) -> str:
    seeds: dict[tuple[str, int], list[str]] = {}
    for trial in trials:
        seeds.setdefault((trial.arm, trial.round), []).append(str(trial.seed))
    places = [
        f"{one_line(arm)} round {round} seed{'s' * (len(own) > 1)} {', '.join(own)}"
        for (arm, round), own in seeds.items()
    ]
    return "; ".join(places[:4]) + (f" and {len(places) - 4} more" if len(places) > 4 else "")
