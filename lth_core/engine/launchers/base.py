"""The narrow interface between the engine and what runs batches: this machine, or a cluster's scheduler.

An attempt is known by its batch's number. A launcher only gives hints: what the batch's folder says decides.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from lth_core.batches.request import Request
from lth_core.settings.launcher import LocalLauncher, SlurmLauncher

Need = LocalLauncher | SlurmLauncher
"""What a batch needs: its experiment's `[launcher]`."""
How = Literal["checkpoint", "kill"]


@dataclass(frozen=True)
class Ended:
    """How an attempt ended: its published code, or None if it died; the cause; bytes of disk it lacked."""

    batch: int
    code: int | None
    error: str
    needed: int = 0


@dataclass(frozen=True)
class Notice:
    """A sentence for the user about a batch; pause: its job must not continue by itself."""

    batch: int
    text: str
    pause: bool = False


class Launcher(Protocol):
    """Runs attempts whose folders exist. No method waits for anything outside this process."""

    def free(self, need: Need) -> list[str]:
        """Names of the slots on which a batch with this need could be started now."""

    def submit(self, slot: str, request: Request, need: Need) -> None:
        """Run an attempt on a free slot."""

    def poll(self) -> list[Ended]:
        """Submitted attempts that have ended since the last call."""

    def stop(self, batch: int, how: How = "checkpoint") -> None:
        """Stop an attempt: at a checkpoint, or at once if its results are no longer wanted."""

    def close(self) -> list[Ended]:
        """End with the engine. Returns the attempts that ended too; others continue, for the next engine."""
