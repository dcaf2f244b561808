"""Making a lost database again from what lies beside it: batches' folders, and TensorBoard's files for curves.

Jobs and trials come from the batches' specifications, results, audits and layers from their records. Where records
are gone too, curves and scores come from the event files, in single precision. What no file tells is lost: the order
of the queue, events, jobs that never started, and what a job was queued with.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lth_core.batches.batch import BatchFolder, BatchSpec, TrialSpec
from lth_core.experiment.plan import TrialKey, plan
from lth_core.store import attempts, digests, metrics
from lth_core.store.database import Database
from lth_core.store.events import add_event
from lth_core.store.events_file import is_metric, read_scalars
from lth_core.store.ingest import take_over
from lth_core.store.jobs import add_job, settle_job
from lth_core.store.metrics import Point
from lth_core.store.nonsense import NONSENSE
from lth_core.store.record_lines import DAMAGED
from lth_core.store.records import read_all
from lth_core.store.tensors import file_sha256, read_card
from lth_core.store.workspace import Workspace, trial_folder
from lth_core.text import one_line
from lth_core.upkeep.rebuild_specs import read_specs, take_back, without_checksum

_LAST_WORDS = "rebuilt by `lth doctor`: it goes on when it is resumed"


@dataclass
class Rebuilt:
    """How much was found, what could not be read, and what was taken though no checksum confirms it."""

    jobs: int = 0
    trials: int = 0
    done: int = 0
    points: int = 0
    from_tensorboard: int = 0
    unreadable: list[str] = field(default_factory=list)
    unconfirmed: str = ""


def rebuild(workspace: Workspace, database: Database) -> Rebuilt:
    """Fill an empty database of the workspace; all or nothing."""
    found = Rebuilt()
    left = take_back(workspace)
    specs, found.unreadable = read_specs(workspace)
    found.unreadable += left
    found.unconfirmed = without_checksum(workspace, specs)
    with database.transaction() as connection:
        for job in sorted({spec.job for spec in specs}):
            _add_job(connection, [spec for spec in specs if spec.job == job])
        _name_the_rest(connection, specs)
        for spec in specs:
            try:
                with _all_or_nothing(connection):
                    _add_batch(connection, workspace, spec, found)
            except (OSError, *NONSENSE) as error:
                found.unreadable.append(f"{spec.batch:06d}: {one_line(error, 120)}")
        # Only now: a later batch may have taken over the trials of an earlier one.
        connection.execute(
            "UPDATE batches SET state = 'done' WHERE NOT EXISTS "
            "(SELECT 1 FROM trials t WHERE t.batch = batches.id AND t.state = 'running')"
        )
        for job in sorted({spec.job for spec in specs}):
            connection.execute("UPDATE trials SET state = 'waiting' WHERE job = ? AND state = 'running'", (job,))
            connection.execute("UPDATE jobs SET state = 'paused', error = ? WHERE id = ?", (_LAST_WORDS, job))
            attempts.threads_again(connection, job)
            settle_job(connection, job)
            digests.seal(connection, job)
        counts = "SELECT (SELECT COUNT(*) FROM jobs), COUNT(*), TOTAL(state = 'done') FROM trials"
        found.jobs, found.trials, found.done = map(int, connection.execute(counts).fetchone())
        found.points = connection.execute("SELECT COUNT(*) FROM metrics").fetchone()[0]
        add_event(connection, "rebuilt", f"{found.jobs} jobs with {found.trials} trials read from their folders")
    return found


@contextmanager
def _all_or_nothing(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("SAVEPOINT part")
    try:
        yield
    except (OSError, *NONSENSE):
        connection.execute("ROLLBACK TO part")
        raise
    finally:
        if connection.in_transaction:  # on a full disk SQLite may have rolled back by itself
            connection.execute("RELEASE part")


def _add_job(connection: sqlite3.Connection, specs: list[BatchSpec]) -> None:
    """The job under its old number; trials that no batch names get numbers later."""
    spec = specs[-1]
    number = add_job(connection, spec.experiment, "", {"rebuilt": True})
    # Its own number, and its trials': `add_job` has counted from what the empty tables hold.
    connection.execute("DELETE FROM waits WHERE trial IN (SELECT id FROM trials WHERE job = ?)", (number,))
    connection.execute("DELETE FROM trials WHERE job = ?", (number,))
    connection.execute("DELETE FROM events WHERE job = ?", (number,))
    connection.execute("UPDATE jobs SET id = ?, state = 'queued' WHERE id = ?", (spec.job, number))
    for one in specs:
        connection.executemany(
            "INSERT OR IGNORE INTO trials (id, job, arm, round, seed, state) VALUES (?, ?, ?, ?, ?, 'waiting')",
            [(t.id, spec.job, t.key.arm, t.key.round, t.key.seed) for t in one.trials],
        )


def _name_the_rest(connection: sqlite3.Connection, specs: list[BatchSpec]) -> None:
    """Trials that were never begun, and what each trial waits for."""
    for job, experiment in {spec.job: spec.experiment for spec in specs}.items():
        planned = plan(experiment)
        connection.executemany(
            "INSERT OR IGNORE INTO trials (job, arm, round, seed, state) VALUES (?, ?, ?, ?, 'waiting')",
            [(job, t.key.arm, t.key.round, t.key.seed) for t in planned],
        )
        rows = connection.execute("SELECT id, arm, round, seed FROM trials WHERE job = ?", (job,)).fetchall()
        ids = {TrialKey(row["round"], row["arm"], row["seed"]): row["id"] for row in rows}
        connection.executemany(
            "INSERT INTO waits (trial, waits_for) VALUES (?, ?)",
            [(ids[t.key], ids[parent]) for t in planned for parent in t.waits_for],
        )


def _add_batch(connection: sqlite3.Connection, workspace: Workspace, spec: BatchSpec, found: Rebuilt) -> None:
    """A batch, and what its attempts have published; one that is not over goes on from its checkpoint."""
    folder = BatchFolder(workspace.batch(spec.batch))
    attempts = sorted(folder.attempts())
    connection.execute(
        "INSERT INTO batches (id, job, state, attempt) VALUES (?, ?, 'pending', ?)",
        (spec.batch, spec.job, max(attempts, default=0)),
    )
    own = [trial for trial in spec.trials if not _has_result(connection, workspace, trial.id)]
    ids = [trial.id for trial in own]
    marks = ",".join("?" * len(ids))
    # A later batch of the same trial is a retry: what the earlier one had is forgotten, unless it is a whole result.
    connection.execute(f"UPDATE trials SET state = 'running', batch = ?, error = NULL WHERE id IN ({marks})",
                       (spec.batch, *ids))  # fmt: skip
    damaged = 0
    for attempt in attempts:
        for record in read_all(folder.attempt(attempt) / "records.jsonl"):
            damaged += record is DAMAGED
            if record.get("trial") in ids or record.get("kind") == "ran":
                take_over(connection, spec.job, record)
    if damaged:
        found.unreadable.append(f"{spec.batch:06d}: lines of its records are damaged, in {damaged} places")
    for trial in own:
        if damaged or _has_no_curve(connection, trial.id):
            _fill_in(connection, workspace, spec, trial, attempts, found)


def _has_result(connection: sqlite3.Connection, workspace: Workspace, trial: int) -> bool:
    """Whether an earlier batch has trained it, and its file is still what it was."""
    row = connection.execute("SELECT state, tensors, sha256 FROM trials WHERE id = ?", (trial,)).fetchone()
    try:
        return bool(row["state"] == "done" and file_sha256(workspace.inside(row["tensors"] or "")) == row["sha256"])
    except (OSError, ValueError):
        return False


def _has_no_curve(connection: sqlite3.Connection, trial: int) -> bool:
    return connection.execute("SELECT 1 FROM metrics WHERE trial = ? LIMIT 1", (trial,)).fetchone() is None


def _fill_in(
    connection: sqlite3.Connection, workspace: Workspace, spec: BatchSpec, trial: TrialSpec, attempts: list[int],
    found: Rebuilt,
) -> None:  # fmt: skip
    """What the records do not say of a trial: points and score from TensorBoard, its tensors as they lie there."""
    key = trial.key
    place = trial_folder(workspace.inside(spec.tensorboard), key)
    scalars = read_scalars(place) if place.is_dir() else {}
    score = [(step, value) for (name, step), value in scalars.items() if name == "score"]
    known = metrics.recorded(connection, trial.id)
    points = [
        Point(trial.id, name, step, value)
        for (name, step), value in scalars.items()
        if is_metric(name) and (name, step) not in known
    ]
    metrics.write(connection, points)
    found.from_tensorboard += len(points)
    for attempt in reversed(attempts):
        path = BatchFolder(workspace.batch(spec.batch)).attempt(attempt) / f"trial-{trial.id}.safetensors"
        card = read_card(path)
        own = {"arm": key.arm, "round": key.round, "seed": key.seed, "experiment": spec.experiment.identity}
        if score and card is not None and all(card.get(name) == value for name, value in own.items()):
            step, value = max(score)
            relative = str(path.relative_to(workspace.folder))
            take_over(connection, spec.job, {
                "kind": "done", "trial": trial.id, "step": step, "score": value, "tensors": relative,
                "sha256": file_sha256(path),
            })  # fmt: skip
            return
