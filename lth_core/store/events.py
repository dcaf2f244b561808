"""The queue's events: written inside the caller's transaction, read by `views.events`."""

import sqlite3
import time

from lth_core.text import one_line


def add_event(
    connection: sqlite3.Connection, kind: str, text: str, job: int | None = None, trial: int | None = None
) -> None:
    """Add an event."""
    connection.execute(
        "INSERT INTO events (at, job, trial, kind, text) VALUES (?, ?, ?, ?, ?)",
        (time.time(), job, trial, kind, one_line(text)),
    )
