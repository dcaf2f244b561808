"""Whether a task can be had on this machine: its environment, its data, a checkpoint. Imports no torch."""

from lth_core.checkpoints import files as checkpoints
from lth_core.settings.language_networks import Causal, PretrainedSeq2Seq
from lth_core.settings.networks import Model
from lth_core.settings.tasks import AtariTask, ControlTask, Task
from lth_core.settings.texts import LanguageModelTask, TranslationTask


def notes(task: Task, model: Model) -> list[str]:
    """What is done with their files that their owner may not expect, a line each."""
    found = []
    if isinstance(task, ControlTask):
        found += [
            f"task.{field}: {one.imports} is imported, which runs its code, when this is queued, measured or trained"
            for field, one in task.code.items()
        ]
    if isinstance(task, TranslationTask):
        from lth_core.tasks.translation import pairs

        found += [f"task.{part}: {said}" for part, said in pairs.forms(task).items()]
    if isinstance(model, Causal | PretrainedSeq2Seq):
        found += [f"model.checkpoint: {said}" for said in [checkpoints.converted(model.checkpoint)] if said]
    return found


def episode_steps(task: Task) -> float | None:
    """Steps of every episode of a task where nothing but a time limit ends one, infinite without a limit; else None.

    None also for what others wrote, which is not imported by reading a file: see engine.named_code.
    """
    if not isinstance(task, ControlTask) or task.code:
        return None
    from lth_core.tasks import control

    return control.episode_steps(task)


def check(task: Task, model: Model) -> None:
    """Raise InputError, naming the field, what is accepted and what to install, where the task or what the network
    starts from cannot be had."""
    if isinstance(model, Causal | PretrainedSeq2Seq):
        checkpoints.check_model(model.checkpoint, model.kind)
        if isinstance(task, LanguageModelTask):
            checkpoints.check_fit(model.checkpoint, "task.window", task.window, task.checkpoint)
        elif isinstance(task, TranslationTask):
            checkpoints.check_fit(model.checkpoint, "task.longest", task.longest, task.checkpoint)
    if isinstance(task, ControlTask):
        from lth_core.tasks import control

        if not task.code:  # what others wrote is not imported by reading a file: see engine.named_code
            control.check(task)
    elif isinstance(task, AtariTask):
        from lth_core.tasks import atari

        atari.check(task)
    elif isinstance(task, LanguageModelTask):
        from lth_core.tasks.text import corpus

        corpus.check(task)
    elif isinstance(task, TranslationTask):
        from lth_core.tasks.translation import corpus as parallel

        parallel.check(task)
