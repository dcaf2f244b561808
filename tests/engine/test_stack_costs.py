"""What coming stacks cost: asked of a job's first dense batch, measured beside its training, told with its beats."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lth_core.batches.batch import BatchFolder, BatchSpec, TrialSpec
from lth_core.batches.request import Request
from lth_core.engine.disk import Space
from lth_core.engine.dispatch import Dispatcher
from lth_core.engine.intake import Intake, Patience
from lth_core.engine.launchers.both import Launchers
from lth_core.engine.slots import Slot
from lth_core.experiment.experiment import Experiment
from lth_core.store.batches import add_batch, begin_batch
from lth_core.store.database import Database
from lth_core.store.jobs import add_job
from lth_core.store.trials import ready_trials
from lth_core.store.workspace import Workspace
from lth_core.training.families import make_model
from lth_core.worker.attempt import Attempt
from lth_core.worker.stack_costs import StackCosts
from tests.engine.experiments import tiny

pytestmark = pytest.mark.processes
SLOTS = [Slot("cpu/0", "cpu", 1), Slot("cpu/1", "cpu", 1)]


def _requests(folder: Path, experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    workspace = Workspace(folder)
    workspace.create()
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        add_job(connection, experiment, "test", {})
    launchers = Launchers(workspace, SLOTS)
    asked: list[Request] = []
    monkeypatch.setattr(launchers, "submit", lambda _slot, request, _need: asked.append(request))
    Dispatcher(workspace, database, launchers, Patience()).start_batches()
    database.close()
    return asked


@pytest.mark.parametrize(
    ("fields", "coming"),
    [
        ({"seeds": 4}, [4, 0]),  # eight tickets on two slots
        ({"seeds": 4, "arms": ["winning"]}, [0, 0]),  # stacks as large as the dense ones
        ({"seeds": 4, "arms": ["winning", "wide_sparse"]}, [2, 0]),  # some with another network
        ({"seeds": 4, "task": {"kind": "language_model"}, "model": {"kind": "lstm"}}, [0, 0]),  # one by one
    ],
)
def test_the_first_dense_batch_is_asked_where_larger_stacks_are_to_come(
    tmp_path: Path, fields: dict[str, Any], coming: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "task" in fields:
        experiment = Experiment.from_fields({"name": "one", **fields, "seeds": [0, 1]})
    else:
        experiment = tiny("one", **fields)
    asked = _requests(tmp_path, experiment, monkeypatch)
    assert [request.coming for request in asked] == coming
    assert [Request.from_line(request.line()).coming for request in asked] == coming


def test_a_larger_stack_is_measured_beside_a_training_and_told_with_its_beats(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.create()
    database = Database(workspace.database, writer=True)
    experiment = tiny("one", seeds=2, arms=["winning", "wide_sparse"])
    with database.transaction() as connection:
        job = add_job(connection, experiment, "test", {})
        ready = ready_trials(connection, job)
        batch = add_batch(connection, job, [row["id"] for row in ready])
        attempt = begin_batch(connection, batch, "cpu/0")
    trials = tuple(TrialSpec(row["id"], key) for row, key in zip(ready, _keys(experiment), strict=True))
    spec = BatchSpec(batch, job, experiment, trials, (), "tensorboard/1", {})
    folder = BatchFolder(workspace.batch(batch))
    folder.folder.mkdir()
    folder.begin(attempt)
    running = Attempt(workspace, spec, attempt, "cpu", lambda: False, coming=8)
    running._before = 0.25
    running.beat(0.5, 10.0, 1.0)
    assert running._costs is None  # too short a training to be worth it
    running.beat(0.5, 10.0, 60.0)
    assert running._costs is not None
    running._costs._answer.poll(60)
    running.beat(0.6, 10.0, 60.0)
    told = json.loads((folder.attempt(attempt) / "beat.json").read_text())
    others = told["costs"].pop("networks")
    assert others.keys() == {"wider 2"} and others["wider 2"].keys() == {"1"} and others["wider 2"]["1"] > 0
    assert told["costs"].keys() == {"2", "8"} and all(cost > 0 for cost in told["costs"].values())
    told["costs"]["networks"] = others
    Intake(workspace, database, Space(tmp_path)).ingest(batch)
    row = database.row("SELECT fraction, whole, before, costs FROM batches")
    assert row is not None and (row["fraction"], row["whole"], row["before"], json.loads(row["costs"])) == (
        0.6,
        60.0,
        0.25,
        told["costs"],
    )
    running.close()
    database.close()


def _keys(experiment: Experiment) -> list[Any]:
    from lth_core.experiment.plan import plan

    return [trial.key for trial in plan(experiment)[:2]]


def test_a_measurement_that_fails_has_no_answer_and_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = tiny("one")
    monkeypatch.setattr("lth_core.worker.stack_costs.stack_of", lambda *_: 1 / 0)
    costs = StackCosts(experiment, make_model(experiment), {1, 8})
    assert costs._answer.poll(60)  # its end
    assert costs.found() == {}
    process = costs._process.pid
    costs.close()
    assert process is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
