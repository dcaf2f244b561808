"""MinAtar: see TaskFamily."""

from collections.abc import Sequence

from lth_core.settings.minatar import MinAtarTask
from lth_core.tasks.environments import Environments
from lth_core.tasks.family import TaskFamily
from lth_core.tasks.watched import Watched


class MinAtarFamily(TaskFamily[MinAtarTask]):
    """Code of our own: nothing needs to be installed."""

    plays = True

    def check(self, task: MinAtarTask) -> None:
        """See TaskFamily: nothing needs to be there."""

    def environments(self, task: MinAtarTask, seeds: Sequence[int], count: int) -> Environments:
        """See TaskFamily."""
        from lth_core.tasks.minatar.environments import MinAtar

        return MinAtar(task, seeds, count)

    def watched(self, task: MinAtarTask, seed: int) -> Watched:
        """See TaskFamily."""
        from lth_core.tasks.minatar.watched import WatchedMinAtar

        return WatchedMinAtar(task, seed)
