"""A batch whose folder is not as it must be, or leads elsewhere: its job fails in a sentence, and the queue goes on."""

import errno

from lth_core.engine.batch import DISK_FULL, TRANSIENT
from lth_core.engine.causes import code_of
from lth_core.errors import RAN_OUT
from lth_core.store import queue
from lth_core.store.database import Database
from lth_core.store.workspace import LeadsElsewhere
from lth_core.text import one_line

ODD = (LeadsElsewhere, OSError)
"""What using a batch's folder raises that is not as it must be."""
_EVERYBODYS = {errno.EROFS, *RAN_OUT}


def fail_job(database: Database, job: int, error: Exception) -> None:
    """Fail a job that cannot be run as it is stored, unless it is over; the engine has its workers leave.

    Raises the error again where it is no batch's own: a disk that is full, read-only or for the moment away.
    """
    if isinstance(error, OSError) and (code_of(error) in (DISK_FULL, TRANSIENT) or error.errno in _EVERYBODYS):
        raise error
    with database.transaction() as connection:
        state = connection.execute("SELECT state FROM jobs WHERE id = ?", (job,)).fetchone()["state"]
        if state in ("queued", "running", "paused"):
            queue.cancel_trials(connection, job)
            queue.set_job(connection, job, "failed", f"cannot be run as it is stored: {_sentence(error)}")


def fail_job_of(database: Database, batch: int, error: Exception) -> None:
    """`fail_job` for the job that a batch belongs to."""
    row = database.row("SELECT job FROM batches WHERE id = ?", batch)
    assert row is not None  # noqa: S101 it was found a moment ago
    fail_job(database, row["job"], error)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return one_line(f"{error.filename}: {error.strerror}")
    return one_line(error)
