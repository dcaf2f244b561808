"""An attempt submitted to Slurm, and how it ended: by its folder first, the scheduler second. Runs no command."""

from dataclasses import dataclass
from pathlib import Path

from lth_core.batches.batch import BatchFolder, Exit, read_json
from lth_core.batches.exit_codes import CHECKPOINTED, ENGINE_GONE, OUT_OF_MEMORY, SPOKEN
from lth_core.batches.request import Request
from lth_core.engine.launchers.base import Ended, How, Notice
from lth_core.engine.supervisor import DEATH
from lth_core.settings.launcher import SlurmLauncher
from lth_core.text import one_line

ALIVE = (
    "PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING",
    "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT",
)  # fmt: skip
"""States in which a job may still run."""

_CAUSES = {
    "NODE_FAIL": "its node{node} failed",
    "BOOT_FAIL": "its node{node} did not boot",
    "TIMEOUT": "it reached its time limit and did not leave in time",
    "DEADLINE": "it reached its deadline",
    "OUT_OF_MEMORY": "it was killed by the memory limit",
    "FAILED": "it failed without a word",
    "COMPLETED": "it ended without a word",
    "": "the scheduler knows nothing of it",
}


def cause_of(state: str, node: str) -> str:
    """Why a job died that did not say why itself."""
    return _CAUSES.get(state, f"it ended as {state}").format(node=f" {node}" if node else "")


def left_because(state: str) -> str:
    """Why a job stopped that the engine did not ask to stop."""
    return {
        "PREEMPTED": "was preempted",
        "TIMEOUT": "left at its time limit",
        "COMPLETED": "left near its time limit",
        "NODE_FAIL": "left a node that failed",
        "": "is unknown to the scheduler",
    }.get(state, f"left ({state})")


@dataclass
class InFlight:
    """An attempt that is submitted or about to be; times are monotonic.

    folder: of the attempt. name, index: its name in the scheduler's list. over: consecutive queries that found it
    ended or gone.
    """

    batch: int
    attempt: int
    folder: Path
    need: SlurmLauncher
    given_at: float
    name: str = ""
    index: int = 0
    submitted_at: float | None = None
    job: str = ""
    state: str = ""
    reason: str = ""
    node: str = ""
    over: int = 0
    left_at: float | None = None
    stop: How | None = None
    stop_at: float = 0.0
    told: bool = False
    request: Request | None = None

    @property
    def whereabouts(self) -> str:
        """The node it runs on, or why it waits."""
        if self.submitted_at is None:
            return self.reason or "about to be submitted"
        if self.state == "RUNNING":
            return self.node
        if self.reason in ("", "None"):
            return self.state.lower()
        return f"{self.state.lower() or 'submitted'}: {self.reason}"


@dataclass(frozen=True)
class Fate:
    """How an attempt has ended, and what a user should know of it."""

    ended: Ended
    notice: Notice | None = None


def is_final(said: Exit | None) -> bool:
    """Whether an attempt ended for good, with nothing to continue."""
    return said is not None and said.code not in (CHECKPOINTED, ENGINE_GONE)


def fate(one: InFlight, said: Exit | None, submission: Path, now: float) -> Fate | None:
    """How an attempt has ended, if it has. said: its exit.json; submission: the folder of its job's output."""
    if said is not None and is_final(said):
        return Fate(Ended(one.batch, said.code, said.error, said.needed))
    if one.stop is not None:
        gone = one.submitted_at is None and not one.name
        if said is not None or gone or one.over:
            return Fate(Ended(one.batch, CHECKPOINTED, ""))
    elif said is not None:
        # It stopped at a checkpoint unasked by the engine: what asked decides what follows.
        one.left_at = one.left_at if one.left_at is not None else now
        if one.over or now > one.left_at + max(60, 3 * one.need.poll_every):
            return _left(one)
    elif one.over >= 2 or (one.folder / DEATH).exists():
        return _died(one, submission)  # two queries: exit.json may become visible later than the scheduler's state
    return None


def _left(one: InFlight) -> Fate:
    if one.state == "CANCELLED":
        return _cancelled_outside(one)
    left = f"Slurm job {one.job} {left_because(one.state)}"
    if not _moved(one):
        return Fate(Ended(one.batch, None, f"{left} and got no further"))
    return _again(one, f"{left} with a checkpoint; it continues in a new job")


def _died(one: InFlight, submission: Path) -> Fate:
    death, logged = read_json(one.folder / DEATH), (one.folder / "log.txt").exists()
    if one.state == "CANCELLED":
        return _cancelled_outside(one)
    if one.state == "PREEMPTED" or (one.state == "" and not logged and death is None):
        return _again(one, f"Slurm job {one.job or 'unknown'} {left_because(one.state)}; it is submitted again")
    death = death or {}
    cause = str(death.get("error", "")) or cause_of(one.state, one.node)
    log = "" if logged else _last_line(submission, one.job)
    code = death.get("code")
    if code not in SPOKEN:
        code = OUT_OF_MEMORY if one.state == "OUT_OF_MEMORY" else None
    return Fate(Ended(one.batch, code, f"Slurm job {one.job}: {cause}{log}"))


def _again(one: InFlight, text: str) -> Fate:
    return Fate(Ended(one.batch, CHECKPOINTED, ""), Notice(one.batch, text))


def _cancelled_outside(one: InFlight) -> Fate:
    text = f"Slurm job {one.job} was cancelled from outside; resume continues from its checkpoint"
    return Fate(Ended(one.batch, CHECKPOINTED, ""), Notice(one.batch, text, pause=True))


def _moved(one: InFlight) -> bool:
    """Whether an attempt got further than those before it; a batch that never does is given up."""
    return BatchFolder(one.folder.parent).got_further(one.attempt)


def _last_line(folder: Path, job: str) -> str:
    """The end of a job's output before its worker had its own log."""
    for path in folder.glob(f"{job}_*_log.out"):
        return f"; its log ends with: {one_line(path.read_text(errors='replace')[-300:], 300)}"
    return ""
