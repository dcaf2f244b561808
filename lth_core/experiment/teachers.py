"""The teacher of an imitation as far as its ticket's card tells: where it is, whether it fits the task."""

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
from lth_core.text import one_line


def found(task: ImitationTask) -> Teacher:
    """The task's teacher with its absolute path and digest; InputError where its ticket does not fit."""
    teacher = task.teacher
    if teacher.path is None:
        return teacher
    shown = f"task.teacher.path = {one_line(json.dumps(teacher.path))}"
    card = read_card(Path(teacher.path).absolute())
    theirs = experiment_of(card).task
    assert isinstance(theirs, ControlTask)  # noqa: S101 see experiment_of
    was, now = (one.environment_alone.identifying() for one in (theirs, task))
    for name in sorted({*was, *now} - {"time_limit"}):
        if was.get(name) != now.get(name):
            raise InputError(
                f"{shown}: its ticket was trained with task.{name} = {_said(was.get(name))}, and this task has "
                f"{_said(now.get(name))}: expected a teacher of the same environment"
            )
    if teacher.digest not in ("", card.digest):
        raise InputError(f"{shown}: task.teacher.digest: the folder holds a ticket with another digest")
    return teacher.model_copy(update={"path": str(card.folder), "digest": card.digest})


def experiment_of(card: Card) -> Experiment:
    """The experiment that a ticket comes from; InputError unless it is one of control, or of imitation, by a
    perceptron."""
    shown = f"ticket {one_line(card.folder)}"
    try:
        experiment = Experiment.from_json(json.dumps(card.experiment))
    except ValidationError:
        raise InputError(f"{shown}: its card names no experiment that this version can read") from None
    if not isinstance(experiment.task, ControlTask) or not isinstance(experiment.model, MLP):
        raise InputError(f'{shown}: it is of task.kind "{experiment.task.kind}": expected a ticket of control')
    return experiment


def _said(value: Any) -> str:
    return "its default" if value is None else one_line(json.dumps(value), 200)
