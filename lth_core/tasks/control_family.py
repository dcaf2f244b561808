"""Control from vector observations: see TaskFamily."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import metadata

from lth_core.settings.control import ControlTask
from lth_core.settings.imitation import ImitationTask
from lth_core.tasks.environments import Environments
from lth_core.tasks.family import TaskFamily
from lth_core.tasks.watched import Watched


class ControlFamily(TaskFamily[ControlTask]):
    """gymnasium is imported late: reading a file need not take so long."""

    plays = True

    def check(self, task: ControlTask) -> None:
        """See TaskFamily. What others wrote is not imported by reading a file: see engine.named_code."""
        from lth_core.tasks import control

        if not task.code:
            control.check(task)

    def notes(self, task: ControlTask) -> list[str]:
        """See TaskFamily."""
        return [
            f"task.{field}: {one.imports} will be imported, which runs its code, when queued, measured or trained"
            for field, one in task.code.items()
        ]

    def versions(self, task: ControlTask) -> dict[str, str | None]:
        """See TaskFamily: of the packages that the environment is of."""
        from lth_core.tasks.maker import Maker

        entry = Maker(task).spec.entry_point
        module = entry.partition(":")[0] if isinstance(entry, str) else getattr(entry, "__module__", "")
        names = _distributions().get(module.partition(".")[0], ())
        return {name: metadata.version(name) for name in names}

    def episode_steps(self, task: ControlTask) -> float | None:
        """See TaskFamily; None also for what others wrote."""
        from lth_core.tasks import control

        return None if task.code else control.episode_steps(task)

    def environments(self, task: ControlTask, seeds: Sequence[int], count: int) -> Environments:
        """See TaskFamily."""
        from lth_core.tasks import control

        return control.make(task, seeds, count)

    def watched(self, task: ControlTask, seed: int) -> Watched:
        """See TaskFamily."""
        from lth_core.tasks.watched_control import WatchedControl

        return WatchedControl(task, seed)


class ImitationFamily(ControlFamily):
    """Imitation: the environments are those of control."""

    def notes(self, task: ControlTask) -> list[str]:
        """See TaskFamily."""
        assert isinstance(task, ImitationTask)  # noqa: S101 the family of these
        teacher, found = task.teacher, super().notes(task)
        if teacher.job is not None:
            found.append(f"task.teacher: looked up in job {teacher.job} when queued; time cannot be estimated before")
        elif teacher.training is not None:
            length = f"{teacher.training.length:,} {teacher.training.unit}"
            found.append(
                f"task.teacher: trained by reward for {length} before the first ticket, once; then in the cache"
            )
        return found


@lru_cache(maxsize=1)
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()
