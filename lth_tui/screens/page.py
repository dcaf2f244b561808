"""What queue page and job page share: header, hints, the sizes they adapt to, and the commands on a job."""

from abc import abstractmethod
from typing import TYPE_CHECKING, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen

from lth_core.text import one_line
from lth_tui.feed import Wish
from lth_tui.palette import BOLD
from lth_tui.screens.confirm import Confirm
from lth_tui.widgets.header import Header
from lth_tui.widgets.hints import Hints
from lth_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from lth_core.store.views import JobView
    from lth_tui.app import Workbench
    from lth_tui.reader import Snapshot

LEAST_WIDTH, LEAST_HEIGHT = 60, 16


JOB_KEYS = (
    Binding("p", "pause", "pause/resume"),
    Binding("x", "cancel", "cancel"),
    Binding("r", "retry", "retry"),
    Binding("L", "launcher", "here/cluster", show=False),
    Binding("question_mark", "help", "help", key_display="?"),
)
"""Keys of both pages, put after each page's own."""


class Page(Screen[None]):
    """A page of the workbench; below 60x16 it only asks to be enlarged."""

    def compose(self) -> ComposeResult:
        """Header, the page's own widgets, hints."""
        yield Header()
        yield from self.compose_page()
        yield Hints()
        yield Lines([(f"enlarge to {LEAST_WIDTH}x{LEAST_HEIGHT}", BOLD)], "everything goes on meanwhile", id="enlarge")

    @abstractmethod
    def compose_page(self) -> ComposeResult:
        """The page's own widgets."""

    @abstractmethod
    def current_job(self) -> "JobView | None":
        """The job that commands are about."""

    @abstractmethod
    def present(self, snapshot: "Snapshot") -> None:
        """Show what was read."""

    @property
    def bench(self) -> "Workbench":
        """The app, as what it is."""
        return cast("Workbench", self.app)

    def on_resize(self, event: events.Resize) -> None:
        """Take the size class."""
        self.fit(event.size.width, event.size.height)

    def fit(self, width: int, height: int) -> None:
        """Set the classes by which the stylesheet arranges the page."""
        self.set_class(width < LEAST_WIDTH or height < LEAST_HEIGHT, "-tiny")
        self.set_class(width >= 110 and height >= 30, "-wide")

    def on_screen_resume(self) -> None:
        """Catch up with what was read while another screen was on top."""
        self.fit(*self.app.size)  # the size may have changed below a modal
        self.bench.renew()

    def action_help(self) -> None:
        """Show all keys."""
        from lth_tui.screens.help import Help

        self.app.push_screen(Help(self))

    def action_pause(self) -> None:
        """Pause the job, or resume it."""
        job = self._job_or_say()
        if job is None:
            return
        if job.state == "paused":
            self._wish("resume", job)
        elif job.state in ("queued", "running"):
            self._wish("pause", job)
        else:
            self.bench.say(f"job {job.id} is {job.state}: there is nothing to pause", "warning")

    def action_retry(self) -> None:
        """Run failed or cancelled trials again."""
        job = self._job_or_say()
        if job is None:
            return
        if job.state in ("failed", "cancelled") or job.trials_failed:
            self._wish("retry", job)
        else:
            self.bench.say(f"job {job.id} is {job.state}: nothing of it failed", "warning")

    def action_launcher(self) -> None:
        """Let what is left of the job run on the cluster, or here again."""
        job = self._job_or_say()
        if job is None:
            return
        if job.state == "done":
            self.bench.say(f"job {job.id} is done: nothing of it is left to run", "warning")
        else:
            kind = "local" if job.experiment.launcher.kind == "slurm" else "slurm"
            self._wish("launch", job, launcher={"kind": kind})

    def action_cancel(self) -> None:
        """Ask, then cancel the job."""
        job = self._job_or_say()
        if job is None:
            return
        if job.state in ("done", "failed", "cancelled"):
            self.bench.say(f"job {job.id} is {job.state} already", "warning")
            return
        found = job
        rows = (
            f"Cancel job {job.id} {one_line(job.name, 60)}?",
            f"{job.trials_done} of {job.trials} trials are done and stay; the rest is not trained.",
        )
        question = Confirm(rows, [("y", "cancel it", "yes"), ("n", "keep it", "no")])

        def decided(choice: str | None) -> None:
            if choice == "yes":
                self._wish("cancel", found)

        self.app.push_screen(question, decided)

    def _job_or_say(self) -> "JobView | None":
        job = self.current_job()
        if job is None:
            self.bench.say("no job is selected", "warning")
        return job

    def _wish(self, kind: str, job: "JobView", **payload: object) -> None:
        label = f"{kind} job {job.id}"
        self.bench.feed.ask(Wish(kind, {"job": job.id, **payload}, label))  # type: ignore[arg-type]
