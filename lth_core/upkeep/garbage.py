"""Finds and removes files of a workspace that nothing needs any more. What a trial or a report names stays.

A ticket is derived from its trial's file and its seed's dense run, so the file of every finished trial stays, in all
rounds and arms. Removed are: checkpoints that no batch continues from, tensor files that no trial names, files set
aside as damaged or foreign, and on request the tensors of cancelled jobs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lth_core.store.batches import batch_states
from lth_core.store.database import Database
from lth_core.store.trials import forget_result, named_files
from lth_core.store.workspace import Workspace

_ASIDE = re.compile(r"\d{6,12}\.aside-\d+")
_BATCH = re.compile(r"\d{6,12}")
_CHECKPOINT = re.compile(r"(step-\d{12}|log-\d{12}-\d{12})\.[0-9a-f]{64}\.safetensors(\.damaged|\.unfit)?")
_TENSORS = re.compile(r"trial-\d+\.safetensors")


@dataclass(frozen=True)
class Garbage:
    """A file that can be removed, its bytes, and why. trial: the trial of a cancelled job that loses its result."""

    path: Path
    bytes: int
    why: str
    trial: int | None = None


def find(workspace: Workspace, database: Database, *, cancelled: bool) -> list[Garbage]:
    """All files that can be removed, sorted by path; never a link, or a file outside the workspace."""
    found = []
    for path, why, trial in _candidates(workspace, named_files(database), batch_states(database), cancelled):
        plain = path.resolve() == workspace.folder.resolve() / path.relative_to(workspace.folder)  # no link on the way
        if plain and path.is_file():
            found.append(Garbage(path, path.stat().st_size, why, trial))
    return sorted(found, key=lambda one: one.path)


def _candidates(
    workspace: Workspace, named: dict[str, tuple[int, str]], states: dict[int, str], cancelled: bool
) -> Iterator[tuple[Path, str, int | None]]:
    for folder in workspace.batches.iterdir() if workspace.batches.is_dir() else ():
        if folder.is_symlink() or not folder.is_dir():
            continue
        if _ASIDE.fullmatch(folder.name):
            for path in folder.rglob("*"):
                yield path, "belongs to a database that no longer exists", None
        elif _BATCH.fullmatch(folder.name) and int(folder.name) in states:
            goes_on = states[int(folder.name)] in ("pending", "running")
            for path in folder.glob("attempt-*/*"):
                yield from _of_an_attempt(workspace, path, named, goes_on, cancelled)
    for path in workspace.folder.glob("workspace.sqlite*.damaged-*"):
        yield path, "a damaged database that was rebuilt", None
    for path in workspace.folder.glob("workspace.sqlite.remade*"):
        yield path, "a database that was not completed", None


def _of_an_attempt(
    workspace: Workspace, path: Path, named: dict[str, tuple[int, str]], goes_on: bool, cancelled: bool
) -> Iterator[tuple[Path, str, int | None]]:
    if _CHECKPOINT.fullmatch(path.name):
        if path.name.endswith(".damaged"):
            yield path, "a damaged checkpoint", None
        elif path.name.endswith(".unfit"):
            yield path, "a checkpoint whose records are incomplete", None
        elif not goes_on:
            yield path, "a checkpoint of a batch that is over", None
    elif _TENSORS.fullmatch(path.name):
        row = named.get(str(path.relative_to(workspace.folder)))
        if row is None and not goes_on:
            yield path, "tensors that no trial names", None
        elif row is not None and cancelled and row[1] == "cancelled":
            yield path, "tensors of a cancelled job", row[0]


def remove(workspace: Workspace, database: Database, garbage: list[Garbage]) -> int:
    """Remove these files; returns the bytes freed. A trial of a cancelled job loses its result before its file."""
    with database.transaction() as connection:
        for trial in (one.trial for one in garbage if one.trial is not None):
            forget_result(connection, trial)
    for one in garbage:
        one.path.unlink(missing_ok=True)
    for folder in sorted(workspace.batches.glob("*.aside-*/**"), reverse=True):
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()
    return sum(one.bytes for one in garbage)
