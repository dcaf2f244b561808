"""Compares what the database, the records and TensorBoard's files say about a job, and finds which one is wrong."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lth_core.batches.batch import BatchFolder, BatchSpec
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.store import digests, mending, soundness
from lth_core.store.batches import batches_of
from lth_core.store.database import Database
from lth_core.store.events_file import damaged_files, read_scalars
from lth_core.store.nonsense import NONSENSE
from lth_core.store.workspace import Workspace, trial_folder
from lth_core.text import one_line
from lth_core.upkeep.facts import Facts, Recorded, facts_of, recorded

Witness = Literal["database", "records", "TensorBoard"]
MISSING = "nothing"
"""The value of a fact that a witness lacks."""


@dataclass(frozen=True)
class Odd:
    """A fact on which the witnesses differ. wrong: the outvoted one; None if that cannot be decided.

    key: as in `Facts`, ("experiment",) for the job's, ("digest",) for the trial's digest. value: the right one.
    """

    job: int
    trial: int | None
    batch: int | None
    key: tuple[Any, ...]
    wrong: Witness | None
    value: Any
    sentence: str


def compare(workspace: Workspace, database: Database) -> Iterator[Odd]:
    """All differences in what is stored about the jobs, job by job."""
    for job, name in soundness.job_names(database):
        with database.one_moment():
            specs = _specs(workspace, database, job)
            yield from _experiment(database, job, specs)
            with recorded(workspace, database.connection, job) as records:
                yield from _trials(workspace, database, job, name, specs, records)
                yield from _attempts(database, job, records)


def _specs(workspace: Workspace, database: Database, job: int) -> list[BatchSpec]:
    """Specifications of a job's batches whose checksum matches."""
    found = []
    for batch in batches_of(database.connection, job):
        folder = BatchFolder(workspace.batch(batch))
        try:
            spec = folder.spec()
        except (OSError, *NONSENSE):
            continue
        if folder.spec_is_sealed and spec.job == job:
            found.append(spec)
    return found


def _experiment(database: Database, job: int, specs: list[BatchSpec]) -> Iterator[Odd]:
    row = soundness.named_experiment(database, job)
    holds = digests.job_holds(database.connection, job)
    try:
        stored = Experiment.from_json(row["experiment"])
        sound = stored.name == row["name"]
    except (*NONSENSE, InputError):
        stored, sound = None, False
    if holds is False and (original := _original(database, job, row["experiment"])) is not None:
        own = stored is not None and original == stored
        said = "its name or identity is not that of its experiment" if own else "its experiment is not what was queued"
        why = "as its digest says" if own else "as its digest says; the command that queued it has the original"
        yield Odd(job, None, None, ("experiment",), "database", original.canonical(), f"job {job}: {said}, {why}")
        return
    if not specs:
        if holds is False or not sound:
            said = "is not what was queued, and nothing has the original: delete the job and queue it again"
            yield Odd(job, None, None, ("experiment",), None, None, f"job {job}: its experiment {said}")
        return
    newest = specs[-1].experiment
    same = stored is not None and newest.model_copy(update={"launcher": stored.launcher}) == stored
    if holds is False or not sound or (holds is None and not same):
        said = "is not what was queued, as its digest says" if holds is False else "is not what its batches trained"
        value = newest.canonical()
        yield Odd(job, None, specs[-1].batch, ("experiment",), "database", value, f"job {job}: its experiment {said}; "
                  f"the specification of batch {specs[-1].batch} has it")  # fmt: skip


def _original(database: Database, job: int, stored: str) -> Experiment | None:
    """The experiment that a job's digest was made of: a command's, or the stored one with another name or identity."""
    for text in (stored, *mending.submitted(database, job)):
        with contextlib.suppress(*NONSENSE):
            found = Experiment.from_json(text)
            if digests.is_of_job(database.connection, job, found.name, found.identity, found.canonical()):
                return found
    return None


def _attempts(database: Database, job: int, records: Recorded) -> Iterator[Odd]:
    """What attempts ran with, where database and records both say it: a checksum decides."""
    said = mending.facts_of_job(records.connection, job)
    for (batch, attempt), facts in mending.facts_of_job(database.connection, job).items():
        right = said.get((batch, attempt), facts)
        if right != facts:
            wrong: Witness | None = None if batch in records.unchecked else "database"
            why = "the record's checksum holds" if wrong else "which is right cannot be told"
            sentence = f"job {job}: what attempt {attempt} of batch {batch} ran with is not what its record says; {why}"
            yield Odd(job, None, batch, ("attempt", attempt), wrong, right, sentence)


def _trials(
    workspace: Workspace, database: Database, job: int, name: str, specs: list[BatchSpec], records: Recorded
) -> Iterator[Odd]:
    connection = database.connection
    places = {trial.id: trial.key for spec in specs for trial in spec.trials}
    for trial, holds in digests.trials_hold(connection, job).items():
        stored, said = facts_of(connection, trial), facts_of(records.connection, trial)
        key = places.get(trial)
        said |= {("trial", n): MISSING if key is None else getattr(key, n) for n in ("arm", "round", "seed")}
        own = stored["result", "batch"] if holds is not False else said["result", "batch"] or stored["result", "batch"]
        look = _Look(job, trial, own, holds, own in records.damaged, own not in records.unchecked)
        look.title = _title(job, key or TrialKey(*(stored["trial", n] for n in ("round", "arm", "seed"))))
        done = stored["result", "state"] == "done" or (holds is False and said["result", "state"] == "done")
        shown, damaged = _shown(workspace, job, name, look, key, stored) if done else ({}, False)
        if own not in records.batches:
            said = {}
        found = list(look.compare(stored, said, shown, done, damaged))
        yield from found
        if holds is False and not found:
            sentence = f"{look.title}: its digest does not match, but everything else agrees with its records"
            sure = bool(said) and done and not look.damaged
            yield Odd(job, trial, own, ("digest",), "database" if sure else None, None, sentence)
    for batch, paths in records.damaged.items():
        for path in paths:
            sentence = f"{path.relative_to(workspace.folder)}: lines are not what was written"
            yield Odd(job, None, batch, ("lines", path), "records", None, sentence)


def _title(job: int, key: TrialKey) -> str:
    return f"job {job}: {one_line(key.arm, 80)} round {key.round} seed {key.seed}"


def _shown(
    workspace: Workspace, job: int, name: str, look: "_Look", key: TrialKey | None, stored: Facts
) -> tuple[Facts, bool]:
    """A trial's curves and score in TensorBoard's files, and whether one of the files is damaged."""
    key = key or TrialKey(*(stored["trial", n] for n in ("round", "arm", "seed")))
    try:
        folder = trial_folder(workspace.tensorboard(job, name), key)
    except ValueError:
        return {}, False
    if not folder.is_dir():
        return {}, False
    scalars = read_scalars(folder)
    found: Facts = {("point", *place): value for place, value in scalars.items()}
    scores = [(step, value) for (scalar, step), value in scalars.items() if scalar == "score"]
    if scores:
        found["result", "score"] = max(scores)[1]
    return found, bool(damaged_files(folder))


@dataclass
class _Look:
    """One trial: whether its digest matches, its batch has damaged lines, and all its lines have checksums."""

    job: int
    trial: int
    batch: int | None
    holds: bool | None
    damaged: bool
    checked: bool
    title: str = ""

    def compare(self, stored: Facts, said: Facts, shown: Facts, done: bool, files_damaged: bool) -> Iterator[Odd]:
        """Every fact on which the witnesses differ."""
        lost, ended = 0, said.get(("result", "state")) == "done"
        for key in dict.fromkeys((*stored, *said)):
            if not self._counts(key, stored, said, done):
                continue
            d, r, t = stored.get(key, MISSING), said.get(key, MISSING), shown.get(key, MISSING)
            if key[0] == "result" and d is not None and (r is None or (key[1] == "step" and not ended)):
                r = MISSING  # its records end before its end
            lost += key[0] == "point" and t is MISSING and d == r
            alone = not said or (r is MISSING and key[0] == "trial")
            if (d == r or alone) and (t is MISSING or _same(d, t)):
                continue
            wrong = self._wrong(key, d, r, t)
            yield self._odd(key, wrong, {"database": r, "records": d, "TensorBoard": d}.get(wrong or ""), d, r, t)
        if files_damaged:
            sentence = f"{self.title}: TensorBoard's file is damaged, {lost} points of the others are missing from it"
            yield Odd(self.job, self.trial, self.batch, ("file",), "TensorBoard", None, sentence)

    def _counts(self, key: tuple[Any, ...], stored: Facts, said: Facts, done: bool) -> bool:
        """Whether a difference counts: the records of an unfinished or failed trial may hold more or less."""
        if key[0] == "audit" and key[3] not in (0, self.batch) and key not in stored:
            return False
        if key[0] == "audit" and key not in stored and self.holds and key[4] < self._last_attempt(stored):
            return False  # its worker outlived the engine, and wrote it after the attempt was last read
        if key[0] == "audit" and key[3] not in (0, self.batch) and key not in said:
            return False  # of an attempt before a retry, whose records are gone or do not name it
        if done or key[0] == "trial":
            return True
        if key[0] == "result":
            return key[1] in ("density", "model_density") and None not in (stored[key], said.get(key))
        return key in stored and key in said

    def _last_attempt(self, stored: Facts) -> int:
        return max((key[4] for key in stored if key[0] == "audit" and key[3] == self.batch), default=0)

    def _wrong(self, key: tuple[Any, ...], d: Any, r: Any, t: Any) -> Witness | None:
        """Two that agree outvote the third; if there are only two, a digest or checksum decides."""
        holds = None if key[0] == "point" else self.holds  # which the digest does not cover
        if t is not MISSING and r is MISSING:
            return "records" if _same(d, t) else ("TensorBoard" if holds else None)
        if d == r:
            return "TensorBoard"
        if t is not MISSING and _same(d, t) != _same(r, t):
            return "records" if _same(d, t) else "database"
        if holds is False:
            return None if r is MISSING and self.damaged else "database"
        if r is MISSING:
            return "records"
        if self.checked:
            return None if holds else "database"
        return "records" if holds else None

    def _odd(self, key: tuple[Any, ...], wrong: Witness | None, value: Any, d: Any, r: Any, t: Any) -> Odd:
        said = [f"{_words(d)} in the database", f"{_words(r)} in the records"]
        said += [f"{_words(t)} in TensorBoard's file"] if t is not MISSING else []
        third = t is not MISSING and _same(d, t) != _same(r, t)
        why = {
            "TensorBoard": "records and database agree" if d == r else "the database's digest matches",
            "records": "database and TensorBoard agree" if third else "the database's digest matches" if self.holds
            else "the records are damaged",
            "database": "records and TensorBoard agree" if third else "the database's digest does not match"
            if self.holds is False else "the record's checksum holds",
        }.get(wrong or "", "it cannot be decided which is right")  # fmt: skip
        sentence = f"{self.title}: {_name(key)} is {', '.join(said)}; {why}"
        return Odd(self.job, self.trial, self.batch, key, wrong, value, sentence)


def _same(value: Any, shown: Any) -> bool:
    """Whether `shown` is this value in single precision; a value that is not finite is None elsewhere."""
    if value is None or value is MISSING or not isinstance(value, (int, float)):
        return value is None and not np.isfinite(shown)
    return bool(np.float32(value) == np.float32(shown))


def _name(key: tuple[Any, ...]) -> str:
    kind, *rest = key
    words = {"point": "{} at step {}", "layer": "layer {}", "audit": "audit {0} {1}"}.get(kind, "{}")
    return one_line(words.format(*rest), 120)


def _words(value: Any) -> str:
    return one_line(repr(value) if isinstance(value, float) else str(value), 120)
