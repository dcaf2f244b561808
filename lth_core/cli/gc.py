"""`lth gc`: list the files of a workspace that are no longer needed, or remove them."""

import contextlib
from collections import defaultdict
from pathlib import Path

from lth_core.cli.console import make_console
from lth_core.engine.lease import owned
from lth_core.store.database import Database
from lth_core.store.refusal import Refused
from lth_core.store.workspace import Workspace
from lth_core.upkeep import garbage
from lth_core.upkeep.garbage import Garbage


def gc(folder: Path, *, yes: bool, cancelled: bool) -> None:
    """Print what can be removed, by reason; remove it if `yes`. Raises InputError if an engine is running."""
    console = make_console()
    workspace = Workspace(folder)
    found = _removed(workspace, cancelled) if yes else _found(workspace, cancelled)
    reasons: dict[str, list[int]] = defaultdict(list)
    for one in found:
        reasons[one.why].append(one.bytes)
    for why, sizes in sorted(reasons.items()):
        console.print(f"{sum(sizes) / 1e6:>10,.1f} MB  {len(sizes):>6,} files  {why}", markup=False, highlight=False)
    total = f"{sum(one.bytes for one in found) / 1e6:,.1f} MB"
    told = f"{total} freed" if yes else f"{total} would be freed; --yes removes these files"
    console.print(told if found else "nothing to free: all files are needed", highlight=False)


def _found(workspace: Workspace, cancelled: bool) -> list[Garbage]:
    with contextlib.closing(Database(workspace.database, writer=False)) as database:
        return garbage.find(workspace, database, cancelled=cancelled)


def _removed(workspace: Workspace, cancelled: bool) -> list[Garbage]:
    """Remove what is found; the workspace is completed and locked only if it has a database."""
    try:
        Database(workspace.database, writer=False).close()
    except Refused as refused:
        if refused.kind != "full":  # writing releases the disk reserve
            raise
    with owned(workspace, "remove"), contextlib.closing(Database(workspace.database, writer=True)) as database:
        found = garbage.find(workspace, database, cancelled=cancelled)
        garbage.remove(workspace, database, found)
    return found
