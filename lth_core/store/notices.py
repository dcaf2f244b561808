"""Events that are reported to people who are not watching: jobs done, failed or stalled, and audits that failed."""

from dataclasses import dataclass

from lth_core.store.database import Database

_KINDS = {"done": "done", "failed": "failed", "warning": "stalled", "paused": "stalled", "audit failed": "audit"}
"""By kind of event. A job that is paused stalls if it has an error: nobody asked for it."""
_ONCE = ("stalled", "audit")
_ANEW = ("queued", "running", "done", "failed", "cancelled")


@dataclass(frozen=True)
class Notice:
    """One thing to tell. kind: done, failed, stalled or audit; at: Unix seconds."""

    kind: str
    job: int
    name: str
    state: str
    text: str
    at: float


class Notices:
    """The notices since it was made. A job that stalls, or whose audit fails, is told once until it goes on or ends."""

    def __init__(self, database: Database) -> None:
        self._after = self._newest(database)
        self._told: set[tuple[int, str]] = set()

    def new(self, database: Database) -> list[Notice]:
        """Those since the last call."""
        rows = database.rows(
            "SELECT e.id, e.at, e.kind, e.text, j.id AS job, j.name, j.state, j.error FROM events e "
            "JOIN jobs j ON j.id = e.job WHERE e.id > ? AND j.deleted IS NULL ORDER BY e.id", self._after
        )  # fmt: skip
        found = []
        for row in rows:
            self._after = row["id"]
            job, kind = row["job"], _KINDS.get(row["kind"])
            if row["kind"] in _ANEW:
                self._told -= {(job, one) for one in _ONCE}
            if kind is None or (job, kind) in self._told or (row["kind"] == "paused" and row["error"] is None):
                continue
            if kind in _ONCE:
                self._told.add((job, kind))
            found.append(Notice(kind, job, row["name"], row["state"], row["text"], row["at"]))
        return found

    @staticmethod
    def _newest(database: Database) -> int:
        row = database.row("SELECT COALESCE(MAX(id), 0) FROM events")
        return int(row[0]) if row else 0
