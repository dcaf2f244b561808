"""Batches as jobs of a Slurm cluster: submitted in arrays, queried together, ended by what their folders say.

Queries run in threads of their own, so that a scheduler that does not answer delays nothing. Its jobs outlive the
engine; the next engine finds them by the `submission.json` in their attempts' folders.
"""

import contextlib
import hashlib
import json
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from lth_core.batches.batch import BatchFolder, read_exit, read_json
from lth_core.batches.exit_codes import CHECKPOINTED
from lth_core.batches.request import Request
from lth_core.engine.launchers import slurm_commands as slurm
from lth_core.engine.launchers.base import Ended, How, Need, Notice
from lth_core.engine.launchers.slurm_commands import Commands, JobLine, SlurmError, Task
from lth_core.engine.launchers.slurm_fate import ALIVE, InFlight, fate, is_final
from lth_core.engine.supervisor import STOP
from lth_core.settings.launcher import SlurmLauncher
from lth_core.store.tensors import write_atomically
from lth_core.store.workspace import Workspace

SLOT = "slurm"
LOOK_EVERY = 1.0
"""Seconds between two checks of the folders of all attempts."""
GATHER = 1.0
"""Seconds for which batches are collected for one array."""
GRACE = 60.0
"""Seconds between asking a job to checkpoint and cancelling it."""
BACK_OFF = (15.0, 600.0)
"""Seconds between two tries to submit: the first and the longest wait."""
MOST_SHOWN = 64
_RECORD = "submission.json"


class SlurmJobs:
    """Jobs of one workspace on one cluster. See Launcher."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._folder = workspace.folder.resolve()
        self._prefix = f"lth-{hashlib.sha256(str(self._folder).encode()).hexdigest()[:8]}-"
        self._in_flight: dict[int, InFlight] = {}
        self._names: set[str] = set()
        self._notices: list[Notice] = []
        self._commands = Commands()
        self._submitting = self._asking = False
        self._asked_at = self._looked_at = -1e9
        self._not_before, self._delay = 0.0, BACK_OFF[0]
        self._silent = False

    def free(self, need: Need) -> list[str]:
        """See Launcher; no slots while the scheduler accepts no more jobs."""
        if not isinstance(need, SlurmLauncher) or time.monotonic() < self._not_before:
            return []
        return [SLOT] * max(0, need.most_jobs - len(self._in_flight))

    def submit(self, slot: str, request: Request, need: Need) -> None:
        """See Launcher. It is submitted together with similar ones by one of the next polls."""
        assert isinstance(need, SlurmLauncher)  # noqa: S101 what free() was asked with
        folder = self._attempt(request.batch, request.attempt)
        self._in_flight[request.batch] = InFlight(
            request.batch, request.attempt, folder, need, time.monotonic(), request=request
        )

    def adopt(self, batch: int, attempt: int, need: Need) -> bool:
        """Watch an attempt that an earlier engine submitted; False if there is none. LeadsElsewhere for a link."""
        folder = self._workspace.own(self._attempt(batch, attempt))
        record = read_json(folder / _RECORD) or {}
        name, index = str(record.get("name")), record.get("index")
        # The name becomes a path that is deleted, and the workspace may be foreign.
        if not re.fullmatch(f"{self._prefix}[0-9a-f]{{8}}", name) or not isinstance(index, int):
            return False
        if not isinstance(need, SlurmLauncher):
            return False
        self._in_flight[batch] = InFlight(batch, attempt, folder, need, 0.0, name, index, submitted_at=time.monotonic())
        self._names.add(name)
        return True

    def poll(self) -> list[Ended]:
        """See Launcher."""
        self._commands.collect()
        now = time.monotonic()
        self._submit_gathered(now)  # first: a full disk may interrupt it, and each end is reported once
        ended: list[Ended] = []
        if now - self._looked_at >= LOOK_EVERY:
            self._looked_at = now
            for one in list(self._in_flight.values()):
                end = self._look(one, now)
                if end is not None:
                    self._drop(one, keep_log=end.code is None)
                    ended.append(end)
        self._ask(now)
        return ended

    def stop(self, batch: int, how: How = "checkpoint") -> None:
        """See Launcher. A running job reads the request in its folder; a waiting or unwanted one is cancelled."""
        one = self._in_flight.get(batch)
        if one is None or one.stop in (how, "kill"):
            return
        one.stop, one.stop_at, one.told = how, time.monotonic(), False
        if how == "checkpoint":
            with contextlib.suppress(OSError):  # on a full disk: it is cancelled after GRACE
                (one.folder / STOP).touch()

    def close(self) -> list[Ended]:
        """See Launcher: jobs continue; attempts not submitted yet are returned."""
        self._commands.close()
        back = [one for one in self._in_flight.values() if one.submitted_at is None and not one.name]
        return [Ended(one.batch, CHECKPOINTED, "") for one in back]

    def running(self) -> list[int]:
        """Batches that were submitted and have not ended."""
        return list(self._in_flight)

    def notices(self) -> list[Notice]:
        """Notices since the last call."""
        said, self._notices = self._notices, []
        return said

    def shown(self) -> list[tuple[str, str, int]]:
        """Name, place and batch of the first jobs. Place: the node of a running job, or why it waits."""
        some = list(self._in_flight.values())[:MOST_SHOWN]
        return [(f"{SLOT}/{one.job or '-'}/{one.batch}", one.whereabouts, one.batch) for one in some]

    def _look(self, one: InFlight, now: float) -> Ended | None:
        """How an attempt has ended, if it has; cancels it if it must stop and does not."""
        said = read_exit(one.folder)
        if one.stop is not None and not is_final(said):
            self._press(one, now)
        found = fate(one, said, self._submission(one.name), now)
        if found is not None and found.notice is not None:
            self._notices.append(found.notice)
        return found.ended if found is not None else None

    def _say(self, one: InFlight, text: str) -> None:
        self._notices.append(Notice(one.batch, text))

    def _press(self, one: InFlight, now: float) -> None:
        """Cancel a job that waits, must end at once, or does not stop."""
        overdue = one.stop == "checkpoint" and now > one.stop_at + GRACE
        if not one.job or (one.told and not overdue):
            return
        waits = one.stop == "checkpoint" and not overdue
        if waits and one.state == "RUNNING":
            return
        one.told = True
        if overdue:
            one.stop_at = now
        self._commands.ask(lambda: slurm.cancel([one.job], waiting_only=waits), lambda _: None, self._unheard(one))

    def _unheard(self, one: InFlight) -> Callable[[SlurmError], None]:
        def again(_error: SlurmError) -> None:
            one.told = False

        return again

    def _drop(self, one: InFlight, *, keep_log: bool) -> None:
        del self._in_flight[one.batch]
        alone = all(other.name != one.name for other in self._in_flight.values())
        if one.name and alone and not keep_log:
            shutil.rmtree(self._submission(one.name), ignore_errors=True)

    def _submit_gathered(self, now: float) -> None:
        """Submit one array of batches with the same needs, at a time."""
        waiting = [one for one in self._in_flight.values() if one.submitted_at is None and one.stop is None]
        if self._submitting or now < self._not_before or not waiting or now < waiting[0].given_at + GATHER:
            return
        need = waiting[0].need
        group = [one for one in waiting if one.need == need]
        name = f"{self._prefix}{uuid.uuid4().hex[:8]}"
        folder = self._submission(name)
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700)
        for index, one in enumerate(group):
            record = json.dumps({"name": name, "index": index}).encode()
            write_atomically(one.folder / _RECORD, record)
        for index, one in enumerate(group):  # from here a full disk can interrupt nothing
            one.name, one.index = name, index
        self._names.add(name)
        device = "cuda:0" if need.gpus else "cpu"
        tasks = [Task(str(self._folder), device, one.request) for one in group if one.request is not None]
        self._submitting = True
        self._commands.submit(
            lambda: slurm.submit(folder, name, need, tasks),
            lambda job: self._submitted(group, job), lambda error: self._refused(group, error),
        )  # fmt: skip

    def _submitted(self, group: list[InFlight], job: str) -> None:
        self._submitting, self._delay, self._not_before = False, BACK_OFF[0], 0.0
        for one in group:
            one.submitted_at = time.monotonic()
            one.job = f"{job}_{one.index}" if len(group) > 1 else job

    def _refused(self, group: list[InFlight], error: SlurmError) -> None:
        """Try again later under another name, or pause the job if that cannot help."""
        self._submitting = False
        self._names.discard(group[0].name)  # if the job was accepted after all, it is cancelled as a stray
        for one in group:
            shutil.rmtree(self._submission(one.name), ignore_errors=True)
            (one.folder / _RECORD).unlink(missing_ok=True)
            one.name, one.reason = "", f"not submitted: {error}"
        if not error.passing:
            text = f"Slurm refuses the job: {error}; resume tries again"
            self._notices += [Notice(one.batch, text, pause=True) for one in group]
            for one in group:
                self.stop(one.batch)
            return
        self._not_before = time.monotonic() + self._delay
        pause = f"{self._delay:.0f} s"
        if self._delay == BACK_OFF[0]:
            self._say(group[0], f"Slurm accepts no job now: {error}; trying again after {pause}, then less often")
        self._delay = min(2 * self._delay, BACK_OFF[1])

    def _ask(self, now: float) -> None:
        """Query the scheduler's list once for all attempts, at limited intervals."""
        if self._asking or not self._in_flight:
            return
        if now < self._asked_at + min(one.need.poll_every for one in self._in_flight.values()):
            return
        if all(one.submitted_at is None for one in self._in_flight.values()):
            return
        self._asking, self._asked_at = True, now
        self._commands.ask(lambda: slurm.look(self._prefix), lambda lines: self._heard(lines, now), self._not_heard)

    def _heard(self, lines: Iterable[JobLine], asked_at: float) -> None:
        self._asking = False
        if self._silent:
            self._silent = False
            self._not_before, self._delay = 0.0, BACK_OFF[0]
            self._say_to_all("Slurm's controller answers again")
        by_place = {(line.name, line.index): line for line in lines}
        for one in self._in_flight.values():
            if one.submitted_at is None or one.submitted_at > asked_at:
                continue
            line = by_place.get((one.name, one.index))
            if line is not None:
                one.job, one.state, one.reason, one.node = line.id, line.state, line.reason, line.node
            elif one.state in ALIVE:
                one.state = ""  # the scheduler no longer knows it
            one.over = 0 if line is not None and line.state in ALIVE else one.over + 1
        strays = [line.id for line in by_place.values() if line.state in ALIVE and line.name not in self._names]
        if strays:
            self._commands.ask(lambda: slurm.cancel(strays), lambda _: None, lambda _: None)

    def _not_heard(self, error: SlurmError) -> None:
        self._asking = False
        if not self._silent:
            self._silent = True
            self._say_to_all(f"Slurm does not answer ({error}); running jobs continue, nothing new is submitted")

    def _say_to_all(self, text: str) -> None:
        if self._in_flight:
            self._say(next(iter(self._in_flight.values())), text)

    def _attempt(self, batch: int, attempt: int) -> Path:
        return BatchFolder(self._workspace.batch(batch)).attempt(attempt)

    def _submission(self, name: str) -> Path:
        return self._folder / "submissions" / name
