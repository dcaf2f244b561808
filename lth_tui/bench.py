"""The interface of the app that screens use."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lth_tui.reading.feed import LabelledCommand
    from lth_tui.reading.snapshot import Snapshot, Watch


class Bench(Protocol):
    """The workbench as its screens see it."""

    snapshot: "Snapshot"
    """The newest snapshot."""
    wanted_job: int | None
    """A job that was queued a moment ago: the cursor goes to it."""
    deleted: list[list[int]]
    """The jobs of each deletion, the last one last."""
    exports: Path
    """Where files are saved."""
    read_only: bool

    def ask(self, asked: "LabelledCommand") -> None:
        """Send a command to the engine."""

    def may_change(self) -> bool:
        """Whether anything may be changed or written from here; says so if not."""

    def look_at(self, watch: "Watch") -> None:
        """Ask the feed to look closely at a job."""

    @property
    def queuing(self) -> bool:
        """Whether a job was queued a moment ago and is not under the cursor yet."""

    def refuse(self, words: str) -> None:
        """Say why a key opens nothing; what was typed ahead for it is dropped."""

    def say(self, words: str, severity: str = "information") -> None:
        """Show a message."""

    def do_aside(self, what: str, work: Callable[[], Path]) -> None:
        """Write a file in a thread of its own, then say where it is."""

    def renew(self) -> None:
        """Show the newest snapshot on the page on top."""
