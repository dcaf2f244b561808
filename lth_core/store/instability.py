"""Results of `lth inspect --instability`, stored for the report, because they take trainings to compute again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lth_core.store.tensors import write_atomically
from lth_core.store.workspace import Workspace


def write(workspace: Workspace, job: int, identity: str, answer: Mapping[str, Any]) -> None:
    """Store the newest answer of a job."""
    path = _path(workspace, job)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, json.dumps({"identity": identity, **answer}).encode())


def read(workspace: Workspace, job: int, identity: str) -> dict[str, Any] | None:
    """The stored answer if it belongs to exactly this experiment, else None."""
    try:
        found: dict[str, Any] = json.loads(_path(workspace, job).read_text())
        rows = [
            {**{name: int(row[name]) for name in ("round", "point", "seed")}, "scores": [*map(float, row["scores"])]}
            for row in found["rows"]
        ]
        answer = {"rows": rows, "metric": str(found["metric"]), "higher": bool(found["higher"])}
        return answer if found["identity"] == identity else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _path(workspace: Workspace, job: int) -> Path:
    return workspace.folder / "instability" / f"{job:06d}.json"
