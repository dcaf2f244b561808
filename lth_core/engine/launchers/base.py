"""The one narrow interface between the engine and whatever runs batches: this machine, or a cluster's scheduler.

The handle of an attempt is its batch's number. Whoever runs it only gives hints: the batch's folder is the truth.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from lth_core.batches.request import Request
from lth_core.settings.launcher import LocalLauncher, SlurmLauncher

Need = LocalLauncher | SlurmLauncher
"""What a batch asks for: its experiment's `[launcher]`."""
How = Literal["checkpoint", "kill"]


@dataclass(frozen=True)
class Ended:
    """How an attempt ended: its published code, or None where it died, and the cause; bytes of disk it asks for."""

    batch: int
    code: int | None
    error: str
    needed: int = 0


@dataclass(frozen=True)
class Notice:
    """Something that a user should know about a batch; `pause` where its job is not to go on by itself."""

    batch: int
    text: str
    pause: bool = False


class Launcher(Protocol):
    """Runs attempts whose folders exist. No method waits for anything outside of this process."""

    def free(self, need: Need) -> list[str]:
        """Names of the slots on which a batch with this need could be started now."""

    def submit(self, slot: str, request: Request, need: Need) -> None:
        """Have an attempt run on a free slot."""

    def poll(self) -> list[Ended]:
        """Attempts, of all that were submitted, that have ended since the last call."""

    def stop(self, batch: int, how: How = "checkpoint") -> None:
        """Have an attempt leave: with a checkpoint, or, where nobody wants what it would save, as soon as it can."""

    def close(self) -> list[Ended]:
        """The engine ends. Returns the attempts that ended with it; others go on, for the next engine."""
