"""Carries out commands: rows of the command table become changes of the queue, each with an answer."""

import sqlite3
import time
from collections.abc import Callable
from typing import Any

from lth_core.batches.provenance import Revisions, provenance
from lth_core.engine import taught
from lth_core.engine.launchers.base import How
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.settings.launcher import Launcher
from lth_core.store import commands, earlier, job_changes
from lth_core.store.batches import running_batches_of
from lth_core.store.commands import Command, JobCommand
from lth_core.store.database import Database
from lth_core.store.events import add_event
from lth_core.store.jobs import add_job, adopt_job, job_experiment, job_state, known_job, set_job, settle_job
from lth_core.store.nonsense import NONSENSE
from lth_core.store.trials import cancel_later_rounds, cancel_trials, requeue_unfinished
from lth_core.text import either

LONGEST = 0.5
"""Seconds in a turn of the engine for commands, so that running batches do not wait for hundreds of them."""


class Commands:
    """Carries out commands. devices: stored in the provenance of new jobs; stop: ends a batch."""

    def __init__(
        self, database: Database, devices: list[str], stop: Callable[[int, How], None],
        resize: Callable[[sqlite3.Connection, int], None],
    ) -> None:  # fmt: skip
        self._database, self._devices, self._stop, self._resize = database, devices, stop, resize
        self._revisions = Revisions()

    def obey(self) -> None:
        """Carry out commands without an answer, oldest first; what does not fit in a turn is left for the next."""
        until = time.monotonic() + LONGEST
        for asked in commands.unanswered(self._database):
            try:
                with self._database.transaction() as connection:
                    commands.reply(connection, asked.id, self._act(connection, asked.command()))
            except NONSENSE as error:
                said = str(error) if isinstance(error, InputError) else f"{asked.kind}: {type(error).__name__}: {error}"
                with self._database.transaction() as connection:
                    commands.reply(connection, asked.id, {"error": said})
            if time.monotonic() > until:
                return

    def _act(self, connection: sqlite3.Connection, command: Command) -> dict[str, Any]:
        if isinstance(command, commands.Submit):
            return self._submit(connection, command)
        if isinstance(command, commands.Slots):
            self._resize(connection, command.count)
            return {"slots": command.count}
        assert isinstance(command, JobCommand)  # noqa: S101 there is no other kind
        found, restore = job_state(connection, command.job), isinstance(command, commands.Restore)
        if found is None or found[1] != restore:
            return {"error": f"there is no {'deleted ' * restore}job {command.job}"}
        if found[0] not in command.accepted:
            accepted = either(command.accepted)
            return {"error": f"job {command.job} is {found[0]}: {command.kind} is for jobs that are {accepted}"}
        self._change(connection, command)
        if isinstance(command, commands.Priority):
            return {"job": command.job, "priority": job_changes.priority(connection, command.job)}
        return {"job": command.job}

    def _change(self, connection: sqlite3.Connection, command: JobCommand) -> None:
        job = command.job
        match command:
            case commands.Pause():
                set_job(connection, job, "paused")
                self._stop_batches(connection, job)
            case commands.Resume():
                set_job(connection, job, "queued")
                settle_job(connection, job)
            case commands.Cancel():
                self._cancel(connection, job, command.after_round)
            case commands.Retry():
                self._retry(connection, job)
            case commands.Move():
                job_changes.move_job(connection, job, command.by)
            case commands.Priority():
                job_changes.change_priority(connection, job, command.by)
            case commands.Delete():
                self._delete(connection, job)
            case commands.Restore():
                job_changes.restore_job(connection, job)
                add_event(connection, "restored", "job brought back", job)
            case commands.Launch():
                self._launch(connection, job, command.launcher)
            case _:
                raise TypeError("the engine has no such command")

    def _submit(self, connection: sqlite3.Connection, command: commands.Submit) -> dict[str, Any]:
        experiment = taught.settled(connection, self._database.path.parent, Experiment.from_json(command.experiment))
        known = None if command.again else known_job(connection, experiment.identity, command.suite)
        if known is None and not command.again:
            known = earlier.known(connection, experiment, command.suite)
            if known is not None:
                said = "an earlier version queued it without hashes of its files; they are assumed unchanged"
                add_event(connection, "data unchecked", said, known)
        if known is not None:
            if command.suite is not None:
                adopt_job(connection, known, command.suite)
            self._launch(connection, known, experiment.launcher)
            return {"job": known, "known": True}
        facts = provenance(command.source, self._devices, experiment.task.modules, self._revisions)
        new = add_job(connection, experiment, command.source, facts, command.suite)
        if command.replaces is not None:
            self._replace(connection, command.replaces, new)
        return {"job": new}

    def _replace(self, connection: sqlite3.Connection, old: int, new: int) -> None:
        """Replace a job that has not started by the new one, at its place in the queue."""
        if not job_changes.take_place(connection, old, new):
            raise InputError(f"job {old} has started or ended: it can be cloned, not replaced")
        self._delete(connection, old)

    def _cancel(self, connection: sqlite3.Connection, job: int, after_round: bool) -> None:
        if after_round:
            last = cancel_later_rounds(connection, job)
            if last is not None:
                add_event(connection, "cancel", f"ends after round {last}", job)
                settle_job(connection, job)
                return
        self._stop_batches(connection, job, "kill")
        cancel_trials(connection, job)
        set_job(connection, job, "cancelled")

    def _retry(self, connection: sqlite3.Connection, job: int) -> None:
        count = requeue_unfinished(connection, job)
        add_event(connection, "retry", f"{count} trials wait again", job)
        set_job(connection, job, "queued")
        settle_job(connection, job)

    def _delete(self, connection: sqlite3.Connection, job: int) -> None:
        job_changes.delete_job(connection, job)
        add_event(connection, "deleted", "job deleted; it can be brought back for a day", job)

    def _launch(self, connection: sqlite3.Connection, job: int, launcher: Launcher) -> None:
        """From now on the rest of a job runs on another launcher; running batches checkpoint and continue there."""
        experiment, found = Experiment.from_json(job_experiment(connection, job)), job_state(connection, job)
        if experiment.launcher == launcher or found is None or found[0] == "done":
            return
        moved = experiment.model_copy(update={"launcher": launcher})
        # Its workers may have another number of threads there; each attempt records it.
        job_changes.change_experiment(connection, job, moved)
        add_event(connection, "launcher", f"from now on with launcher {launcher.kind}", job)
        self._stop_batches(connection, job)

    def _stop_batches(self, connection: sqlite3.Connection, job: int, how: How = "checkpoint") -> None:
        for batch in running_batches_of(connection, job):
            self._stop(batch, how)
