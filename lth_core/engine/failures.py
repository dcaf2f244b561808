"""What follows a failure: what is tried again, how often and how, and jobs whose stored form cannot be run.

the end of an attempt                  what follows
nothing left to train                  the batch is over
done, but results are missing          as if its worker had died: the disk has lost them
checkpointed, engine gone, superseded  it continues from its checkpoint
disk full                              all jobs pause until there is space, then continue from their checkpoints
too little disk, found at its start    only its job pauses, until there is enough space
out of memory, several tickets         two smaller stacks, from their start
out of memory, one ticket              once more with no other worker beside it, then failed
died, silent, lost device or network   again from its checkpoint after 1 s, then after 10 s, then failed
anything else                          failed: it would fail again
"""

import errno
from dataclasses import dataclass
from typing import Literal

from lth_core.batches.exit_codes import (
    CHECKPOINTED,
    DISK_FULL,
    DONE,
    ENGINE_GONE,
    OUT_OF_MEMORY,
    SUPERSEDED,
    TRANSIENT,
    code_of,
)
from lth_core.errors import RAN_OUT
from lth_core.store.database import Database
from lth_core.store.jobs import job_of_batch, job_state, set_job
from lth_core.store.trials import cancel_trials
from lth_core.store.workspace import LeadsElsewhere
from lth_core.text import one_line, plural

DELAYS = (1.0, 10.0)
"""Seconds before the second and third attempt at a batch whose worker was lost; there is no fourth."""

Step = Literal["over", "go on", "again", "split", "alone", "disk full", "failed"]


@dataclass(frozen=True)
class Decision:
    """What follows the end of an attempt. delay: seconds; why: sentence for the job's events, "" for none."""

    step: Step
    why: str = ""
    delay: float = 0.0


def decide(code: int | None, error: str, *, failures: int, tickets: int) -> Decision:
    """What follows an attempt's end. failures: faults of this batch so far; tickets: how many are not done."""
    if not tickets:
        return Decision("over")
    if code == DONE:
        code, error = None, f"its worker was done, but the results of {plural(tickets, 'trial')} are not in its records"
    if code in (CHECKPOINTED, ENGINE_GONE, SUPERSEDED):
        return Decision("go on")
    if code == DISK_FULL:
        return Decision("disk full", error)
    if code == OUT_OF_MEMORY:
        return _out_of_memory(error, failures, tickets)
    if code is None or code == TRANSIENT:
        if failures < len(DELAYS):
            delay = DELAYS[failures]
            return Decision("again", f"{error}; trying again from its checkpoint in {delay:.0f} s", delay)
        return Decision("failed", f"{error}; given up after {failures + 1} attempts")
    return Decision("failed", error or "failed without an error message")


def _out_of_memory(error: str, failures: int, tickets: int) -> Decision:
    if tickets > 1:
        half = tickets // 2
        return Decision("split", f"{error}; trying again with stacks of {tickets - half} and {half} tickets")
    if not failures:
        return Decision("alone", f"{error}; trying again once with no other worker beside it")
    return Decision("failed", f"{error}; one ticket does not fit, even alone")


ODD = (LeadsElsewhere, OSError)
"""Exceptions that a damaged batch folder causes."""
_EVERYBODYS = {errno.EROFS, *RAN_OUT}


def fail_job(database: Database, job: int, error: Exception) -> None:
    """Fail a job whose stored form cannot be run, unless it is over; the engine stops its workers.

    Raises the error again if it is not about the batch: a disk that is full, read-only or unavailable.
    """
    if isinstance(error, OSError) and (code_of(error) in (DISK_FULL, TRANSIENT) or error.errno in _EVERYBODYS):
        raise error
    with database.transaction() as connection:
        found = job_state(connection, job)
        if found is not None and found[0] in ("queued", "running", "paused"):
            cancel_trials(connection, job)
            set_job(connection, job, "failed", f"cannot be run as it is stored: {_sentence(error)}")


def fail_job_of(database: Database, batch: int, error: Exception) -> None:
    """`fail_job` for the job that a batch belongs to."""
    fail_job(database, job_of_batch(database.connection, batch)["id"], error)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return one_line(f"{error.filename}: {error.strerror}")
    return one_line(error)
