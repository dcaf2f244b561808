"""Removes deleted jobs for good: their rows, then their folders. For a day they can be restored."""

import shutil
import time

from lth_core.store.database import Database
from lth_core.store.jobs import purge_deleted
from lth_core.store.workspace import Workspace

KEPT = 86_400.0
"""Seconds for which a deleted job can be restored."""


def purge(workspace: Workspace, database: Database) -> None:
    """Remove jobs that were deleted more than a day ago; called when an engine starts."""
    with database.transaction() as connection:
        jobs, batches = purge_deleted(connection, time.time() - KEPT)
    for batch in batches:
        shutil.rmtree(workspace.batch(batch), ignore_errors=True)
    for job in jobs:
        for folder in (workspace.folder / "tensorboard").glob(f"{job:04d}-*"):
            shutil.rmtree(folder, ignore_errors=True)
