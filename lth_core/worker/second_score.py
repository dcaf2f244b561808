"""Evaluates some of the tickets that an attempt stores again, from their files, by code that scores no trial.

This shows that a score is of the stored weights, the stated episodes or examples, and the experiment's metric.
"""

import math
from collections.abc import Callable
from pathlib import Path

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey, plan
from lth_core.store.tensors import load_tensors
from lth_core.tickets.check import Check
from lth_core.tickets.network import Network
from lth_core.training.families import measured_again
from lth_core.training.run import RunningTrial
from lth_core.training.stack import Interrupted
from lth_core.worker.assemble import unpack_trained

EVERY = 64
"""Every so many trials of the plan is evaluated again, the first one included: one per job at least."""


def chosen(experiment: Experiment) -> set[TrialKey]:
    """The trials that are evaluated again."""
    return {trial.key for trial in plan(experiment)[::EVERY]}


def check(
    experiment: Experiment, network: Network, trial: RunningTrial, path: Path, sha256: str, device: str,
    go_on: Callable[[], bool],
) -> list[Check]:  # fmt: skip
    """A check of an ended trial by its stored file; none if there is nothing to compare, or `go_on` ends it."""
    arrays, _ = load_tensors(path, sha256)
    stored = unpack_trained(arrays, experiment, network)
    weights, statistics = stored.judged
    try:
        found = measured_again(experiment, network, weights, statistics, trial.key.seed, device, go_on)
    except Interrupted:
        return []
    values = {**trial.values, experiment.score: trial.score}
    measured = {name: values[name] for name in found if name in values}
    for name, was in measured.items():
        if not found[name].agrees(was, device):
            return [Check("score", False, f"{name} is {was:.8g}, but of the stored weights {found[name].value:.8g}")]
    if not measured:
        return []
    name = experiment.score if experiment.score in measured else next(iter(measured))
    off = abs(found[name].value - measured[name])
    return [Check("score", True, f"{name} of the stored weights differs by {off if math.isfinite(off) else 0.0:.1e}")]
