"""Atari games: see TaskFamily."""

from collections.abc import Sequence

from lth_core.settings.tasks import AtariTask
from lth_core.tasks.contents import file_sha256
from lth_core.tasks.environments import Environments
from lth_core.tasks.family import TaskFamily
from lth_core.tasks.watched import Watched


class AtariFamily(TaskFamily[AtariTask]):
    """The emulator is imported late: it may not be installed."""

    plays = True

    def check(self, task: AtariTask) -> None:
        """See TaskFamily."""
        from lth_core.tasks import atari

        atari.check(task)

    def digests(self, task: AtariTask) -> dict[str, str]:
        """See TaskFamily."""
        from lth_core.tasks import atari

        return {"ROM": file_sha256(atari.rom(task))}

    def environments(self, task: AtariTask, seeds: Sequence[int], count: int) -> Environments:
        """See TaskFamily."""
        from lth_core.tasks.atari import Atari

        return Atari(task, seeds, count)

    def watched(self, task: AtariTask, seed: int) -> Watched:
        """See TaskFamily."""
        from lth_core.tasks.watched_atari import WatchedAtari

        return WatchedAtari(task, seed)
