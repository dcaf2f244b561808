"""Go to a job by its number or a part of its name, or run a command by its name."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual.screen import Screen

from lth_core.text import one_line
from lth_tui.palette import BOLD, DIM, PLAIN, SKY, ink, state_ink
from lth_tui.screens.finder import Finder
from lth_tui.strips import Row
from lth_tui.widgets.hints import Hint, hints_of
from lth_tui.words import glyph

if TYPE_CHECKING:
    from lth_core.store.views import JobView

_MOVES = ("jobs", "list", "filter")


class Jump(Finder[int | Hint | None, int | Hint]):
    """Returns the number of a job, or a command of the page below."""

    def __init__(self, below: Screen[Any], jobs: "Sequence[JobView]") -> None:
        super().__init__("jobs", "number or name of a job, or a command; enter goes there, esc closes")
        self._jobs = jobs
        self._commands = [
            hint
            for hint in hints_of(below, hidden=True)
            if hint.scope not in _MOVES and not hint.action.endswith("jump")
        ]

    def find(self, words: list[str]) -> None:
        """See Finder: jobs, then commands unless a number is typed."""
        jobs = found_jobs(self._jobs, words)
        hints = [h for h in self._commands if all(w in f"{h.words} {h.explained}".lower() for w in words)]
        if not words or any(w.isdecimal() for w in words):
            hints = []
        self._shown = [*(job.id for job in jobs), *hints]
        rows: list[Row] = [
            [(f"{job.id:>5} ", DIM), (f"{glyph(job.state)} ", state_ink(job.state)), (one_line(job.name, 80), BOLD)]
            for job in jobs
        ]
        rows += [[(f"{hint.keys:>5} ", ink(SKY)), (f"  {hint.words:<22} ", PLAIN), (hint.explained, DIM)]
                 for hint in hints]  # fmt: skip
        what = " and ".join(["jobs"] * bool(jobs) + ["commands"] * bool(hints))
        self.put(rows, what or "no job and no command matches")

    def take(self, entry: int | Hint) -> None:
        """See Finder."""
        self.dismiss(entry)


def found_jobs(jobs: "Sequence[JobView]", words: Sequence[str]) -> list["JobView"]:
    """The jobs with all of these words in number and name: first the one with this number or name, then those that
    begin so."""
    wanted = " ".join(words)

    def rank(job: "JobView") -> int:
        name = job.name.lower()
        if wanted in (str(job.id), name):
            return 0
        return 1 if str(job.id).startswith(wanted) or name.startswith(wanted) else 2

    found = [job for job in jobs if all(word in f"{job.id} {job.name}".lower() for word in words)]
    return sorted(found, key=rank) if wanted else found
