"""Rebuilds a lost database from the batches' folders, and from TensorBoard's files for curves.

Jobs and trials come from the batches' specifications; results, audits and layers from their records. If records are
lost too, curves and scores come from the event files, in single precision. What no file holds is lost: the order of
the queue, events, jobs that never started, and what a job was queued with.
"""

import sqlite3
from dataclasses import dataclass, field

from lth_core.batches.batch import BatchFolder, BatchSpec, TrialSpec
from lth_core.store import attempts, digests, metrics, remaking
from lth_core.store.database import Database
from lth_core.store.events import add_event
from lth_core.store.events_file import is_metric, read_scalars
from lth_core.store.ingest import take_over
from lth_core.store.jobs import settle_job
from lth_core.store.metrics import Point
from lth_core.store.nonsense import NONSENSE
from lth_core.store.record_lines import DAMAGED
from lth_core.store.records import read_all
from lth_core.store.tensors import file_sha256, read_card
from lth_core.store.workspace import Workspace, trial_folder
from lth_core.text import one_line
from lth_core.upkeep.rebuild_specs import read_specs, take_back, without_checksum

_LAST_WORDS = "rebuilt by `lth doctor`: resume it to continue"


@dataclass
class Rebuilt:
    """How much was found, what could not be read, and what was accepted without a checksum."""

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
            own = [spec for spec in specs if spec.job == job]
            trials = [(trial.id, trial.key) for spec in own for trial in spec.trials]
            remaking.add_old_job(connection, job, own[-1].experiment, trials)
        for job, experiment in {spec.job: spec.experiment for spec in specs}.items():
            remaking.add_other_trials(connection, job, experiment)
        for spec in specs:
            try:
                with remaking.all_or_nothing(connection):
                    _add_batch(connection, workspace, spec, found)
            except (OSError, *NONSENSE) as error:
                found.unreadable.append(f"{spec.batch:06d}: {one_line(error, 120)}")
        # Only now, because a later batch may have retried the trials of an earlier one.
        remaking.end_old_batches(connection)
        for job in sorted({spec.job for spec in specs}):
            remaking.pause_old_job(connection, job, _LAST_WORDS)
            attempts.threads_again(connection, job)
            settle_job(connection, job)
            digests.seal(connection, job)
        found.jobs, found.trials, found.done, found.points = remaking.how_much(connection)
        add_event(connection, "rebuilt", f"{found.jobs} jobs with {found.trials} trials read from their folders")
    return found


def _add_batch(connection: sqlite3.Connection, workspace: Workspace, spec: BatchSpec, found: Rebuilt) -> None:
    """Add a batch and what its attempts published; an unfinished batch continues from its checkpoint."""
    folder = BatchFolder(workspace.batch(spec.batch))
    attempts = sorted(folder.attempts())
    remaking.add_old_batch(connection, spec.batch, spec.job, max(attempts, default=0))
    own = [trial for trial in spec.trials if not _has_result(connection, workspace, trial.id)]
    ids = [trial.id for trial in own]
    # A later batch of the same trial is a retry: drop what the earlier one had, unless it is a complete result.
    remaking.take_trials(connection, spec.batch, ids)
    damaged = 0
    for attempt in attempts:
        for record in read_all(folder.attempt(attempt) / "records.jsonl"):
            damaged += record is DAMAGED
            if record.get("trial") in ids or record.get("kind") == "ran":
                take_over(connection, spec.job, record)
    if damaged:
        found.unreadable.append(f"{spec.batch:06d}: lines of its records are damaged, in {damaged} places")
    for trial in own:
        if damaged or not remaking.has_curve(connection, trial.id):
            _fill_in(connection, workspace, spec, trial, attempts, found)


def _has_result(connection: sqlite3.Connection, workspace: Workspace, trial: int) -> bool:
    """Whether an earlier batch trained it, and its file is undamaged."""
    row = remaking.result_of(connection, trial)
    try:
        return bool(row["state"] == "done" and file_sha256(workspace.inside(row["tensors"] or "")) == row["sha256"])
    except (OSError, ValueError):
        return False


def _fill_in(
    connection: sqlite3.Connection, workspace: Workspace, spec: BatchSpec, trial: TrialSpec, attempts: list[int],
    found: Rebuilt,
) -> None:  # fmt: skip
    """Fill in what the records lack of a trial: points and score from TensorBoard, tensors from the folder."""
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
