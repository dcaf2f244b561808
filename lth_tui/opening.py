"""Opens a workspace in the workbench."""

import os
from pathlib import Path

from lth_core.store.workspace import Workspace
from lth_tui.app import Workbench
from lth_tui.engine_owner import EngineOwner


def workbench(
    folder: Path, *, view: bool, device: str = "auto", slots: int | None = None, read_only: bool = False
) -> Workbench:  # fmt: skip
    """The app of a workspace, which is created if missing; raises InputError if that fails.

    A folder that is not writable is shown read-only.
    """
    from lth_core.store.database import Database

    workspace = Workspace(folder)
    locked = workspace.database.exists() and not os.access(folder, os.W_OK)
    if read_only or locked:
        Database(workspace.database, writer=False).close()
        return Workbench(workspace, read_only=True, locked=locked)
    workspace.create()
    Database(workspace.database, writer=True).close()
    return Workbench(workspace, None if view else EngineOwner(workspace, device, slots))
