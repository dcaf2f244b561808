"""An attempt in Slurm's hands, and how it has ended: its folder's word first, the scheduler's second. Asks nobody."""

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
"""States in which a job may still do something."""

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
    """Why a job died that said nothing itself."""
    return _CAUSES.get(state, f"it ended as {state}").format(node=f" {node}" if node else "")


def left_because(state: str) -> str:
    """Why a job left that was not asked by the engine."""
    return {
        "PREEMPTED": "was preempted",
        "TIMEOUT": "left at its time limit",
        "COMPLETED": "left near its time limit",
        "NODE_FAIL": "left a node that failed",
        "": "is unknown to the scheduler",
    }.get(state, f"left ({state})")


@dataclass
class InFlight:
    """An attempt in the scheduler's hands, or about to be; times are monotonic.

    folder: of the attempt. name, index: by which the scheduler's list names it. over: looks in a row that found it
    over or gone.
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
        """The node that it runs on, or why it waits."""
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
    """Whether an attempt's last word leaves nothing to go on with."""
    return said is not None and said.code not in (CHECKPOINTED, ENGINE_GONE)


def fate(one: InFlight, said: Exit | None, submission: Path, now: float) -> Fate | None:
    """How an attempt has ended, if it has. said: its last word; submission: the folder in which its job writes."""
    if said is not None and is_final(said):
        return Fate(Ended(one.batch, said.code, said.error, said.needed))
    if one.stop is not None:
        gone = one.submitted_at is None and not one.name
        if said is not None or gone or one.over:
            return Fate(Ended(one.batch, CHECKPOINTED, ""))
    elif said is not None:
        # It has left with a checkpoint without our asking: who asked decides what follows.
        one.left_at = one.left_at if one.left_at is not None else now
        if one.over or now > one.left_at + max(60, 3 * one.need.poll_every):
            return _left(one)
    elif one.over >= 2 or (one.folder / DEATH).exists():
        return _died(one, submission)  # two looks: its last word may reach us later than the scheduler's
    return None


def _left(one: InFlight) -> Fate:
    if one.state == "CANCELLED":
        return _cancelled_outside(one)
    left = f"Slurm job {one.job} {left_because(one.state)}"
    if not _moved(one):
        return Fate(Ended(one.batch, None, f"{left} and got no further"))
    return _again(one, f"{left} with a checkpoint; it goes on in a new job")


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
    text = f"Slurm job {one.job} was cancelled from outside; resume goes on from its checkpoint"
    return Fate(Ended(one.batch, CHECKPOINTED, ""), Notice(one.batch, text, pause=True))


def _moved(one: InFlight) -> bool:
    """Whether an attempt got further than those before it: one that never does must not go on for ever."""
    return BatchFolder(one.folder.parent).got_further(one.attempt)


def _last_line(folder: Path, job: str) -> str:
    """The end of what a job wrote before its worker had a log of its own."""
    for path in folder.glob(f"{job}_*_log.out"):
        return f"; its log ends with: {one_line(path.read_text(errors='replace')[-300:], 300)}"
    return ""
