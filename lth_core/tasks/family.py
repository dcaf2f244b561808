"""What a family of tasks knows of its tasks on this machine: whether they are available, their data. No torch.

What a family does not define is either empty for its tasks, or refused in a sentence.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from lth_core.errors import InputError
from lth_core.settings.base import TaskSection
from lth_core.tasks.environments import Environments
from lth_core.tasks.watched import Watched

T = TypeVar("T", bound=TaskSection)


class TaskFamily(ABC, Generic[T]):
    """The tasks of one kind. plays: whether they are learnt by acting in environments."""

    plays = False

    @abstractmethod
    def check(self, task: T) -> None:
        """Raise InputError, naming the field, what is accepted and what to install, where the task cannot be had."""

    def notes(self, task: T) -> list[str]:
        """What is done with its files that their owner may not expect, a line each."""
        return []

    def data(self, task: T) -> str | None:
        """What is trained on, in a sentence with hashes; None for tasks without data."""
        return None

    def digests(self, task: T) -> dict[str, str]:
        """What is trained on beside the experiment's files, by what it is."""
        return {}

    def versions(self, task: T) -> dict[str, str | None]:
        """Versions of packages and revisions of downloads, by name; None where there is none."""
        return {}

    def longest(self, task: T) -> tuple[str, int, str | None] | None:
        """For networks that start from a checkpoint: the field that says how many tokens a text has at most, how many,
        and the checkpoint of the tokenizer. None where texts are not learnt from."""
        return None

    def episode_steps(self, task: T) -> float | None:
        """Steps of every episode where nothing but a time limit ends one, infinite without a limit; else None."""
        return None

    def environments(self, task: T, seeds: Sequence[int], count: int) -> Environments:
        """The environments of tickets with these chain seeds, `count` for each.

        Raises InputError where they cannot be made, naming what to install if that is the reason.
        """
        raise InputError(f'task.kind "{_kind(task)}" has no environments: expected control, atari or minatar')

    def watched(self, task: T, seed: int) -> Watched:
        """One game; InputError where it cannot be drawn."""
        raise InputError(f'play: task.kind "{_kind(task)}" has no games: expected control, atari or minatar')


def _kind(task: TaskSection) -> str:
    return str(type(task).model_fields["kind"].default)
