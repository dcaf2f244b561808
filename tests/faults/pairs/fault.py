"""What a fault is: one way to hurt a job that runs, the trace that it must leave, and what may be said after it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.faults.pairs.scene import JobName, Scene


class NothingHurt(Exception):
    """An injection found nothing to hurt, or left no trace: then nothing was tested."""


class Unnamed(Exception):
    """Results differ, or a run ended, without a sentence of the program's that says why."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    `inject` does it and returns in words what it did; `trace` is looked at before and after, and must differ. `mend`
    takes it back: after at most `lasts` seconds, or, where that is 0, once the program has named it.
    """

    name: str
    inject: Callable[[Scene], str]
    trace: Callable[[Scene], object]
    when: Literal["running", "killed"] = "running"
    """Whether it is done to a job that runs, or after everything has been killed and before the same command."""
    says: str = ""
    """What the program may say of it where results are not there: a pattern; empty where the job must not notice."""
    needs: str = ""
    """A file that must be there first: a pattern within the workspace."""
    job: JobName = "cartpole"
    lasts: float = 0.0
    mend: Callable[[Scene], None] = lambda scene: None

    def hurt(self, scene: Scene) -> str:
        """Inject it; raises NothingHurt where that has left no trace."""
        before = self.trace(scene)
        did = self.inject(scene)
        if self.trace(scene) == before:
            raise NothingHurt(f"{self.name}: {did}, and nothing has changed")
        return did
