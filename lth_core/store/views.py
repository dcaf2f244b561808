"""What interfaces read: jobs, trials, layers, audits, events, the engine. Read only, without tensors."""

import json
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import ValidationError

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.settings.tasks import BESIDE
from lth_core.store import metrics
from lth_core.store.database import Database
from lth_core.store.job_time import job_time
from lth_core.store.schema import NEWEST_AUDITS
from lth_core.text import one_line
from lth_core.time_left import seconds_left


@dataclass(frozen=True)
class JobView:
    """A job as the queue shows it. Times are Unix seconds; `seconds_left` is None while unknown."""

    id: int
    name: str
    identity: str
    state: str
    source: str
    created: float
    started: float | None
    finished: float | None
    error: str | None
    trials: int
    trials_done: int
    trials_failed: int
    trials_running: int
    round: int
    rounds: int
    progress: float
    rate: float
    seconds_left: float | None
    experiment: Experiment
    suite: str | None
    priority: int = 0
    deleted: bool = False


@dataclass(frozen=True)
class TrialView:
    """One trial: which ticket, how far, with what result.

    beside: what was measured at its end of the metrics BESIDE, the score among them where it is one.
    """

    id: int
    job: int
    arm: str
    round: int
    seed: int
    state: str
    step: int
    density: float | None
    model_density: float | None
    score: float | None
    started: float | None
    finished: float | None
    error: str | None
    beside: tuple[tuple[str, float], ...] = ()

    @property
    def key(self) -> TrialKey:
        """The trial's key in the plan."""
        return TrialKey(self.round, self.arm, self.seed)


@dataclass(frozen=True)
class LayerView:
    """How many entries of one parameter tensor are alive in one trial's ticket."""

    arm: str
    round: int
    seed: int
    position: int
    layer: str
    shape: tuple[int, ...]
    size: int
    kept: int
    prunable: bool


@dataclass(frozen=True)
class AuditView:
    """One check of one trial's audit."""

    trial: int
    arm: str
    round: int
    seed: int
    moment: str
    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class EventView:
    """An event; `id` ascends."""

    id: int
    at: float
    job: int | None
    trial: int | None
    kind: str
    text: str


@dataclass(frozen=True)
class EngineView:
    """The engine that last owned the workspace."""

    pid: int
    host: str
    started: float
    beat: float
    state: str


@dataclass(frozen=True)
class SlotView:
    """A device slot and what runs on it."""

    name: str
    device: str
    pid: int | None
    batch: int | None
    job: int | None
    trials: int
    fraction: float
    rate: float | None


_JOBS = """
    SELECT j.*,
        COUNT(t.id) AS trials,
        SUM(t.state = 'done' AND COALESCE(ABS(t.score), 1e308) < 1e308) AS trials_done,
        -- Earlier versions let a trial without a score be done.
        SUM(t.state IN ('failed', 'blocked') OR (t.state = 'done' AND COALESCE(ABS(t.score), 1e308) >= 1e308))
            AS trials_failed,
        SUM(t.state = 'running') AS trials_running,
        MAX(CASE WHEN t.state IN ('running', 'done') THEN t.round ELSE 0 END) AS round,
        MAX(t.round) AS rounds,
        (SELECT TOTAL(b.fraction
            * (SELECT COUNT(*) FROM trials u WHERE u.batch = b.id AND u.state IN ('running', 'waiting')))
            FROM batches b WHERE b.job = j.id AND b.state IN ('running', 'pending')) AS partial,
        (SELECT TOTAL(b.rate) FROM batches b WHERE b.job = j.id AND b.state = 'running') AS rate
    FROM jobs j LEFT JOIN trials t ON t.job = j.id
"""


def jobs(database: Database) -> list[JobView]:
    """All jobs in the order of the queue, without deleted and unreadable ones."""
    order = "GROUP BY j.id ORDER BY j.priority DESC, j.position, j.id"
    return [
        _timed(database, _job(row))
        for row in database.rows(f"{_JOBS} WHERE j.deleted IS NULL {order}")
        if _is_readable(row)
    ]


def unreadable(database: Database) -> list[int]:
    """Numbers of the jobs whose experiment cannot be read; `job` raises the reason."""
    rows = database.rows("SELECT id, experiment FROM jobs WHERE deleted IS NULL ORDER BY id")
    return [row["id"] for row in rows if not _is_readable(row)]


def job(database: Database, number: int) -> JobView | None:
    """One job, or None if there is none with that number; raises InputError if its experiment cannot be read."""
    row = database.row(f"{_JOBS} WHERE j.id = ? GROUP BY j.id", number)
    return None if row is None else _timed(database, _job(row))


def suites(database: Database) -> list[str]:
    """Names of the suites that have a job here, newest last."""
    rows = database.rows(
        "SELECT suite FROM jobs WHERE suite IS NOT NULL AND deleted IS NULL GROUP BY suite ORDER BY MAX(id)"
    )
    return [row["suite"] for row in rows]


def suite_jobs(database: Database, suite: str) -> list[JobView]:
    """The jobs of a suite in the order they were queued; of jobs with the same name the newest, cancelled ones last."""
    newest: dict[str, JobView] = {}
    rows = database.rows(
        f"{_JOBS} WHERE j.suite = ? AND j.deleted IS NULL GROUP BY j.id ORDER BY j.state != 'cancelled', j.id", suite
    )
    for found in (_timed(database, _job(row)) for row in rows if _is_readable(row)):
        newest[found.name] = found
    return sorted(newest.values(), key=lambda found: found.id)


def _timed(database: Database, job: JobView) -> JobView:
    """The job with its time left, if it runs and that is known."""
    if job.state != "running":
        return job
    return replace(job, seconds_left=seconds_left(job_time(database, job.id, job.experiment), time.time()))


def _job(row: Any) -> JobView:
    # A trial's last update may pass its end.
    progress = min(1.0, (row["trials_done"] + row["partial"]) / row["trials"]) if row["trials"] else 0.0
    return JobView(
        **{k: row[k] for k in ("id", "name", "identity", "state", "source", "created", "started", "finished")},
        **{k: row[k] for k in ("error", "trials", "trials_done", "trials_failed", "trials_running")},
        round=row["round"],
        rounds=row["rounds"],
        progress=progress,
        rate=row["rate"],
        seconds_left=None,
        experiment=_experiment(row["experiment"]),
        suite=row["suite"],
        priority=row["priority"],
        deleted=row["deleted"] is not None,
    )


@lru_cache(maxsize=1024)
def _experiment(text: str) -> Experiment:
    try:
        return Experiment.from_json(text)
    except ValidationError:
        raise InputError(f"a stored experiment cannot be read: {one_line(text, 80)}") from None


def _is_readable(row: Any) -> bool:
    try:
        _experiment(row["experiment"])
    except InputError:
        return False
    return True


def provenance(database: Database, job: int) -> dict[str, Any]:
    """Versions, devices, host and git revision, stored before the job's first step."""
    row = database.row("SELECT provenance FROM jobs WHERE id = ?", job)
    try:
        found = {} if row is None else json.loads(row["provenance"])
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"provenance": "cannot be read"}


def trials(database: Database, job: int) -> list[TrialView]:
    """All trials of a job, by round, arm and seed."""
    columns = ", ".join(name for name in TrialView.__dataclass_fields__ if name != "beside")
    rows = database.rows(f"SELECT {columns} FROM trials WHERE job = ? ORDER BY round, arm, seed", job)
    beside = metrics.at_end(database, job, BESIDE)
    return [TrialView(**row, beside=tuple(beside.get(row["id"], ()))) for row in rows]


def layers(database: Database, job: int) -> list[LayerView]:
    """Entries kept per layer of every ticket of a job that has started, in the model's order of layers."""
    rows = database.rows(
        "SELECT t.arm, t.round, t.seed, l.position, l.layer, l.shape, l.size, l.kept, l.prunable "
        "FROM layers l JOIN trials t ON t.id = l.trial WHERE t.job = ? ORDER BY l.position, t.round, t.seed",
        job,
    )
    return [
        LayerView(**{**dict(row), "shape": _shape(row["shape"]), "prunable": bool(row["prunable"])}) for row in rows
    ]


def never_pruned(database: Database, job: int) -> list[str]:
    """The parameters of the dense network that may not be pruned, in the model's order."""
    rows = database.rows(
        "SELECT DISTINCT l.layer FROM layers l JOIN trials t ON t.id = l.trial "
        "WHERE t.job = ? AND t.round = 0 AND NOT l.prunable ORDER BY l.position",
        job,
    )
    return [row["layer"] for row in rows]


class GoneLayer(NamedTuple):
    """A layer that may be pruned, with more than one dimension, of which a ticket keeps nothing."""

    arm: str
    round: int
    seed: int
    layer: str


def gone_layers(database: Database, job: int) -> list[GoneLayer]:
    """Of all tickets of a job that have started, in the model's order of layers; biases left out."""
    rows = database.rows(
        "SELECT t.arm, t.round, t.seed, l.layer, l.shape FROM layers l JOIN trials t ON t.id = l.trial "
        "WHERE t.job = ? AND l.prunable = 1 AND l.kept = 0 ORDER BY l.position, t.round, t.seed",
        job,
    )
    return [
        GoneLayer(row["arm"], row["round"], row["seed"], row["layer"]) for row in rows if len(_shape(row["shape"])) > 1
    ]


def _shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(length) for length in json.loads(text))
    except (ValueError, TypeError, RecursionError):
        raise InputError(f"a stored layer's shape cannot be read: {one_line(text, 80)}") from None


def audits(database: Database, job: int, *, failed_only: bool = False) -> list[AuditView]:
    """Checks of a job's audits, newest trials last."""
    rows = database.rows(
        "SELECT a.trial, t.arm, t.round, t.seed, a.moment, a.name, a.passed, a.detail "
        f"FROM {NEWEST_AUDITS} a JOIN trials t ON t.id = a.trial WHERE t.job = ? AND (? = 0 OR a.passed = 0) "
        "ORDER BY t.round, t.arm, t.seed, a.moment DESC, a.name",
        job, int(failed_only),
    )  # fmt: skip
    return [AuditView(**{**dict(row), "passed": bool(row["passed"])}) for row in rows]


def audit_counts(database: Database, job: int) -> tuple[int, int]:
    """(checks that passed, checks that failed) of a job."""
    row = database.row(
        f"SELECT TOTAL(a.passed = 1), TOTAL(a.passed = 0) FROM {NEWEST_AUDITS} a "
        "JOIN trials t ON t.id = a.trial WHERE t.job = ?",
        job,
    )
    return (int(row[0]), int(row[1])) if row else (0, 0)


def data(database: Database, job: int) -> list[str]:
    """The data of a job's trials, from their audits: one sentence, or several if it changed."""
    rows = database.rows(
        "SELECT DISTINCT a.detail FROM audits a JOIN trials t ON t.id = a.trial "
        "WHERE t.job = ? AND a.batch IN (0, t.batch) AND a.name = 'data' AND a.passed = 1 ORDER BY a.trial", job
    )  # fmt: skip
    return [str(row["detail"]) for row in rows]


def events(database: Database, after: int = 0, job: int | None = None, limit: int = 1000) -> list[EventView]:
    """The newest `limit` events with an id above `after`, oldest first; of one job if given."""
    rows = database.rows(
        "SELECT * FROM (SELECT * FROM events WHERE id > ? AND (? IS NULL OR job = ?) ORDER BY id DESC LIMIT ?) "
        "ORDER BY id",
        after, job, job, limit,
    )  # fmt: skip
    return [EventView(**row) for row in rows]


def engine(database: Database) -> EngineView | None:
    """The engine that owns the workspace, or last did."""
    row = database.row("SELECT pid, host, started, beat, state FROM engine")
    return None if row is None else EngineView(**row)


def slots(database: Database) -> list[SlotView]:
    """The engine's slots in order of their names."""
    rows = database.rows(
        "SELECT s.name, s.device, s.pid, s.batch, b.job, COALESCE(b.fraction, 0) AS fraction, b.rate, "
        "(SELECT COUNT(*) FROM trials t WHERE t.batch = s.batch AND t.state = 'running') AS trials "
        "FROM slots s LEFT JOIN batches b ON b.id = s.batch ORDER BY s.name"
    )
    return [SlotView(**row) for row in rows]
