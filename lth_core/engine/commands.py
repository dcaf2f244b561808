"""Carries out commands: rows of the command table become changes of the queue, each with an answer."""

import json
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from lth_core.batches.provenance import provenance
from lth_core.engine.launchers.base import How
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.settings.launcher import launcher_from
from lth_core.store import commands, earlier, job_changes
from lth_core.store.batches import running_batches_of
from lth_core.store.commands import Command
from lth_core.store.database import Database
from lth_core.store.events import add_event
from lth_core.store.jobs import add_job, adopt_job, job_experiment, job_state, known_job, set_job, settle_job
from lth_core.store.nonsense import NONSENSE
from lth_core.store.trials import cancel_later_rounds, cancel_trials, requeue_unfinished

LONGEST = 0.5
"""Seconds in a turn of the engine for commands, so that running batches do not wait for hundreds of them."""


class Commands:
    """Carries out commands. devices: stored in the provenance of new jobs; stop: ends a batch."""

    def __init__(
        self, database: Database, devices: list[str], stop: Callable[[int, How], None],
        resize: Callable[[sqlite3.Connection, int], None],
    ) -> None:  # fmt: skip
        self._database, self._devices, self._stop, self._resize = database, devices, stop, resize

    def obey(self) -> None:
        """Carry out commands without an answer, oldest first; what does not fit in a turn is left for the next."""
        until = time.monotonic() + LONGEST
        for command in commands.unanswered(self._database):
            try:
                with self._database.transaction() as connection:
                    self._answer(connection, command, self._act(connection, command))
            except InputError as error:
                with self._database.transaction() as connection:
                    self._answer(connection, command, {"error": str(error)})
            except NONSENSE as error:
                with self._database.transaction() as connection:
                    self._answer(connection, command, {"error": f"{command.kind}: {type(error).__name__}: {error}"})
            if time.monotonic() > until:
                return

    def _answer(self, connection: sqlite3.Connection, command: Command, reply: dict[str, Any]) -> None:
        commands.reply(connection, command.id, reply)

    def _act(self, connection: sqlite3.Connection, command: Command) -> dict[str, Any]:
        payload = json.loads(command.payload)
        if command.kind == "submit":
            return self._submit(connection, payload)
        if command.kind == "slots":
            self._resize(connection, int(payload["count"]))
            return {"slots": int(payload["count"])}
        accepted = commands.ACCEPTED.get(command.kind)
        if accepted is None:
            return {"error": f"unknown command {command.kind}"}
        job = int(payload["job"])
        found = job_state(connection, job)
        if found is None or found[1] != (command.kind == "restore"):
            return {"error": f"there is no {'deleted ' * (command.kind == 'restore')}job {job}"}
        if found[0] not in accepted:
            return {"error": f"job {job} is {found[0]}: {command.kind} is for jobs that are {' or '.join(accepted)}"}
        getattr(self, f"_{command.kind}")(connection, job, payload)
        return {"job": job}

    def _submit(self, connection: sqlite3.Connection, payload: dict[str, Any]) -> dict[str, Any]:
        experiment = Experiment.from_json(payload["experiment"])
        suite = payload.get("suite")
        known = None if payload.get("again") else known_job(connection, experiment.identity, suite)
        if known is None and not payload.get("again"):
            known = earlier.known(connection, experiment, suite)
            if known is not None:
                said = "an earlier version queued it without hashes of its files; they are assumed unchanged"
                add_event(connection, "data unchecked", said, known)
        if known is not None:
            if suite is not None:
                adopt_job(connection, known, suite)
            self._launch(connection, known, {"launcher": experiment.launcher.model_dump(mode="json")})
            return {"job": known, "known": True}
        source = str(payload["source"])
        facts = provenance(source, self._devices, experiment.task.modules)
        new = add_job(connection, experiment, source, facts, suite)
        if payload.get("replaces") is not None:
            self._replace(connection, int(payload["replaces"]), new)
        return {"job": new}

    def _replace(self, connection: sqlite3.Connection, old: int, new: int) -> None:
        """Replace a job that has not started by the new one, at its place in the queue."""
        if not job_changes.take_place(connection, old, new):
            raise InputError(f"job {old} has started or ended: it can be cloned, not replaced")
        self._delete(connection, old, {})

    def _pause(self, connection: sqlite3.Connection, job: int, _payload: dict[str, Any]) -> None:
        set_job(connection, job, "paused")
        self._stop_batches(connection, job)

    def _resume(self, connection: sqlite3.Connection, job: int, _payload: dict[str, Any]) -> None:
        set_job(connection, job, "queued")
        settle_job(connection, job)

    def _cancel(self, connection: sqlite3.Connection, job: int, payload: dict[str, Any]) -> None:
        if payload.get("after_round"):
            last = cancel_later_rounds(connection, job)
            if last is not None:
                add_event(connection, "cancel", f"ends after round {last}", job)
                settle_job(connection, job)
                return
        self._stop_batches(connection, job, "kill")
        cancel_trials(connection, job)
        set_job(connection, job, "cancelled")

    def _retry(self, connection: sqlite3.Connection, job: int, _payload: dict[str, Any]) -> None:
        count = requeue_unfinished(connection, job)
        add_event(connection, "retry", f"{count} trials wait again", job)
        set_job(connection, job, "queued")
        settle_job(connection, job)

    def _move(self, connection: sqlite3.Connection, job: int, payload: dict[str, Any]) -> None:
        """Move a job among the visible jobs of its priority."""
        job_changes.move_job(connection, job, int(payload["by"]))

    def _priority(self, connection: sqlite3.Connection, job: int, payload: dict[str, Any]) -> None:
        job_changes.change_priority(connection, job, int(payload["by"]))

    def _delete(self, connection: sqlite3.Connection, job: int, _payload: dict[str, Any]) -> None:
        job_changes.delete_job(connection, job)
        add_event(connection, "deleted", "job deleted; it can be brought back for a day", job)

    def _restore(self, connection: sqlite3.Connection, job: int, _payload: dict[str, Any]) -> None:
        job_changes.restore_job(connection, job)
        add_event(connection, "restored", "job brought back", job)

    def _launch(self, connection: sqlite3.Connection, job: int, payload: dict[str, Any]) -> None:
        """From now on the rest of a job runs on another launcher; running batches checkpoint and continue there."""
        wanted = launcher_from(json.dumps(payload["launcher"]))
        experiment, found = Experiment.from_json(job_experiment(connection, job)), job_state(connection, job)
        if experiment.launcher == wanted or found is None or found[0] == "done":
            return
        moved = experiment.model_copy(update={"launcher": wanted})
        # Its workers may have another number of threads there; each attempt records it.
        job_changes.change_experiment(connection, job, moved)
        add_event(connection, "launcher", f"from now on with launcher {wanted.kind}", job)
        self._stop_batches(connection, job)

    def _stop_batches(self, connection: sqlite3.Connection, job: int, how: How = "checkpoint") -> None:
        for batch in running_batches_of(connection, job):
            self._stop(batch, how)
