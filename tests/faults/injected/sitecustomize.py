"""Loaded by every Python process of a run whose PYTHONPATH begins here: hurts it as LTH_TEST_FAULT (JSON) says.

kill:        a worker dies at a named point of a save, at its n-th pass; `marker` is written so that it happens once
hold:        attempts stand still before their n-th step until `file` is there; `file`.held tells that one does
clock:       a file with seconds that are added to what the clock says
environment: registers Faulty-v0, which does what this says
no_processes: a file; while it is there, this process can start no other
version:     the version that torch says it has
memory:      megabytes that a worker may map beyond what it has when its attempt begins
on_device:   megabytes of a GPU that torch may take in a worker
switch:      the density up to which sparse tickets are found to be faster, until `file` is there: then never
as_on_device: tickets of which a stack finds no room on a GPU at its third update: torch's exception, without a GPU
"""

import json
import os
import signal
import sys
from pathlib import Path

FAULT = json.loads(os.environ.get("LTH_TEST_FAULT", "{}"))
WORKER = "lth_core.worker.worker" in sys.orig_argv


class Killer:
    """Counts passes of one point, and dies at the wanted one."""

    def __init__(self, point: str, file: str, passes: int, marker: str) -> None:
        self.point, self.file, self.passes, self.marker = point, file, passes, Path(marker)

    def wants(self, point: str, name: str) -> bool:
        if point != self.point or self.file not in name or self.marker.exists():
            return False
        self.passes -= 1
        return self.passes == 0

    def die(self) -> None:
        self.marker.write_text("died")
        os.kill(os.getpid(), signal.SIGKILL)

    def hit(self, point: str, name: str) -> None:
        if self.wants(point, name):
            self.die()


class Slow:
    """A file opened for an atomic write, which can be left half written."""

    def __init__(self, file, name: str, killer: Killer) -> None:
        self.file, self.name, self.killer = file, name, killer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def fileno(self) -> int:
        return self.file.fileno()

    def write(self, view) -> int:
        self.killer.hit("before write", self.name)
        if self.killer.wants("half a write", self.name):
            self.file.write(view[: len(view) // 2])
            self.killer.die()
        written = self.file.write(view)
        self.killer.hit("after write", self.name)
        return written


def kill_at(killer: Killer) -> None:
    """Put the named points into `write_atomically` and into the writing of records."""
    from lth_core.store import records, tensors

    real_open, real_replace, real_fsync = Path.open, Path.replace, os.fsync
    real_sync, real_append = tensors.sync_folder, records.RecordWriter.append
    renamed = [""]

    def open_(self, *arguments, **named):
        file = real_open(self, *arguments, **named)
        return Slow(file, self.name, killer) if self.name.endswith(".tmp") and named.get("buffering") == 0 else file

    def replace(self, target):
        killer.hit("before rename", str(target))
        renamed[0] = str(target)
        return real_replace(self, target)

    def fsync(descriptor):
        killer.hit("before fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        return real_fsync(descriptor)

    def sync_folder(folder):
        killer.hit("before folder sync", renamed[0])
        return real_sync(folder)

    def append(self, record):
        killer.hit("before a record", str(record["kind"]))
        if killer.wants("half a record", str(record["kind"])):
            self._file.write(json.dumps(record, default=str).encode()[:20])
            killer.die()
        return real_append(self, record)

    Path.open, Path.replace, os.fsync = open_, replace, fsync
    tensors.sync_folder, records.RecordWriter.append = sync_folder, append


def hold(asked: int, file: str) -> None:
    """Stand still where a training asks for the n-th time whether it must stop; being told to stop is heard still."""
    import time

    from lth_core.worker.attempt import Attempt

    real = Attempt.__init__

    def init(self, workspace, spec, attempt, device, must_stop, *more) -> None:
        times = 0

        def held() -> bool:
            nonlocal times
            times += 1
            while times == asked and not Path(file).exists() and not must_stop():
                Path(f"{file}.held").touch()
                time.sleep(0.01)
            return must_stop()

        real(self, workspace, spec, attempt, device, held, *more)

    Attempt.__init__ = init


def shift_clock(file: Path) -> None:
    """Let the clock be as far off as the file says, from now on."""
    import time

    real, real_ns = time.time, time.time_ns

    def offset() -> float:
        return float(file.read_text() or 0)

    time.time = lambda: real() + offset()
    time.time_ns = lambda: real_ns() + int(offset() * 1e9)


def start_nothing_while(file: Path) -> None:
    """As a machine whose processes have run out, at the place of the system call."""
    import errno
    import subprocess

    real = subprocess._fork_exec

    def fork_exec(*arguments):
        if file.exists():
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return real(*arguments)

    subprocess._fork_exec = fork_exec


def say_version(version: str) -> None:
    """What torch is said to be."""
    from importlib import metadata

    real = metadata.version
    metadata.version = lambda name: version if name == "torch" else real(name)


def limit_memory(megabytes: int) -> None:
    """What an attempt may map beyond what the process has when it begins."""
    import resource

    from lth_core.worker.attempt import Attempt

    real = Attempt.run

    def run(self) -> int:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + megabytes * 2**20
        before, hard = resource.getrlimit(resource.RLIMIT_AS)
        if before == resource.RLIM_INFINITY:  # a worker is kept for the next attempt
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
        return real(self)

    Attempt.run = run


def limit_device_memory(megabytes: int) -> None:
    """What torch may take of the first GPU: beyond it is the same exception as beyond all of it."""
    from lth_core.worker.attempt import Attempt

    real = Attempt.run

    def run(self) -> int:
        import torch

        torch.cuda.set_per_process_memory_fraction(megabytes * 2**20 / torch.cuda.mem_get_info()[1])
        return real(self)

    Attempt.run = run


def raise_as_a_device(tickets: int) -> None:
    """Stacks of so many tickets and more raise what torch does when a GPU's memory runs out, in the middle."""
    from lth_core.worker.attempt import Attempt

    real_run, updates = Attempt.run, {}

    def run(self) -> int:
        import torch

        from lth_core.training.reinforcement.stack import ActorCriticStack

        real = ActorCriticStack.update

        def update(stack) -> None:
            updates[id(stack)] = updates.get(id(stack), 0) + 1
            if stack.tickets >= tickets and updates[id(stack)] == 3:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1.00 GiB free")
            real(stack)

        ActorCriticStack.update = update
        try:
            return real_run(self)
        finally:
            ActorCriticStack.update = real

    Attempt.run = run


def switch_at(below: float, file: str) -> None:
    """What the measurement of sparse tickets finds."""
    from lth_core.worker.attempt import Attempt

    real = Attempt.run

    def run(self) -> int:
        from lth_core.training.reinforcement import sparse

        sparse.switch = lambda *_: 0.0 if Path(file).exists() else below
        return real(self)

    Attempt.run = run


if not WORKER and "no_processes" not in FAULT:  # what it starts may be forked all the same
    sys.path.append(str(Path(__file__).parents[2] / "warm"))
    import warm

    warm.install()
if "clock" in FAULT:
    shift_clock(Path(FAULT["clock"]))
if "environment" in FAULT:
    import gymnasium

    gymnasium.register("Faulty-v0", "tests.faults.environment:Faulty", max_episode_steps=500)
if "no_processes" in FAULT and not WORKER:
    start_nothing_while(Path(FAULT["no_processes"]))
if FAULT.get("version"):
    say_version(FAULT["version"])
if WORKER and "kill" in FAULT:
    kill_at(Killer(**FAULT["kill"]))
if WORKER and "hold" in FAULT:
    hold(**FAULT["hold"])
if WORKER and "memory" in FAULT:
    limit_memory(FAULT["memory"])
if WORKER and "switch" in FAULT:
    switch_at(**FAULT["switch"])
if WORKER and "on_device" in FAULT:
    limit_device_memory(FAULT["on_device"])
if WORKER and "as_on_device" in FAULT:
    raise_as_a_device(FAULT["as_on_device"])
