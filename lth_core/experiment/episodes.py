"""Checks that episodes can finish: where training episodes are the score, a training without one has none."""

import math

from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.tables import Tables
from lth_core.settings.imitation import Cloning
from lth_core.settings.reinforcement import ReinforcementTraining


def check_episodes(experiment: Tables, episode: float | None) -> None:
    """Raise InputError, saying what to change, if no episode of an arm can end, or none after its final mask.

    episode: steps of every episode if only a time limit ends episodes (infinite without one); None if they can end
    by themselves.
    """
    training = experiment.training
    if not isinstance(training, ReinforcementTraining | Cloning):
        return
    if episode == math.inf:
        raise InputError(
            f"task.environment {experiment.task.subject}: its episodes never end, so no training would have a score: "
            "expected task.time_limit = the steps of an episode"
        )
    if isinstance(training, Cloning) or training.score == "evaluation":
        return
    for arm in (DENSE, *experiment.arms):
        gradual = arm != DENSE and experiment.arm_named(arm).mask == "gradual"
        if gradual:
            _check_last_mask(experiment, arm, episode)
        elif episode is not None and training.unit == "steps":
            _check_length(experiment, training, arm, math.ceil(episode))


def _check_length(experiment: Tables, training: ReinforcementTraining, arm: str, episode: int) -> None:
    first, last = experiment.span(arm)
    update = training.environments * training.between
    taken = -(-(last - first) // update) * training.between
    if taken < episode:
        least = training.length - (last - first) + (-(-episode // training.between) - 1) * update + 1
        of = "" if arm == DENSE else f' of arm "{arm}"'
        raise InputError(
            f"training.length {training.length}: no episode{of} can end: each of the {training.environments} "
            f"environments takes {taken} steps, and an episode of {experiment.task.subject} has {episode}: expected "
            f"a length of at least {least}, fewer environments, or a task.time_limit of at most {taken}"
        )


def _check_last_mask(experiment: Tables, arm: str, episode: float | None) -> None:
    """With a gradual mask the score starts anew at its last step: an episode must end after that."""
    training, end = experiment.training, experiment.pruning.gradual.end
    assert isinstance(training, ReinforcementTraining)  # noqa: S101 see check_episodes
    first, last = experiment.span(arm)
    update = training.environments * training.between
    updates, at = -(-(last - first) // update), math.ceil(round(end * (last - first) / update, 9))
    if training.unit == "games":
        never = end == 1
    else:
        never = at >= updates or (
            episode is not None and updates * training.between // episode == at * training.between // episode
        )
    if never:
        raise InputError(
            f'pruning.gradual.end {end:g}: no episode of arm "{arm}" can end after its final mask, so it would have no '
            "score: expected an earlier end, a longer training.length, or a shorter task.time_limit"
        )
