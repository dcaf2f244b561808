"""`lth gc`: show what a workspace holds that nothing needs any more, and remove it where that is asked for."""

from collections import defaultdict
from pathlib import Path

from lth_core.cli.console import make_console
from lth_core.engine import garbage
from lth_core.engine.lease import owned
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace


def gc(folder: Path, *, yes: bool, cancelled: bool) -> None:
    """Print what can go, by reason; with `yes` remove it. InputError where an engine is at work."""
    console = make_console()
    workspace = Workspace(folder)
    database = Database(workspace.database, writer=False)
    if yes:
        database.close()  # it was there: only then is a workspace made whole and owned
        with owned(workspace, "remove"):
            database = Database(workspace.database, writer=True)
            found = garbage.find(workspace, database, cancelled=cancelled)
            garbage.remove(workspace, database, found)
    else:
        found = garbage.find(workspace, database, cancelled=cancelled)
    database.close()
    reasons: dict[str, list[int]] = defaultdict(list)
    for one in found:
        reasons[one.why].append(one.bytes)
    for why, sizes in sorted(reasons.items()):
        console.print(f"{sum(sizes) / 1e6:>10,.1f} MB  {len(sizes):>6,} files  {why}", markup=False, highlight=False)
    total = f"{sum(one.bytes for one in found) / 1e6:,.1f} MB"
    console.print(f"{total} freed" if yes else f"{total} would be freed; --yes removes them", highlight=False)
