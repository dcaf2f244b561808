"""The teacher of an imitation, as its ticket's card describes it: where it is, and whether it fits the task."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.ticket_files import Card, read_card
from lth_core.settings.control import ControlTask
from lth_core.settings.imitation import ImitationTask, Teacher
from lth_core.settings.networks import MLP
from lth_core.settings.soft import SAC
from lth_core.settings.values import DQN
from lth_core.text import one_line


def found(task: ImitationTask) -> Teacher:
    """The task's teacher with its absolute path and digest; InputError where its ticket does not fit."""
    teacher = task.teacher
    if teacher.path is None or teacher.path.endswith(".safetensors"):
        return teacher
    shown = f"task.teacher.path = {one_line(json.dumps(teacher.path))}"
    card = read_card(Path(teacher.path).absolute())
    check_fits(task, experiment_of(card), shown)
    if teacher.digest not in ("", card.digest):
        raise InputError(f"{shown}: task.teacher.digest: the folder holds a ticket with another digest")
    return teacher.model_copy(update={"path": str(card.folder), "digest": card.digest})


def check_fits(task: ImitationTask, theirs: Experiment, shown: str) -> None:
    """Raise InputError, whose sentence begins with `shown`, unless a perceptron was trained in this environment."""
    if not isinstance(theirs.task, ControlTask) or not isinstance(theirs.model, MLP):
        raise InputError(f'{shown}: it is of task.kind "{theirs.task.kind}": expected a teacher of control')
    if isinstance(theirs.training, SAC):
        said = 'it was trained with algorithm "sac", whose policy is of another kind than a student\'s'
        raise InputError(f"{shown}: {said}: expected a2c or ppo")
    if isinstance(theirs.training, DQN):
        raise InputError(f'{shown}: it was trained with algorithm "dqn" and has no policy: expected a2c or ppo')
    was, now = (one.environment_alone.identifying() for one in (theirs.task, task))
    for name in sorted({*was, *now} - {"time_limit"}):
        if was.get(name) != now.get(name):
            raise InputError(
                f"{shown}: it was trained with task.{name} = {_said(was.get(name))}, and this task has "
                f"{_said(now.get(name))}: expected a teacher of the same environment"
            )


def experiment_of(card: Card) -> Experiment:
    """The experiment that a ticket comes from; InputError if its card names none that can be read."""
    try:
        return Experiment.from_json(json.dumps(card.experiment))
    except ValidationError:
        said = "its card names no experiment that this version can read"
        raise InputError(f"ticket {one_line(card.folder)}: {said}") from None


def _said(value: Any) -> str:
    return "its default" if value is None else one_line(json.dumps(value), 200)
