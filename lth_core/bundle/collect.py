"""What a bundle takes from a workspace: batches' specifications and records, masks, weights. Nothing names the machine.

Specifications and records keep their form and their places, so that a workspace can be rebuilt from them.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lth_core.batches.batch import BatchFolder
from lth_core.bundle.engine_facts import JobFacts, job_facts
from lth_core.bundle.scrub import Scrubber, placeless
from lth_core.errors import InputError
from lth_core.experiment.plan import TrialKey
from lth_core.store import mending, views
from lth_core.store.batches import batches_of
from lth_core.store.database import Database
from lth_core.store.nonsense import NONSENSE
from lth_core.store.plain import open_plain
from lth_core.store.record_lines import DAMAGED, content_of
from lth_core.store.records import body, read_all
from lth_core.store.tensors import DamagedFile, load_tensors, serialised
from lth_core.store.trials import stored_files
from lth_core.store.views import JobView
from lth_core.store.workspace import Workspace, trial_folder
from lth_core.text import one_line

ENDED = ("done", "failed")
_PIECE = 1 << 20


@dataclass(frozen=True)
class Collected:
    """Files of the bundle by path: their content, or for weights the file with its SHA-256. jobs: their facts."""

    jobs: list[JobFacts] = field(default_factory=list)
    texts: dict[str, bytes] = field(default_factory=dict)
    weights: dict[str, tuple[Path, str]] = field(default_factory=dict)


def folder_of(job: int) -> str:
    """A job's folder in the bundle."""
    return f"jobs/{job:04d}"


def mask_place(job: int, key: TrialKey) -> str:
    """The file of a trial's mask in the bundle."""
    return f"{trial_folder(Path(folder_of(job)) / 'masks', key).as_posix()}.safetensors"


def collected(workspace: Workspace, database: Database, jobs: Sequence[JobView], *, weights: bool) -> Collected:
    """All of it. Raises InputError for a job that has not ended, and where a file is missing or damaged."""
    found = Collected()
    for job in jobs:
        if job.state not in ENDED:
            raise InputError(f"job {job.id} is {job.state}: expected a job that is done or failed")
        scrubber = Scrubber(_hosts(database, job.id))
        facts = job_facts(database, job, scrubber)
        found.jobs.append(facts)
        found.texts[f"{folder_of(job.id)}/job.json"] = facts.content()
        found.texts[f"{folder_of(job.id)}/experiment.json"] = (placeless(job.experiment).canonical() + "\n").encode()
        try:
            for batch in batches_of(database.connection, job.id):
                found.texts.update(_batch(workspace, batch, scrubber))
            for row in stored_files(database, job.id):
                if row["state"] == "done":
                    _trial(workspace, job.id, row, found, scrubber if weights else None)
        except (OSError, DamagedFile, *NONSENSE) as error:
            raise InputError(f"job {job.id}: {one_line(error, 200)}; `lth doctor` says more") from None
    return found


def _hosts(database: Database, job: int) -> Iterator[str]:
    """The machines that a job was queued and trained on."""
    facts = [json.loads(text) for text in mending.facts_of_job(database.connection, job).values()]
    for one in (views.provenance(database, job), *facts):
        if isinstance(host := one.get("host"), str):
            yield host


def _batch(workspace: Workspace, batch: int, scrubber: Scrubber) -> Iterator[tuple[str, bytes]]:
    folder = BatchFolder(workspace.own(workspace.batch(batch)))
    attempts = folder.attempts()
    if not attempts:
        return  # it never began
    spec = folder.spec()
    clean = replace(
        spec, experiment=placeless(spec.experiment), trained_on=tuple((n, scrubber.text(v)) for n, v in spec.trained_on)
    )  # fmt: skip
    place = f"batches/{folder.folder.name}"
    yield f"{place}/spec.json", clean.to_json().encode()
    for number, attempt in sorted(attempts.items()):
        records = list(read_all(attempt / "records.jsonl"))
        if DAMAGED in records:
            raise InputError(f"{place}/attempt-{number}: lines of its records are damaged")
        if records:
            content = content_of(body(scrubber.value(record)) for record in records)
            yield f"{place}/attempt-{number}/records.jsonl", content


def _trial(
    workspace: Workspace, job: int, row: sqlite3.Row, found: Collected, weights: Scrubber | None
) -> None:  # fmt: skip
    """The mask of a finished trial, and its weights if they are asked for."""
    key, path = TrialKey(row["round"], row["arm"], row["seed"]), workspace.inside(row["tensors"])
    arrays, card = load_tensors(path, row["sha256"])
    values = {"arm": key.arm, "round": key.round, "seed": key.seed, "mask": card["mask"]}
    found.texts[mask_place(job, key)] = serialised({"mask": arrays["mask"]}, values)
    if weights is None:
        return
    if weights.value(card) != card:
        raise InputError(f"{key}: the file of its weights names this machine, and cannot go without changing it")
    found.weights[row["tensors"]] = path, row["sha256"]


def pieces_of(path: Path) -> Callable[[], Iterator[bytes]]:
    """Reads a file in pieces."""

    def read() -> Iterator[bytes]:
        with open_plain(path, follow=False) as file:
            while piece := file.read(_PIECE):
                yield piece

    return read
