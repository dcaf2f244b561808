"""Progress of a headless run: a live display on a terminal, plain lines in a pipe, or JSON lines."""

import json
import sys
import time
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lth_core.store.views import EventView, JobView
from lth_core.text import one_line

PLAIN_EVERY = 15.0
JSON_EVERY = 5.0


class Progress(Protocol):
    """Shows a run's progress."""

    def update(self, jobs: list[JobView], events: list[EventView]) -> None:
        """Show the jobs, and the events since the last call."""

    def say(self, sentence: str) -> None:
        """Print one sentence."""

    def close(self) -> None:
        """The run is over."""


def duration(seconds: float | None) -> str:
    """`1:02:03`, `2:03`, or a dash if unknown."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def left(seconds: float | None) -> str:
    """`2:03 left`, or nothing if unknown."""
    return "" if seconds is None else f"{duration(seconds)} left"


def rate(steps: float) -> str:
    """Steps per second, `1.2M/s`, `34k/s`; a dash for none."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if steps >= limit:
            return f"{steps / limit:.3g}{unit}/s"
    return f"{steps:.0f}/s" if steps else "-"


class LiveProgress:
    """A table that is redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=5, transient=True)
        self._live.start()

    def update(self, jobs: list[JobView], events: list[EventView]) -> None:
        """See Progress."""
        for event in events:
            if event.kind in ("trial failed", "retry", "recovered", "warning", "paused"):
                self._live.console.print(one_line(event.text), style="yellow", markup=False)
        grid = Table.grid(padding=(0, 2))
        for job in jobs:
            bar = ProgressBar(total=1.0, completed=job.progress, width=30)
            failed = f"{job.trials_failed} failed" if job.trials_failed else ""
            grid.add_row(
                Text(one_line(job.name)), job.state, f"round {job.round}/{job.rounds}", bar, f"{job.progress:4.0%}",
                f"{job.trials_done}/{job.trials} trials", rate(job.rate), left(job.seconds_left), failed,
            )  # fmt: skip
        self._live.update(grid)

    def say(self, sentence: str) -> None:
        """See Progress."""
        self._live.console.print(one_line(sentence), markup=False)

    def close(self) -> None:
        """See Progress."""
        self._live.stop()


class PlainProgress:
    """A line per event, and one at intervals: for pipes, logs and batch systems."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said_at = time.monotonic()

    def update(self, jobs: list[JobView], events: list[EventView]) -> None:
        """See Progress."""
        names = {job.id: job for job in jobs}
        for event in events:
            job = names.get(event.job or 0)
            rest = left(job.seconds_left) if job and job.seconds_left and event.kind == "round" else ""
            self.say(f"{job.name if job else f'job {event.job}'}: {', '.join(filter(None, (event.text, rest)))}")
        if time.monotonic() - self._said_at >= PLAIN_EVERY:
            for job in jobs:
                if job.state == "running":
                    speed = rate(job.rate) if job.rate else ""
                    parts = (f"{job.trials_done}/{job.trials} trials", speed, left(job.seconds_left))
                    self.say(f"{job.name}: {', '.join([f'{job.progress:.0%}', *filter(None, parts)])}")
            self._said_at = time.monotonic()

    def say(self, sentence: str) -> None:
        """See Progress."""
        self._said_at = time.monotonic()
        self._console.print(one_line(sentence), markup=False, soft_wrap=True, highlight=False)

    def close(self) -> None:
        """See Progress."""


class QuietProgress:
    """Sentences on standard error, for a command that prints one JSON object at its end."""

    def update(self, jobs: list[JobView], events: list[EventView]) -> None:
        """See Progress."""

    def say(self, sentence: str) -> None:
        """See Progress."""
        print(f"lth: {one_line(sentence)}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """See Progress."""


class JsonProgress:
    """One JSON object per line on standard output."""

    def __init__(self) -> None:
        self._said_at = 0.0

    def update(self, jobs: list[JobView], events: list[EventView]) -> None:
        """See Progress."""
        for event in events:
            self._write(
                {
                    "event": event.kind,
                    "job": event.job,
                    "trial": event.trial,
                    "at": event.at,
                    "text": event.text,
                }
            )
        if time.monotonic() - self._said_at >= JSON_EVERY:
            self._said_at = time.monotonic()
            for job in jobs:
                self._write(
                    {
                        "event": "progress", "job": job.id, "name": job.name, "state": job.state,
                        "progress": round(job.progress, 4), "trials_done": job.trials_done, "trials": job.trials,
                        "trials_failed": job.trials_failed,
                        "rate": job.rate, "seconds_left": job.seconds_left,
                    }
                )  # fmt: skip

    def say(self, sentence: str) -> None:
        """See Progress."""
        self._write({"event": "note", "text": one_line(sentence)})

    def close(self) -> None:
        """See Progress."""

    def _write(self, record: dict[str, object]) -> None:
        sys.stdout.write(json.dumps(record) + "\n")
        sys.stdout.flush()
