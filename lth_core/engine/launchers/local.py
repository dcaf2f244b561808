"""Workers on this machine: one process per slot, kept for the next batch, which receives requests over a link."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from lth_core.batches.batch import BatchFolder, read_exit
from lth_core.batches.exit_codes import BY_MEMORY, CHECKPOINTED, ENGINE_GONE, OUT_OF_MEMORY, MemoryWatch
from lth_core.batches.link import Link
from lth_core.batches.patience import Since
from lth_core.batches.processes import command, variables
from lth_core.batches.request import Request
from lth_core.engine.launchers.base import Ended
from lth_core.engine.slots import Slot
from lth_core.store.plain import open_plain
from lth_core.store.workspace import Workspace
from lth_core.text import clean

GRACE = 7.0
"""Seconds between asking a worker to stop and killing it; those in which others had the processor do not count."""
LONGEST = 60.0
"""Seconds by the clock after which it is killed in any case."""
SILENCE = 300.0
"""Seconds, counted like GRACE, without a sign of life after which a worker is killed, unless LTH_SILENCE says
otherwise."""
WARNING_AT = 0.2
"""The share of that time after which the silence is reported."""


@dataclass
class Running:
    """An attempt on a slot. life: its last sign of life, and since when; asked: since when it is to stop.

    killed_for: why this engine killed it.
    """

    batch: int
    attempt: int
    life_since: Since
    asked: Since | None = None
    life: tuple[float, ...] = ()
    warned: bool = False
    killed_for: str = ""
    memory: MemoryWatch = field(default_factory=MemoryWatch)


class LocalWorkers:
    """Starts, watches and stops the workers of this machine's slots."""

    def __init__(self, workspace: Workspace, slots: list[Slot]) -> None:
        self._workspace = workspace
        self.slots = {slot.name: slot for slot in slots}
        self._workers: dict[str, Link] = {}
        self._threads: dict[str, int] = {}
        self._codes: dict[str, str] = {}
        self._running: dict[str, Running] = {}

    def resize(self, slots: list[Slot]) -> None:
        """Use these slots from now on: workers of removed slots checkpoint and stop."""
        self.slots = {slot.name: slot for slot in slots}
        for name in self._workers.keys() - self.slots.keys():
            running = self._running.get(name)
            if running is not None:
                self.stop(running.batch)
            else:
                idle = self._workers.pop(name)
                _signal(idle.process, signal.SIGTERM)
                idle.close()

    def free(self, _need: object = None) -> list[str]:
        """Names of slots without a batch."""
        return [name for name in self.slots if name not in self._running]

    def submit(self, slot: str, request: Request, _need: object = None) -> None:
        """Run the attempt, whose folder exists, on a free slot."""
        self.prepare(slot, request.threads, request.code)
        self._running[slot] = Running(request.batch, request.attempt, Since.now(self._workers[slot].process.pid))
        self._workers[slot].ask(request)

    def prepare(self, slot: str, threads: int | None = None, code: str | None = None) -> None:
        """Make sure a free slot has a worker; raises OSError if open files or processes have run out.

        threads: the slot's by default. A worker started with another number is replaced, because a later change would
        give other bits. code: the foreign code it will run; a worker that has run foreign code serves no other
        experiment, because that code may have changed the process.
        """
        worker = self._workers.get(slot)
        threads = threads or self._threads.get(slot, self.slots[slot].threads)
        gone = worker is None or worker.process.poll() is not None
        ran = self._codes.get(slot, "")
        if gone or self._threads.get(slot) != threads or (ran and code not in (None, ran)):
            if worker is not None:
                _signal(worker.process, signal.SIGTERM)
                worker.close()
            self._workers[slot] = self._spawn(self.slots[slot], threads)
            self._threads[slot] = threads
            self._codes[slot] = ""
        if code is not None:
            self._codes[slot] = code

    def pid(self, slot: str) -> int | None:
        """Process id of a slot's worker, if there is one."""
        worker = self._workers.get(slot)
        return worker.process.pid if worker is not None and worker.process.poll() is None else None

    def running(self) -> list[int]:
        """Batches that have a worker now."""
        return [running.batch for running in self._running.values()]

    def silent(self) -> list[tuple[int, str]]:
        """Batches whose worker has fallen silent, with a sentence; each is reported once."""
        limit, found = silence(), []
        for slot, running in self._running.items():
            if running.warned or running.asked is not None or running.life_since.clock() <= limit * WARNING_AT:
                continue
            quiet = running.life_since.had()
            if quiet > limit * WARNING_AT:
                running.warned = True
                found.append((running.batch, f"{slot} has shown no sign of life for {quiet:.0f} s; after {limit:.0f} s "
                              "it is killed and its batch tried again"))  # fmt: skip
        return found

    def slot_of(self, batch: int) -> str | None:
        """The slot on which a batch runs."""
        return next((slot for slot, running in self._running.items() if running.batch == batch), None)

    def poll(self) -> list[Ended]:
        """Attempts that have ended since the last call; kills workers whose time to stop is over."""
        ended = []
        for slot, running in list(self._running.items()):
            one = self._look(self._workers[slot], running)
            if one is not None:
                del self._running[slot]
                ended.append(one)
        return ended

    def _look(self, worker: Link, running: Running) -> Ended | None:
        """How the attempt ended, if it has."""
        died = worker.process.poll()
        batch = BatchFolder(self._workspace.batch(running.batch))
        folder = batch.attempt(running.attempt)
        said = read_exit(folder) or (worker.answer() if died is not None else None)
        if said is not None:
            if said.code != 0 or running.asked is not None:
                _reap(worker.process)  # it is stopping: the next batch gets a new worker
            unasked = said.code in (CHECKPOINTED, ENGINE_GONE) and running.asked is None
            if unasked and not batch.got_further(running.attempt):
                return Ended(running.batch, None, "the worker was asked to stop, not by the engine, and got no further")
            return Ended(running.batch, said.code, said.error, said.needed)
        if died is not None:
            return self._death(died, running, folder)
        self._watch(worker.process, running, folder)
        return None

    def _death(self, died: int, running: Running, folder: Path) -> Ended:
        """What the death of a process means that did not say how it ended; foreign code may have set its exit code."""
        # The request to stop may have killed it before it could handle it.
        if running.asked is not None:
            return Ended(running.batch, CHECKPOINTED, "")
        if not running.killed_for and running.memory.killed(died):
            return Ended(running.batch, OUT_OF_MEMORY, BY_MEMORY)
        return Ended(running.batch, None, _cause(died, running.killed_for, folder / "log.txt"))

    def _watch(self, process: subprocess.Popen[bytes], running: Running, folder: Path) -> None:
        """Kill a worker whose time to stop is over, or that has been silent for too long."""
        shown = tuple(_changed_at(folder / name) for name in ("beat.json", "records.jsonl"))
        if shown != running.life:
            running.life, running.life_since, running.warned = shown, Since.now(process.pid), False
        if running.asked is not None:
            if _late(running.asked):
                _signal(process, signal.SIGKILL)
        elif running.life_since.clock() > silence() and running.life_since.had() > silence():
            running.killed_for = f"showed no sign of life for {silence():.0f} s"
            _signal(process, signal.SIGKILL)

    def stop(self, batch: int, _how: object = None) -> None:
        """Ask a batch to checkpoint and stop, which takes moments here; after GRACE it is killed."""
        slot = self.slot_of(batch)
        if slot is not None and self._running[slot].asked is None:
            process = self._workers[slot].process
            self._running[slot].asked = Since.now(process.pid)
            _signal(process, signal.SIGTERM)

    def close(self) -> list[Ended]:
        """Stop everything: workers checkpoint and stop, or are killed after GRACE. Returns the attempts that ended."""
        ended: list[Ended] = []
        for running in list(self._running.values()):
            self.stop(running.batch)
        for slot, worker in self._workers.items():
            worker.leave()
            if slot not in self._running:
                _signal(worker.process, signal.SIGTERM)
        asked = [(worker.process, Since.now(worker.process.pid)) for worker in self._workers.values()]
        while self._running or any(process.poll() is None and not _late(since) for process, since in asked):
            ended += self.poll()
            time.sleep(0.02)
        for worker in self._workers.values():
            _signal(worker.process, signal.SIGKILL)
            worker.process.wait()
        ended += self.poll()
        for worker in self._workers.values():
            worker.close()
        return ended

    def _spawn(self, slot: Slot, threads: int) -> Link:
        log = self._workspace.folder / "workers.log"
        words = command("lth_core.worker.worker", str(self._workspace.folder.resolve()), slot.device)
        with log.open("ab") as output:
            return Link(words, variables(threads), output)


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # not there yet, or taken away
        return 0.0


def _late(asked: Since) -> bool:
    """Whether a worker has had its time to stop."""
    return asked.clock() > GRACE and (asked.had() > GRACE or asked.clock() > LONGEST)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    if process.poll() is None:
        process.send_signal(number)


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Wait for a worker that published a code other than 0: it ends by itself."""
    asked = Since.now(process.pid)
    while process.poll() is None and not _late(asked):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1.0)
    _signal(process, signal.SIGKILL)
    process.wait()


def silence() -> float:
    """Seconds that a worker may be silent: LTH_SILENCE, or SILENCE if that is not a number above 0."""
    try:
        found = float(os.environ["LTH_SILENCE"])
    except (KeyError, ValueError):
        return SILENCE
    return found if found > 0 else SILENCE


def _cause(code: int, killed_for: str, log: Path) -> str:
    how = killed_for or (f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with code {code}")
    tail = _tail(log)
    return f"the worker {how}" + (f"; its log ends with: {tail}" if tail else "")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals have no names
        return f"signal {number}"


_WENT_WELL = re.compile(rb"engine: |[\d-]+ [\d:,.]+ INFO ")


def _tail(path: Path) -> str:
    """The last line of a log that is neither the engine's (`BatchFolder.note`) nor a worker's about what went well."""
    try:
        with open_plain(path, follow=False) as file:
            lines = deque((line for line in file if not _WENT_WELL.match(line)), maxlen=1)
    except OSError:
        return ""
    return clean(lines[0].decode(errors="replace"), 200).strip() if lines else ""
