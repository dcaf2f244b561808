"""Trains stored trials again, in a process of its own (it imports torch), for `lth verify --trials`.

python -m lth_core.worker.train_again WORKSPACE < {"specs": [...], "device": "cpu", "threads": 1}

The batches are written into the workspace as an engine's would be, in this order, each with the results of those
before it as parents.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lth_core.batches.batch import BatchFolder, BatchSpec, ParentSpec
from lth_core.batches.processes import answer
from lth_core.batches.provenance import attempt_facts
from lth_core.errors import InputError
from lth_core.store.records import read_all
from lth_core.store.workspace import Workspace
from lth_core.tasks import contents
from lth_core.worker.attempt import Attempt
from lth_core.worker.device_name import device_name
from lth_core.worker.imported_tickets import check_ticket
from lth_core.worker.ran_with import with_versions


def act(message: dict[str, Any]) -> dict[str, Any]:
    """What was trained with. Records and tensors are in the batches' folders."""
    torch.set_num_threads(message["threads"])
    workspace = Workspace(Path(sys.argv[1]).absolute())
    facts = attempt_facts(device_name(torch.device(message["device"])), message["threads"])
    made: dict[int, tuple[str, str]] = {}
    for text in message["specs"]:
        spec = BatchSpec.from_json(text)
        spec = replace(spec, parents=tuple(_found(parent, made) for parent in spec.parents))
        contents.check(spec.experiment.task)
        contents.check(spec.experiment.model)
        check_ticket(spec.experiment)
        _train(workspace, spec, message["device"], facts)
        for record in read_all(workspace.batch(spec.batch) / "attempt-1" / "records.jsonl"):
            if record.get("kind") == "done":
                made[record["trial"]] = record["tensors"], record["sha256"]
    return {"facts": with_versions(facts, spec.experiment)}


def _found(parent: ParentSpec, made: dict[int, tuple[str, str]]) -> ParentSpec:
    """A parent that was trained here, if it was."""
    if parent.id not in made and not parent.path:
        raise InputError(f"{parent.key} was trained again and failed, so that nothing that builds on it can be")
    path, sha256 = made.get(parent.id, (parent.path, parent.sha256))
    return replace(parent, path=path, sha256=sha256)


def _train(workspace: Workspace, spec: BatchSpec, device: str, facts: dict[str, Any]) -> None:
    folder = BatchFolder(workspace.batch(spec.batch))
    folder.complete(spec)
    folder.begin(1)
    attempt = Attempt(workspace, spec, 1, device, lambda: False)
    try:
        attempt.ran_with(json.loads(json.dumps(facts)))
        attempt.run()
    finally:
        attempt.close()


if __name__ == "__main__":
    sys.exit(answer(act))
