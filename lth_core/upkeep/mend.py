"""Repairs one of three witnesses (database, records, TensorBoard's files) from the two that agree."""

import json
import shutil
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lth_core.batches.batch import BatchFolder
from lth_core.experiment.plan import TrialKey
from lth_core.store import digests, mending, metrics
from lth_core.store.batches import set_records_read
from lth_core.store.database import Database
from lth_core.store.events import add_event
from lth_core.store.events_file import hyperparameters, is_metric, read_scalars
from lth_core.store.record_lines import body_of, content_of, record_of
from lth_core.store.records import body
from lth_core.store.tensorboard import TrialLog
from lth_core.store.tensors import sync_folder, write_atomically
from lth_core.store.workspace import Workspace, trial_folder
from lth_core.upkeep.facts import PLACE, RESULT, Facts, facts_of, lines_of, sound_lines
from lth_core.upkeep.witnesses import MISSING, Odd, compare

_DAMAGED = "its state had changed on the disk; retry trains it again"


def mend(workspace: Workspace, database: Database) -> list[str]:
    """Repair every difference that can be decided, with an event for each; returns their sentences. No engine may run.

    The database first, because the others are repaired from it.
    """
    odd = list(compare(workspace, database))
    found = [one for one in odd if one.wrong is not None]
    unsure = {one.trial for one in odd if one.wrong is None}
    with database.transaction() as connection:
        for one in found:
            if one.wrong == "database":
                _put_back(connection, one)
            add_event(connection, "repaired", f"put back: {one.sentence}", one.job, one.trial)
        put_back = {one.trial for one in found if one.wrong == "database" and one.trial is not None}
        digests.seal_trials(connection, put_back - unsure)
    for batch in sorted({one.batch for one in found if one.wrong == "records" and one.batch is not None}):
        _mend_records(workspace, database, batch, [one for one in found if one.batch == batch])
    for trial in sorted({one.trial for one in found if one.wrong == "TensorBoard" and one.trial is not None}):
        _mend_events(workspace, database, trial)
    return [one.sentence for one in found]


def _put_back(connection: sqlite3.Connection, one: Odd) -> None:
    kind, *place = one.key
    if kind == "experiment":
        mending.put_experiment(connection, one.job, one.value)
    elif kind == "attempt":
        mending.put_facts(connection, one.batch, place[0], one.value)
    elif kind in ("result", "trial") and place[0] in (*RESULT, *PLACE):
        _put_column(connection, one, place[0])
    elif kind == "point":
        _put_point(connection, one, *place)
    elif kind == "layer":
        mending.put_layer(connection, one.trial, place[0], None if one.value is MISSING else one.value)
    elif kind == "audit":
        mending.put_audit(connection, one.trial, place, None if one.value is MISSING else one.value)


def _put_column(connection: sqlite3.Connection, one: Odd, column: str) -> None:
    if column == "state" and one.value is None:
        mending.put_failed(connection, one.trial, _DAMAGED)
    else:
        mending.put_column(connection, one.trial, column, one.value)


def _put_point(connection: sqlite3.Connection, one: Odd, name: str, step: int) -> None:
    if one.value is MISSING:
        mending.remove_point(connection, one.trial, name, step)
    elif one.trial is not None:
        mending.put_point(connection, one.trial, name, step, float("nan") if one.value is None else one.value)


def _mend_records(workspace: Workspace, database: Database, batch: int, odd: list[Odd]) -> None:
    """Rewrite the files of a batch without damaged lines, and append what is missing, from the database."""
    with database.transaction() as connection:  # lines that are read twice count once, whatever the file's new length
        set_records_read(connection, batch, 0)
    attempts = sorted(BatchFolder(workspace.batch(batch)).attempts().items())
    if not attempts:
        return
    paths = [folder / "records.jsonl" for _, folder in attempts]
    damaged = [one.key[1] for one in odd if one.key[0] == "lines"]
    missing = _missing(database.connection, [one for one in odd if one.wrong == "records"])
    missing += _facts_of_attempts(database.connection, batch, paths)
    again = {record["trial"] for record in missing if record["kind"] == "done"}
    for path in dict.fromkeys((*damaged, paths[-1])):
        lines = sound_lines(lines_of(path))
        records = [record_of(line) for line in lines]
        kept = [
            body_of(line)
            for line, record in zip(lines, records, strict=True)
            if not (record.get("kind") == "done" and record.get("trial") in again)
        ]
        if path == (damaged or paths[-1:])[0]:
            kept += map(body, missing)
        write_atomically(workspace.own(path), content_of(kept))


def _facts_of_attempts(connection: sqlite3.Connection, batch: int, paths: list[Path]) -> list[dict[str, Any]]:
    """Versions and devices of attempts whose line is damaged, from the database."""
    there = {
        record.get("attempt")
        for path in paths
        for record in map(record_of, sound_lines(lines_of(path)))
        if record.get("kind") == "ran"
    }
    rows = mending.stored_facts(connection, batch)
    return [
        {"kind": "ran", "batch": batch, "attempt": row["attempt"], "facts": json.loads(row["facts"])}
        for row in rows
        if row["attempt"] not in there
    ]


def _missing(connection: sqlite3.Connection, odd: Iterable[Odd]) -> list[dict[str, Any]]:
    """Records of these facts, from the database."""
    wanted: dict[int, set[tuple[Any, ...]]] = {}
    for one in odd:
        if one.trial is not None:
            kind, *place = one.key
            densities = kind == "result" and place[0] in ("density", "model_density")
            group = {"point": ("metrics", place[-1]) if place else (), "audit": ("audit", *place[:1], *place[2:])}
            wanted.setdefault(one.trial, set()).add(
                group.get(kind, ("layers",) if kind == "layer" or densities else ("done",))
            )
    found: list[dict[str, Any]] = []
    for trial, groups in wanted.items():
        facts = facts_of(connection, trial)
        for kind, *place in sorted(groups, key=lambda group: group[0] == "done"):
            record: dict[str, Any] = {"kind": kind, "trial": trial}
            if kind == "metrics":
                values = {k[1]: v for k, v in facts.items() if k[0] == "point" and k[2] == place[0]}
                record |= {"step": place[0], "values": values}
            elif kind == "audit":
                checks = [
                    [k[2], bool(v[0]), v[1]]
                    for k, v in facts.items()
                    if k[0] == "audit" and (k[1], k[3], k[4]) == tuple(place)
                ]
                record |= {"moment": place[0], "batch": place[1], "attempt": place[2], "checks": checks}
            elif kind == "layers":
                record |= _layers(facts)
            else:
                record |= {name: facts["result", name] for name in ("step", "score", "tensors", "sha256")}
            found.append(record)
    return found


def _layers(facts: Facts) -> dict[str, Any]:
    rows = [facts[key] for key in sorted(key for key in facts if key[0] == "layer")]
    return {
        "layers": [[name, json.loads(shape), size, kept, bool(prunable)] for name, shape, size, kept, prunable in rows],
        "density": facts["result", "density"],
        "model_density": facts["result", "model_density"],
    }


def _mend_events(workspace: Workspace, database: Database, trial: int) -> None:
    """Write one new event file with all points and the score of a trial; existing files are set aside."""
    row = mending.place_and_score(database, trial)
    key = TrialKey(row["round"], row["arm"], row["seed"])
    folder = workspace.own(trial_folder(workspace.tensorboard(row["id"], row["name"]), key))
    steps: dict[int, dict[str, float]] = {}
    for (name, step), value in read_scalars(folder).items():
        if name != "score" and not is_metric(name):
            steps.setdefault(step, {})[name] = value
    for (name, step), stored in metrics.recorded(database.connection, trial).items():
        steps.setdefault(step, {})[name] = float("nan") if stored is None else stored
    made = workspace.own(workspace.folder / "tensorboard" / ".again")
    shutil.rmtree(made, ignore_errors=True)
    log = TrialLog(made, key, 0)
    for event in hyperparameters(folder):
        log.write(event)
    for step, values in sorted(steps.items()):
        log.scalars(values, step)
    if row["score"] is not None:
        log.scalars({"score": row["score"]}, row["step"])
    log.close()
    for path in folder.glob("events.out.tfevents.*"):
        path.rename(path.with_name(f"damaged-{time.time_ns()}"))
    for path in trial_folder(made, key).iterdir():
        path.rename(folder / path.name)
    sync_folder(folder)
    shutil.rmtree(made, ignore_errors=True)
