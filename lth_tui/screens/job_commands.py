"""Commands on jobs, for the keys of pages that show jobs."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lth_core.settings.launcher import LocalLauncher, SlurmLauncher
from lth_core.store.commands import Cancel, Delete, JobCommand, Launch, Pause, Priority, Restore, Resume, Retry
from lth_core.text import one_line, plural
from lth_tui.keys import key
from lth_tui.reading.feed import LabelledCommand
from lth_tui.screens.confirm import Confirm
from lth_tui.screens.page import COMMON_KEYS, Page

if TYPE_CHECKING:
    from lth_core.store.views import JobView

JOB_KEYS = (
    key("job", "p", "pause", "pause/resume", show=True),
    key("job", "x", "cancel", "cancel", show=True),
    key("job", "r", "retry", "retry", show=True),
    key("job", "c", "clone", "clone and edit"),
    key("job", "e", "edit", "edit before it runs"),
    key("job", "D", "delete", "delete"),
    key("job", "u", "undelete", "undo the deletion"),
    *COMMON_KEYS,
)
"""Keys of the pages on which jobs can be commanded."""


class JobCommands(Page):
    """A page on which jobs can be commanded."""

    @abstractmethod
    def chosen_jobs(self) -> "Sequence[JobView]":
        """The jobs that commands apply to."""

    def idle(self, action: str) -> bool:
        """See Page: what no chosen job accepts."""
        jobs = self.chosen_jobs()
        if action == "retry":
            return not any(map(_lost, jobs))
        accepted = {"pause": Pause.accepted + Resume.accepted, "cancel": Cancel.accepted}.get(action)
        return accepted is not None and not any(job.state in accepted for job in jobs)

    def action_pause(self) -> None:
        """Pause the jobs, or resume them."""
        jobs = self._jobs_or_say()
        live = [job for job in jobs if job.state in Pause.accepted]
        paused = [job for job in jobs if job.state in Resume.accepted]
        for job in live or paused:
            self.send_command((Pause if live else Resume)(job=job.id))
        if jobs and not live and not paused:
            self._say_all(jobs, "there is nothing to pause")

    def action_retry(self) -> None:
        """Run failed or cancelled trials again."""
        jobs = self._jobs_or_say()
        lost = [job for job in jobs if _lost(job)]
        ready = [job for job in lost if job.state in Retry.accepted]
        for job in ready:
            self.send_command(Retry(job=job.id))
        if jobs and not ready:
            self._say_all(jobs, "resume it, then retry" if lost else "nothing failed")

    def action_launcher(self) -> None:
        """Let what is left of the jobs run on the cluster, or here again."""
        jobs = self._jobs_or_say()
        left = [job for job in jobs if job.state in Launch.accepted]
        for job in left:
            here = job.experiment.launcher.kind == "slurm"
            self.send_command(Launch(job=job.id, launcher=LocalLauncher() if here else SlurmLauncher()))
        if jobs and not left:
            self._say_all(jobs, "nothing is left to run")

    def action_cancel(self) -> None:
        """Ask, then cancel the jobs, now or when their round has ended."""
        jobs = self._jobs_or_say()
        live = [job for job in jobs if job.state in Cancel.accepted]
        if not live:
            if jobs:
                self._say_all(jobs, "nothing is left to cancel", opens=True)
            return
        done, trials = sum(job.trials_done for job in live), sum(job.trials for job in live)
        rows = (
            f"Cancel {named(live)}?",
            f"{done:,} of {trials:,} trials are done and will be kept; the others will not be trained.",
            *_untouched(jobs, live),
        )
        choices = [("y", "now", "now"), ("e", "at the end of the round", "round"), ("n", "keep", "no")]

        def decided(choice: str | None) -> None:
            for job in live if choice in ("now", "round") else ():
                self.send_command(Cancel(job=job.id, after_round=choice == "round"))

        self.app.push_screen(Confirm(rows, choices), decided)

    def action_delete(self) -> None:
        """Ask, then delete the jobs; for a day they can be brought back."""
        jobs = self._jobs_or_say()
        ended = [job for job in jobs if job.state in Delete.accepted]
        if jobs and not ended:
            self._say_all(jobs, "cancel it before deleting it", opens=True)
        if not ended:
            return
        rows = (
            f"Delete {named(ended)} with all results?",
            "u undoes this for a day; after that the next engine removes the files.",
            *_untouched(jobs, ended),
        )

        def decided(choice: str | None) -> None:
            if choice == "yes":
                self.bench.deleted.append([job.id for job in ended])
                for job in ended:
                    self.send_command(Delete(job=job.id))

        self.app.push_screen(Confirm(rows, [("y", "delete", "yes"), ("n", "keep", "no")]), decided)

    def action_undelete(self) -> None:
        """Bring back what was deleted last."""
        if not self.bench.may_change():
            return
        if self.bench.deleted:
            gone = self.bench.deleted.pop()
        elif self.bench.snapshot.newest_deleted is not None:
            gone = [self.bench.snapshot.newest_deleted]
        else:
            self.bench.say("nothing was deleted", "warning")
            return
        for number in gone:
            self.bench.ask(LabelledCommand(Restore(job=number), f"bring back job {number}"))

    def action_priority(self, by: int) -> None:
        """Jobs of a higher priority run first."""
        for job in self._jobs_or_say():
            self.send_command(Priority(job=job.id, by=by))

    def action_clone(self) -> None:
        """A copy of the job, to change and queue."""
        self._edit(replaces=False)

    def action_edit(self) -> None:
        """Change a job that has not begun."""
        self._edit(replaces=True)

    def _edit(self, *, replaces: bool) -> None:
        from lth_tui.screens.edit import Edit

        jobs = self._jobs_or_say()
        if not jobs:
            return
        if len(jobs) > 1:
            self.bench.refuse("only one job can be edited at a time")
            return
        job = jobs[0]
        if replaces and (job.state not in ("queued", "paused") or job.started is not None):
            self.bench.refuse(f"job {job.id} has begun: press c to clone it with other fields")
            return
        self.app.push_screen(Edit(job.experiment, job.source, job.id if replaces else None), self.asked)

    def asked(self, command: LabelledCommand | None) -> None:
        """Send the command that a form returned to the engine."""
        if command is not None:
            self.bench.ask(command)

    def _jobs_or_say(self) -> "Sequence[JobView]":
        """The jobs to change; none, and a word about it, if none is chosen or nothing may be changed."""
        if not self.bench.may_change():
            return ()
        jobs = self.chosen_jobs()
        if not jobs:
            self.bench.say("no job is selected", "warning")
        return jobs

    def _say_all(self, jobs: "Sequence[JobView]", words: str, *, opens: bool = False) -> None:
        """Why nothing can be done. opens: whether the key would have opened a question."""
        said = f"{named(jobs)}: {jobs[0].state if len(jobs) == 1 else 'all'}, {words}"
        if opens:
            self.bench.refuse(said)
        else:
            self.bench.say(said, "warning")

    def send_command(self, command: JobCommand) -> None:
        """Send a command about a job to the engine."""
        self.bench.ask(LabelledCommand(command, f"{command.kind} job {command.job}"))


def named(jobs: "Sequence[JobView]") -> str:
    """`job 3 cartpole`, or `4 jobs`."""
    if len(jobs) == 1:
        return f"job {jobs[0].id} {one_line(jobs[0].name, 60)}"
    return plural(len(jobs), "job")


def _lost(job: "JobView") -> bool:
    """Whether there is something to run again."""
    return job.state in ("failed", "cancelled") or job.trials_failed > 0


def _untouched(jobs: "Sequence[JobView]", meant: "Sequence[JobView]") -> list[str]:
    """A line that names the chosen jobs that a command leaves alone, and their states, if there are some."""
    others = [job for job in jobs if job not in meant]
    if not others:
        return []
    if len(others) > 3:
        return [f"Left as they are: {len(others)} jobs ({', '.join(sorted({job.state for job in others}))})."]
    names = ", ".join(f"{named([job])} ({job.state})" for job in others)
    return [f"Left as {'it is' if len(others) == 1 else 'they are'}: {names}."]
