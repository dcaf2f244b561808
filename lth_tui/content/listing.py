"""The rows of the table of jobs: filtering, sorting, folding of suites. Pure functions."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lth_core.text import one_line, plural
from lth_tui.content.verdict_words import short_verdict
from lth_tui.palette import DIM, VERMILLION, ink
from lth_tui.reading.snapshot import Snapshot
from lth_tui.strips import Span
from lth_tui.widgets.job_columns import JobRow
from lth_tui.words import calm

if TYPE_CHECKING:
    from lth_core.store.views import JobView

_STATES = ("running", "queued", "paused", "failed", "done", "cancelled")
_KEYS: Mapping[str, Callable[["JobView"], tuple[float | str, ...]]] = {
    "queue": lambda job: (),
    "name": lambda job: (job.name.lower(),),
    "state": lambda job: (_STATES.index(job.state), -job.id),
    "progress": lambda job: (-job.progress,),
    "time left": lambda job: (float("inf") if job.seconds_left is None else job.seconds_left,),
    "newest": lambda job: (-job.created,),
    "round": lambda job: (-job.round,),
    "trials": lambda job: (-job.trials,),
    "steps/s": lambda job: (-job.rate if job.state == "running" else 0.0,),
}
SORTS = tuple(_KEYS)
_FALLING = ("progress", "newest", "round", "trials", "steps/s")
"""Orders that start with the largest."""
BY_COLUMN: Mapping[str, str] = {
    "state": "state", "name": "name", "id": "newest", "prio": "queue", "round": "round", "progress": "progress",
    "trials": "trials", "steps/s": "steps/s", "left": "time left",
}  # fmt: skip
"""The order that a click on the head of a column asks for."""


@dataclass(frozen=True)
class Listing:
    """How the user wants the jobs listed. folded: names of suites; marked: numbers of jobs."""

    filter: str = ""
    sort: str = SORTS[0]
    reverse: bool = False
    folded: frozenset[str] = frozenset()
    marked: frozenset[int] = frozenset()

    @property
    def marks(self) -> dict[str, str]:
        """The head of the column that the rows are sorted by, and its arrow; none in queue order."""
        if self.sort == SORTS[0] and not self.reverse:
            return {}
        arrow = "▼" if (self.sort in _FALLING) != self.reverse else "▲"
        return {column: arrow for column, order in BY_COLUMN.items() if order == self.sort}

    def by_column(self, column: str) -> "Listing":
        """Sorted by this column; in the other direction if it already was."""
        order = BY_COLUMN.get(column)
        if order is None:
            return self
        return replace(self, sort=order, reverse=order == self.sort and not self.reverse)

    @property
    def text(self) -> str:
        """Sorting and filter in words; empty if both are the default."""
        parts = [f"filter: {self.filter}"] if self.filter else []
        if self.sort != SORTS[0] or self.reverse:
            parts.append(f"sorted by {self.sort}{', reversed' * self.reverse}")
        if self.marked:
            parts.append(f"{plural(len(self.marked), 'job')} marked")
        return " · ".join(parts)


def matches(job: "JobView", wanted: str) -> bool:
    """Whether a job has all words of a filter.

    A word is searched in name, state, suite and task; `state:failed` in one of them; `a|b` means either, `!word` not.
    """
    task = f"{job.experiment.task.subject} {job.experiment.task.kind}"
    places = {"name": job.name, "state": job.state, "suite": job.suite or "", "task": task, "id": str(job.id)}
    for word in wanted.lower().split():
        negated = word.startswith("!")
        place, colon, rest = word.lstrip("!").partition(":")
        text = places[place] if colon and place in places else " ".join(list(places.values())[:4])
        sought = rest if colon and place in places else word.lstrip("!")
        if any(part in text.lower() for part in sought.split("|") if part) == negated:
            return False
    return True


def listed(snapshot: Snapshot, listing: Listing) -> list[JobRow]:
    """The rows of the table: jobs and, above those of a suite, the suite's own row."""
    jobs = [job for job in snapshot.jobs if not listing.filter or matches(job, listing.filter)]
    ahead = _ahead(snapshot)
    rows = {job.id: job_row(job, snapshot, ahead.get(job.id, 0), job.id in listing.marked) for job in jobs}
    groups: dict[str | int, list[JobView]] = {}
    for job in jobs:
        groups.setdefault(job.suite or job.id, []).append(job)
    found: list[JobRow] = []
    for head in _in_order([group[0] for group in groups.values()], listing):  # a suite is where its first job is
        suite = head.suite
        members = [rows[job.id] for job in _in_order(groups[suite or head.id], listing)]
        if suite is None or len(members) == 1:
            found += members
            continue
        folded = suite in listing.folded
        found.append(_suite_row(suite, members, folded=folded))
        if not folded:
            found += [replace(row, indent=2, name=row.name.removeprefix(f"{suite}-")) for row in members]
    return found


def position(rows: Sequence[JobRow], cursor: int | None, total: int) -> str:
    """Where the cursor is in the list: `14 of 60`; with a filter or folded suites also how many jobs there are."""
    numbers = [row.id for row in rows if row.suite is None]
    here = next((row for row in rows if row.id == cursor), None)
    count = f"{len(numbers):,}" if len(numbers) == total else f"{len(numbers):,} shown, {plural(total, 'job')}"
    if here is None or here.suite is not None:
        return f"{plural(total, 'job')}" if len(numbers) == total else count
    return f"{numbers.index(here.id) + 1:,} of {count}"


def _in_order(jobs: Sequence["JobView"], listing: Listing) -> list["JobView"]:
    found = sorted(jobs, key=_KEYS[listing.sort])
    return found[::-1] if listing.reverse else found


def _ahead(snapshot: Snapshot) -> dict[int, int]:
    """For each job that will run, how many run before it."""
    count, found = 0, {}
    for job in snapshot.jobs:
        found[job.id] = count
        count += job.state in ("queued", "running")
    return found


def job_row(job: "JobView", snapshot: Snapshot, ahead: int = 0, marked: bool = False) -> JobRow:
    """A job as a row of the table."""
    return JobRow(
        id=job.id,
        name=job.name,
        state=job.state,
        round=job.round,
        rounds=job.rounds,
        progress=round(job.progress, 2),
        trials_done=job.trials_done,
        trials=job.trials,
        trials_failed=job.trials_failed,
        rate=float(f"{job.rate:.2g}"),
        seconds_left=calm(job.seconds_left),
        verdict=_verdict(job, snapshot, ahead),
        device=devices({slot.device for slot in snapshot.slots if slot.job == job.id}),
        priority=job.priority,
        marked=marked,
    )


def devices(names: Collection[str]) -> str:
    """Where a job runs, in one short word."""
    if len(names) <= 1:
        return next(iter(names), "")
    kinds = {name.split(":")[0] for name in names}
    return f"{'/'.join(sorted(kinds))}×{len(names)}"


def _suite_row(suite: str, members: Sequence[JobRow], *, folded: bool) -> JobRow:
    states = [row.state for row in members]
    trials = sum(row.trials for row in members)
    left = [row.seconds_left for row in members if row.seconds_left is not None]
    return JobRow(
        id=-min(row.id for row in members),
        name=one_line(suite, 60),
        state=next((state for state in _STATES if state in states), states[0]),
        round=min(row.round for row in members),
        rounds=max(row.rounds for row in members),
        progress=round(sum(row.progress * row.trials for row in members) / max(1, trials), 2),
        trials_done=sum(row.trials_done for row in members),
        trials=trials,
        trials_failed=sum(row.trials_failed for row in members),
        rate=sum(row.rate for row in members),
        seconds_left=max(left) if left else None,
        verdict=((f"{sum(s == 'done' for s in states)} of {plural(len(members), 'job')} done", DIM),),
        device=devices({row.device for row in members if row.device}),
        marked=all(row.marked for row in members),
        suite=suite,
        folded=folded,
    )


def _verdict(job: "JobView", snapshot: Snapshot, ahead: int) -> tuple[Span, ...]:
    if job.error:
        return ((one_line(job.error, 200), ink(VERMILLION)),)
    if job.state == "queued":
        return ((f"waits for {plural(ahead, 'job')} before it" if ahead else "next to start", DIM),)
    summary = snapshot.summaries.get(job.id)
    return short_verdict(summary.verdicts) if summary else ()
