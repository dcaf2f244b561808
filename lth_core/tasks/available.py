"""Whether a task can be had on this machine: its environment, its data, a checkpoint. Imports no torch."""

from lth_core.settings.language_networks import Causal, PretrainedSeq2Seq
from lth_core.settings.networks import Model
from lth_core.settings.tasks import AtariTask, ControlTask, Task
from lth_core.settings.texts import LanguageModelTask, TranslationTask


def notes(task: Task) -> list[str]:
    """What is done with the task's files that their owner may not expect, a line each."""
    if isinstance(task, TranslationTask):
        from lth_core.tasks.translation import pairs

        return [f"task.{part}: {said}" for part, said in pairs.forms(task).items()]
    return []


def check(task: Task, model: Model) -> None:
    """Raise InputError, naming the field, what is accepted and what to install, where the task or what the network
    starts from cannot be had."""
    if isinstance(model, Causal | PretrainedSeq2Seq):
        from lth_core.tasks.text import checkpoints

        checkpoints.check_model(model.checkpoint)
    if isinstance(task, ControlTask):
        from lth_core.tasks import control

        control.check(task.environment)
    elif isinstance(task, AtariTask):
        from lth_core.tasks import atari

        atari.check(task)
    elif isinstance(task, LanguageModelTask):
        from lth_core.tasks.text import corpus

        corpus.check(task)
    elif isinstance(task, TranslationTask):
        from lth_core.tasks.translation import corpus as parallel

        parallel.check(task)
