"""Whether a task can be had on this machine: its environment, its data. Imports no torch."""

from lth_core.settings.tasks import ControlTask, Task


def check(task: Task) -> None:
    """Raise InputError, naming the field, what is accepted and what to install, where the task cannot be had."""
    if isinstance(task, ControlTask):
        from lth_core.tasks import control

        control.check(task.environment)
