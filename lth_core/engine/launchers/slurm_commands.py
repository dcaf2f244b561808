"""Slurm's commands: submitting through submitit, querying the queue, cancelling. Each may take seconds.

Knows nothing of what a batch contains. submitit pickles the call of a job into a folder that only the user can read,
and the job unpickles it; this program itself reads no pickle.
"""

import contextlib
import importlib.util
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from lth_core.batches.request import Request
from lth_core.engine.supervisor import supervise
from lth_core.errors import InputError
from lth_core.settings.launcher import SlurmLauncher
from lth_core.text import one_line

TIMEOUT = 60.0
NO_SUBMITIT = 'launcher.kind = "slurm" needs the package submitit: pip install "lth-workbench[slurm]"'
_UNREACHABLE = (
    "unable to contact",
    "connection refused",
    "timed out",
    "zero bytes",
    "unexpected message",
    "not respond",
)
_FOR_NOW = ("limit", "temporarily", "busy", "try again", "maximum", "too many", "no space left")


class SlurmError(Exception):
    """A command of Slurm failed. passing: it may succeed later; unreachable: the controller did not answer."""

    def __init__(self, said: str) -> None:
        super().__init__(one_line(said, 300))
        low = said.lower()
        self.unreachable = any(words in low for words in _UNREACHABLE)
        self.passing = self.unreachable or any(words in low for words in _FOR_NOW)


@dataclass(frozen=True)
class Task:
    """What one job runs: an attempt at a batch, on a device."""

    workspace: str
    device: str
    request: Request


@dataclass(frozen=True)
class JobLine:
    """A job in the scheduler's list; index: its place in its array, 0 if it is in none."""

    id: str
    index: int
    name: str
    state: str
    reason: str
    node: str


def parameters(need: SlurmLauncher, name: str) -> dict[str, object]:
    """submitit's parameters of a job. Slurm must not requeue jobs, because every attempt has its own folder."""
    more: dict[str, object] = {"no-requeue": True, **{k: v for k, v in need.options.items() if v is not False}}
    found: dict[str, object] = {
        "job_name": name, "time": need.time_limit, "cpus_per_task": need.cpus, "mem": need.memory,
        "partition": need.partition, "account": need.account, "signal_delay_s": need.warning,
        "setup": ["export PYTHONSAFEPATH=1"],  # as `-P`, see surroundings.command
        "stderr_to_stdout": True, "wckey": None, "additional_parameters": more, "array_parallelism": need.most_jobs,
    }  # fmt: skip
    if need.gpus:
        found["gpus_per_node"] = need.gpus
    return found


def submit(folder: Path, name: str, need: SlurmLauncher, tasks: Sequence[Task]) -> str:
    """Submit one job, or an array in the order of `tasks`; returns its number. Raises SlurmError."""
    try:
        import submitit

        folder.parent.chmod(0o700)  # also if it existed before: nobody else may put a pickle into it
        executor = submitit.SlurmExecutor(folder=folder)
        executor.update_parameters(**parameters(need, name))
        calls = [(t.workspace, t.request.batch, t.request.attempt, t.device, t.request.threads, t.request.checksum)
                 for t in tasks]  # fmt: skip
        columns = zip(*calls, strict=True)
        jobs = executor.map_array(supervise, *columns)
    except ImportError:
        raise SlurmError(NO_SUBMITIT) from None
    except (RuntimeError, OSError) as error:  # submitit's own are RuntimeErrors
        raise SlurmError(_last_words(str(error))) from None
    return str(jobs[0].job_id).split("_")[0]


def look(prefix: str) -> list[JobLine]:
    """Query the user's jobs whose names begin with `prefix`, including those that ended recently."""
    command = ["squeue", "--me", "--noheader", "--array", "--states=all", "--format=%i|%j|%T|%r|%N"]
    found = []
    for line in _run(command).splitlines():
        parts = line.split("|")
        if len(parts) == 5 and parts[1].startswith(prefix):
            id, name, state, reason, node = (one_line(part, 100) for part in parts)
            index = id.partition("_")[2]
            found.append(JobLine(id, int(index) if index.isdigit() else 0, name, state, reason, node))
    return found


def cancel(ids: Sequence[str], *, waiting_only: bool = False) -> None:
    """Cancel jobs; waiting_only: only those that have not started."""
    _run(["scancel", *(["--state=PENDING"] if waiting_only else []), *ids])


def end_commands() -> None:
    """End commands of this process that still wait for the controller."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if child.name() in ("sbatch", "squeue", "scancel"):
                child.terminate()


def check(need: SlurmLauncher, workspace: Path) -> None:
    """Raise InputError if the cluster would refuse a job with these resources.

    A controller that does not answer is no error: jobs are submitted once it does.
    """
    if importlib.util.find_spec("submitit") is None:
        raise InputError(NO_SUBMITIT)
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise InputError('launcher.kind = "slurm": there is no sbatch on this machine; expected a login node of Slurm')
    if "%" in str(workspace.resolve()):
        raise InputError(f"workspace {one_line(workspace)}: Slurm accepts no folder with a % in its name")
    try:
        _run(["sbatch", "--test-only", *flags(need), "--wrap=true"])
    except SlurmError as error:
        if not error.passing:
            raise InputError(f"launcher: Slurm refuses such a job: {error}") from None


def flags(need: SlurmLauncher) -> list[str]:
    """The resources as options of sbatch."""
    named: dict[str, object] = {
        "time": need.time_limit, "cpus-per-task": need.cpus, "mem": need.memory, "partition": need.partition,
        "account": need.account, "gpus-per-node": need.gpus or None, **need.options,
    }  # fmt: skip
    return [f"--{k}" if v is True else f"--{k}={v}" for k, v in named.items() if v is not None and v is not False]


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{command[0]} timed out after {TIMEOUT:.0f} s") from None
    except OSError as error:
        raise SlurmError(f"{command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        raise SlurmError(_last_words(done.stderr) or f"{command[0]} ended with code {done.returncode}")
    return done.stdout


def _last_words(text: str) -> str:
    """The lines in which a Slurm command says what is wrong."""
    lines = [line.partition("error: ")[2] or line for line in text.splitlines() if "error" in line or "failure" in line]
    return "; ".join(lines) or text


Then = Callable[[Any], None]
Otherwise = Callable[[SlurmError], None]

PARTING = 2.0
"""Seconds that commands have left when the engine ends."""


class Commands:
    """Runs commands in the background; a later `collect` calls `then` or `otherwise` of each."""

    def __init__(self) -> None:
        self._submitter = ThreadPoolExecutor(1, "lth-sbatch")
        self._asker = ThreadPoolExecutor(1, "lth-squeue")
        self._pending: list[tuple[Future[Any], Then, Otherwise]] = []

    def submit(self, act: Callable[[], Any], then: Then, otherwise: Otherwise) -> None:
        """Run a function that submits a job."""
        self._pending.append((self._submitter.submit(act), then, otherwise))

    def ask(self, act: Callable[[], Any], then: Then, otherwise: Otherwise) -> None:
        """Run a function that queries or cancels jobs."""
        self._pending.append((self._asker.submit(act), then, otherwise))

    def collect(self) -> None:
        """Call `then` or `otherwise` of each finished command; raises its exception unless it is a SlurmError."""
        done = [entry for entry in self._pending if entry[0].done()]
        self._pending = [entry for entry in self._pending if entry not in done]
        for future, then, otherwise in done:
            error = future.exception()
            if isinstance(error, SlurmError):
                otherwise(error)
            else:
                then(future.result())  # any other exception is a fault of this program and ends the engine

    def close(self) -> None:
        """Wait for commands that submit, and collect them; end commands that query."""
        wait([future for future, *_ in self._pending], timeout=PARTING)
        end_commands()  # a command that waits for the controller would delay the end of the process
        self._submitter.shutdown(wait=True)
        self.collect()
        self._asker.shutdown(wait=True, cancel_futures=True)
