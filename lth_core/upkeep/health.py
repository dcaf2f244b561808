"""Checks a workspace and the machine, and repairs what can be repaired. Prints nothing."""

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Literal

from lth_core.batches.provenance import provenance
from lth_core.engine.slots import find_slots
from lth_core.errors import InputError
from lth_core.store import soundness
from lth_core.store.database import Database, on_network_filesystem
from lth_core.store.events import add_event
from lth_core.store.refusal import Refused, refusal
from lth_core.store.schema import lacking
from lth_core.store.tensors import file_sha256, sync_folder
from lth_core.store.trials import fail_trial
from lth_core.store.workspace import Workspace
from lth_core.text import one_line, plural
from lth_core.upkeep.rebuild import Rebuilt, rebuild
from lth_core.upkeep.rebuild_specs import how_to_read, set_aside
from lth_core.upkeep.specifications import damaged
from lth_core.upkeep.witnesses import compare

SHOWN = 20
"""The most findings of a kind that are shown one by one."""
LITTLE = 1_000_000_000
"""Bytes of free disk below which this is a warning."""


@dataclass(frozen=True)
class Finding:
    """The result of one check, as a sentence."""

    what: str
    state: Literal["good", "note", "bad"]
    sentence: str
    repairable: bool = False
    """Whether `--repair` can repair it."""


_OPTIONAL = {"datasets"}
"""Optional packages."""


def machine() -> Iterator[Finding]:
    """Versions, devices, environments and data that experiments can use here."""
    facts = provenance("", [])
    packages = {name: version for name, version in facts["packages"].items() if version or name not in _OPTIONAL}
    versions = ", ".join(f"{name} {version or 'missing'}" for name, version in packages.items())
    missing = [name for name, version in packages.items() if version is None]
    yield Finding("versions", "bad" if missing else "good", f"lth {facts['lth']}, Python {facts['python']}, {versions}")
    try:
        slots = find_slots()
        devices = ", ".join(dict.fromkeys(slot.device for slot in slots))
        yield Finding("devices", "good", f"{devices}: {plural(len(slots), 'slot')} by default")
    except InputError as error:
        yield Finding("devices", "bad", str(error))
    yield _roms()
    extras = {"Box2D": "Box2D", "mujoco": "MuJoCo", "datasets": "data sets from a hub"}
    for module, what in extras.items():
        there = util.find_spec(module) is not None
        yield Finding("extras", "good" if there else "note", f"{what}: {'installed' if there else 'not installed'}")
    text = _built_in_text()
    yield Finding("datasets", "good" if text else "note", f"built-in text: {'available' if text else 'missing'}")


def _built_in_text() -> bool:
    try:
        return util.find_spec("pydoc_data.topics") is not None
    except ModuleNotFoundError:  # some systems have pydoc_data in a package of its own
        return False


def _roms() -> Finding:
    found = util.find_spec("ale_py")
    folder = None if found is None or found.origin is None else Path(found.origin).with_name("roms")
    count = len(list(folder.glob("*.bin"))) if folder is not None and folder.is_dir() else 0
    return Finding("ROMs", "good" if count else "note", f"{count} Atari games" if count else "none: pip install ale-py")


def disk(workspace: Workspace) -> Finding:
    """Free space on the disk."""
    free = shutil.disk_usage(workspace.folder).free
    kind = ", a network filesystem: slower, but safe" if on_network_filesystem(workspace.folder) else ""
    return Finding("disk", "good" if free > LITTLE else "note", f"{free / 1e9:,.1f} GB free{kind}")


def database(workspace: Workspace) -> Iterator[Finding]:
    """Whether the database can be read and is consistent."""
    opened = None
    try:
        opened = Database(workspace.database, writer=False)
        if broken := _broken(opened):
            yield Finding("database", "bad", broken, repairable=True)
            return
        count = soundness.counts(opened)
        yield Finding("database", "good", f"intact; {plural(count[0], 'job')}, {plural(count[1], 'point')} of curves")
        yield from _tensors(workspace, opened)
        if aside := set_aside(workspace):
            yield Finding("set aside", "note", how_to_read(aside, workspace))
        yield from _specifications(workspace, opened)
        yield from _witnesses(workspace, opened)
    except Refused as refused:
        if refused.kind == "older":
            said = "written by an older version: the next run, or --repair, copies it, then updates it"
            yield Finding("database", "note", said)
        else:
            yield Finding("database", "bad", str(refused), repairable=refused.lost)
    except sqlite3.DatabaseError as error:
        found = refusal(workspace.database, error)
        yield Finding("database", "bad", str(found), repairable=found.lost)
    finally:
        if opened is not None:
            opened.close()


def lost(workspace: Workspace) -> bool:
    """Whether the database must be rebuilt. One of an older version is migrated to find out.

    Raises Refused if that cannot be told: a newer, locked or unreadable database may be undamaged.
    """
    try:
        with contextlib.closing(_up_to_date(workspace)) as opened:
            return bool(_broken(opened))
    except sqlite3.DatabaseError as error:
        found = refusal(workspace.database, error)
    except Refused as refused:
        found = refused
    if found.lost:
        return True
    raise found


def _up_to_date(workspace: Workspace) -> Database:
    try:
        return Database(workspace.database, writer=False)
    except Refused as refused:
        if refused.kind != "older":
            raise
    return Database(workspace.database, writer=True)


def _broken(opened: Database) -> str:
    """What is damaged in a database that could be opened; empty if nothing is."""
    if said := soundness.damage(opened):
        return one_line("; ".join(said))
    if missing := sorted(lacking(opened.connection)):
        return f"{plural(len(missing), 'column')} missing, such as {missing[0]}"
    orphans = soundness.orphans(opened)
    return f"{plural(orphans, 'row')} without a parent row" if orphans else ""


def _tensors(workspace: Workspace, opened: Database) -> Iterator[Finding]:
    """Whether the files of finished trials match their checksums."""
    lost = damaged_trials(workspace, opened)
    count = soundness.trial_counts(opened)[2]
    yield from _bad("tensors", [(sentence, True) for _, sentence in lost])
    if not lost:
        yield Finding("tensors", "good", f"{count:,} files match their checksums")


def _bad(about: str, found: Sequence[tuple[str, bool]]) -> Iterator[Finding]:
    """A finding for each (sentence, whether it can be repaired); from SHOWN on, how many more there are."""
    for sentence, repairable in found[:SHOWN]:
        yield Finding(about, "bad", sentence, repairable=repairable)
    if rest := found[SHOWN:]:
        yield Finding(about, "bad", f"and {len(rest)} more", repairable=any(repairable for _, repairable in rest))


def _specifications(workspace: Workspace, opened: Database) -> Iterator[Finding]:
    """Whether batches have the specifications that the engine wrote."""
    yield from _bad("batches", [(one.sentence, one.right is not None) for one in damaged(workspace, opened)])


def _witnesses(workspace: Workspace, opened: Database) -> Iterator[Finding]:
    """Whether database, records and TensorBoard's files agree."""
    odd = list(compare(workspace, opened))
    yield from _bad("results", [(one.sentence, one.wrong is not None) for one in odd])
    if not odd:
        count, old, _ = soundness.trial_counts(opened)
        earlier = f"; {old:,.0f} were written by an earlier version, without a digest" * (old > 0)
        yield Finding("results", "good", f"{count:,} trials agree between database, records and TensorBoard{earlier}")


def damaged_trials(workspace: Workspace, opened: Database) -> list[tuple[int, str]]:
    """Finished trials whose file is missing or changed, with a sentence each."""
    found = []
    for row in soundness.finished_files(opened):
        name = f"job {row['job']}: {one_line(row['arm'], 80)} round {row['round']} seed {row['seed']}"
        try:
            path = workspace.inside(row["tensors"] or "")
            if file_sha256(path) != row["sha256"]:
                found.append((row["id"], f"{name}: its file has changed since it was written"))
        except (OSError, ValueError) as error:
            found.append((row["id"], f"{name}: {one_line(error, 120)}"))
    return found


def fail_damaged(workspace: Workspace, opened: Database) -> int:
    """Mark finished trials with damaged files as failed, so that a retry trains them again; returns how many."""
    damaged = damaged_trials(workspace, opened)
    with opened.transaction() as connection:
        for trial, sentence in damaged:
            fail_trial(connection, trial, "its file is damaged; retry trains it again")
            error = "files of finished trials are damaged; retry trains them again"
            job = soundness.fail_finished_job(connection, trial, error)
            add_event(connection, "damaged", sentence, job, trial)
    return len(damaged)


def remake_database(workspace: Workspace) -> Rebuilt:
    """Rebuild a lost database from the files beside it, then set the old one aside, if there is one.

    Raises InputError, and changes nothing, if the new one cannot be completed.
    """
    made = workspace.remade
    try:
        _forget(made)
        found = _rebuilt(workspace, made[0])
        _swap(workspace, made[0])
        return found
    except OSError as error:
        said = f"the database cannot be rebuilt: {one_line(error)}"
        raise InputError(f"workspace {one_line(workspace.folder)}: {said}") from None
    finally:
        with contextlib.suppress(OSError):
            _forget(made)


def _rebuilt(workspace: Workspace, path: Path) -> Rebuilt:
    with contextlib.closing(Database(path, writer=True, remaking=True)) as opened:
        try:
            found = rebuild(workspace, opened)
            soundness.put_into_one_file(opened)
        except sqlite3.DatabaseError as error:
            raise refusal(path, error) from None
    return found


def _swap(workspace: Workspace, made: Path) -> None:
    """Set the old database aside and put the new one in its place; if that fails, do neither."""
    aside = f".damaged-{time.time_ns()}"
    moved = []
    try:
        for path in workspace.database_files:
            if path.exists():
                moved.append((path.rename(path.with_name(path.name + aside)), path))
        made.rename(workspace.database)
    except OSError:
        for there, path in moved:
            there.rename(path)
        raise
    sync_folder(workspace.folder)


def _forget(paths: tuple[Path, ...]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
