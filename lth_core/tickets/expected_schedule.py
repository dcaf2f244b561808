"""How long an arm must be trained, at which learning rates, and where its snapshots are due, found again for the audit.

Shares no code with `Tables.span`, the stacks and the run, so that an error there is not repeated here.
"""

import math

import numpy as np
import numpy.typing as npt

from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.settings.imitation import Cloning
from lth_core.settings.reinforcement import ActorCriticTraining
from lth_core.settings.supervised import Supervised
from lth_core.settings.values import ReplayTraining

Rates = npt.NDArray[np.float64]


def start(experiment: Experiment, arm: str) -> int:
    """Where an arm starts in the dense run's schedule, in `training.unit`; below zero: so much before its start."""
    if arm == DENSE:
        return 0
    own = experiment.arm_named(arm)
    schedule = experiment.rewinding.schedule if own.schedule == "experiment" else own.schedule
    if schedule == "end":
        return experiment.training.length
    before = _rewind_point(experiment) if _evens_out(experiment, arm) else 0
    return (_rewind_point(experiment) if schedule == "rewind" else 0) - before


def length(experiment: Experiment, arm: str) -> int:
    """How long an arm is trained, in `training.unit`."""
    whole, point = experiment.training.length, _rewind_point(experiment)
    if arm == DENSE:
        return whole
    own = experiment.arm_named(arm)
    schedule = experiment.rewinding.schedule if own.schedule == "experiment" else own.schedule
    return (whole - point if schedule == "rewind" else whole) + (point if _evens_out(experiment, arm) else 0)


def _rewind_point(experiment: Experiment) -> int:
    """Where the dense run's rewind weights are from: its first update that ends there or later, where steps tell."""
    training, point = experiment.training, experiment.rewinding.weights
    if isinstance(training, ActorCriticTraining | ReplayTraining) and training.unit == "steps":
        return math.ceil(point / _played(training)) * _played(training)
    return point


def _evens_out(experiment: Experiment, arm: str) -> bool:
    """Whether the arm first trains up to the rewind point, as the weights of others have been."""
    untrained = experiment.arm_named(arm).weights in {"init", "fresh", "signed", "constant"}
    return experiment.rewinding.equal_training and untrained


def points(experiment: Experiment, arm: str) -> dict[str, int]:
    """Where the snapshots of a trial are due, in the schedule of its arm."""
    rewinding = experiment.rewinding
    found = {"init": 0, "rewind": rewinding.weights} if arm == DENSE else {}
    if rewinding.prune_from != "final" and start(experiment, arm) < rewinding.prune_from:
        found["ranked"] = rewinding.prune_from
    return found


def averages(experiment: Experiment, arm: str) -> bool:
    """Whether an arm's score is of averaged weights under one mask."""
    training = experiment.training
    other = arm != DENSE and (experiment.arm_named(arm).mask == "gradual" or experiment.arm_named(arm).moves)
    return isinstance(training, Supervised) and training.average > 1 and not other


def is_averaged(experiment: Experiment, arm: str, updates: int, per_unit: int) -> bool:
    """Whether the weights after so many updates are among those that are averaged for the score."""
    training = experiment.training
    if not averages(experiment, arm) or not isinstance(training, Supervised) or not updates:
        return False
    due = range(length(experiment, arm) * per_unit, 0, -training.average_every)[: training.average]
    return updates in due


def passed(experiment: Experiment, updates: int, per_unit: int) -> int | None:
    """How much of `training.unit` so many updates are; None if only the games themselves tell.

    per_unit: updates of one unit of supervised training.
    """
    training = experiment.training
    if isinstance(training, ActorCriticTraining | ReplayTraining):
        return None if training.unit == "games" else updates * _played(training)
    return updates // per_unit


def _played(training: ActorCriticTraining | ReplayTraining) -> int:
    """Environment steps of one update."""
    return (training.train_every if isinstance(training, ReplayTraining) else training.n_steps) * training.environments


def first_learning(experiment: Experiment) -> int:
    """The number, from 1, of the first update that learns."""
    training = experiment.training
    return 1 + (training.learning_starts // _played(training) if isinstance(training, ReplayTraining) else 0)


def optimizer_steps(experiment: Experiment, updates: int) -> int:
    """Steps of the optimizer in so many updates: one for each minibatch of each pass; of dqn and sac gradient_steps
    in each after learning_starts environment steps."""
    training = experiment.training
    if isinstance(training, ReplayTraining):
        return max(0, updates + 1 - first_learning(experiment)) * training.gradient_steps
    return updates * int(getattr(training, "epochs", 1) * getattr(training, "minibatches", 1))


def rates(experiment: Experiment, arm: str, updates: int, per_unit: int) -> Rates | None:
    """The learning rates of an arm's updates by its schedule; None if it follows the games that were played."""
    training, count = experiment.training, np.arange(updates)
    if isinstance(training, Supervised):
        begin = start(experiment, arm) * per_unit
        at = begin + count if begin >= 0 else np.where(count < -begin, count, begin + count)
        return training.learning_rate * _supervised(training, at, per_unit)
    if training.learning_rate_schedule == "constant":
        return np.full(updates, training.learning_rate)
    if training.unit == "games":
        return None
    per_update = 1 if isinstance(training, Cloning) else _played(training)
    begin, at = start(experiment, arm) * per_unit, count * per_update
    at = np.where(begin + at < 0, at, begin + at)
    share = np.minimum(at / (training.length * per_unit), 1.0)
    return training.learning_rate * ((1 - share) + share * training.learning_rate_end)


def _supervised(training: Supervised, at: npt.NDArray[np.int64], per_unit: int) -> Rates:
    """Factors of the learning rate of updates at these places in the dense run's schedule."""
    warmup, last = training.warmup, training.length * per_unit
    factor = np.ones(len(at))
    if training.learning_rate_schedule == "inverse_sqrt":
        factor = np.sqrt(max(warmup, 1) / (at + 1))
    elif training.learning_rate_schedule == "linear":
        share = np.clip((at - warmup) / max(1, last - warmup), 0.0, 1.0)
        factor = (1 - share) + share * training.learning_rate_end
    elif training.learning_rate_schedule == "milestones":
        behind = np.searchsorted(np.array(training.milestones) * per_unit, at, side="right")
        factor = training.milestone_factor ** behind.astype(float)
    return np.where(at < warmup, (at + 1) / max(warmup, 1), factor)
