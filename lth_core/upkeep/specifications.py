"""The specifications of batches that have begun, compared with the database, and written again from it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from lth_core.batches.batch import BatchFolder, BatchSpec
from lth_core.engine.spec_check import unlike
from lth_core.engine.stored import batch_spec
from lth_core.store import digests, soundness
from lth_core.store.batches import batch_row, batches_of
from lth_core.store.database import Database
from lth_core.store.events import add_event
from lth_core.store.nonsense import NONSENSE
from lth_core.store.plain import open_plain
from lth_core.store.workspace import Workspace
from lth_core.text import one_line


@dataclass(frozen=True)
class Damaged:
    """A spec.json that is not what the engine wrote. right: what it must be; None if the database cannot tell."""

    job: int
    batch: int
    right: BatchSpec | None
    sentence: str


def damaged(workspace: Workspace, database: Database) -> Iterator[Damaged]:
    """Every damaged specification of a batch that has begun and whose folder is there, by job."""
    for job, _ in soundness.job_names(database):
        hold = digests.trials_hold(database.connection, job)
        for batch in batches_of(database.connection, job):
            row, folder = batch_row(database.connection, batch), BatchFolder(workspace.batch(batch))
            if row is None or not row["attempt"] or not folder.folder.is_dir():
                continue
            right = _right(workspace, database, job, batch, hold)
            if said := _wrong(folder, job, batch, right):
                yield Damaged(job, batch, right, f"job {job}: batches/{batch:06d}/spec.json {said}")


def restore(workspace: Workspace, database: Database) -> list[str]:
    """Write every damaged specification again from the database, with an event; a sentence for each."""
    found = [one for one in damaged(workspace, database) if one.right is not None]
    for one in found:
        if one.right is not None:
            BatchFolder(workspace.own(workspace.batch(one.batch))).complete(one.right)
            with database.transaction() as connection:
                add_event(connection, "repaired", f"restored: {one.sentence}", one.job)
    return [one.sentence for one in found]


def _right(
    workspace: Workspace, database: Database, job: int, batch: int, hold: dict[int, bool | None]
) -> BatchSpec | None:
    """The specification according to the database, if what it is made from matches its digests."""
    try:
        spec = batch_spec(workspace, database, batch)
    except NONSENSE:
        return None
    sound = digests.job_holds(database.connection, job) and all(hold.get(trial.id) for trial in spec.trials)
    return spec if spec.trials and sound else None  # a retry may have taken all trials out of it


def _wrong(folder: BatchFolder, job: int, batch: int, right: BatchSpec | None) -> str:
    """What is wrong with the file; empty if nothing is. Parents may have been trained again since it was written."""
    try:
        with open_plain(folder.folder / "spec.json", follow=False) as file:
            content = file.read()
    except FileNotFoundError:
        return "is missing"
    if right is not None:
        return unlike(content, replace(right, parents=()))
    try:
        spec = BatchSpec.from_json(content.decode())
    except NONSENSE as error:
        return f"is damaged: {one_line(error, 120)}"
    return "" if (spec.batch, spec.job) == (batch, job) else "is that of another batch"
