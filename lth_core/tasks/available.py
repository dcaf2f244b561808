"""Whether this machine has what a task needs: its environment, data, checkpoint. Imports no torch."""

from lth_core.checkpoints import files as checkpoints
from lth_core.settings.networks import Model
from lth_core.settings.tasks import Task
from lth_core.tasks.environments import Environments
from lth_core.tasks.families import family_of


def notes(task: Task, model: Model) -> list[str]:
    """What is done with their files that their owner may not expect, a line each."""
    said = None if model.pretrained is None else checkpoints.converted(model.pretrained)
    return family_of(task).notes(task) + ([f"model.checkpoint: {said}"] if said else [])


def episode_steps(task: Task) -> float | None:
    """See TaskFamily."""
    return family_of(task).episode_steps(task)


def environments(task: Task) -> Environments:
    """One environment of the task, to be asked what actions it has."""
    return family_of(task).environments(task, [0], 1)


def check(task: Task, model: Model) -> None:
    """Raise InputError, naming the field, what is accepted and what to install, where the task or what the network
    starts from cannot be had."""
    family = family_of(task)
    if model.pretrained is not None:
        checkpoints.check_model(model.pretrained, model.kind)
        if (longest := family.longest(task)) is not None:
            checkpoints.check_fit(model.pretrained, *longest)
    family.check(task)
