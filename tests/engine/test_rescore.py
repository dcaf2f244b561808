"""Stored tickets evaluated again have their scores, and what does not follow from stored weights is found."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lth_core.batches.batch import BatchSpec, ParentSpec, TrialSpec
from lth_core.batches.provenance import attempt_facts
from lth_core.engine.stored import stored_spec
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.experiment.ticket_files import OBSERVATIONS
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from lth_core.tasks import trained_on
from lth_core.training.families import make_model
from lth_core.upkeep import rescore
from lth_core.upkeep.health import Finding
from lth_core.worker import rescore as worker_rescore
from lth_core.worker.assemble import Assembler
from lth_core.worker.rescore import rescored
from lth_core.worker.ticket_export import export
from tests.once import copied
from tests.small import experiment
from tests.training.test_every_arm import Batches, dense
from tests.training.test_language import settings as language

pytestmark = pytest.mark.filterwarnings("ignore:.*out of date:DeprecationWarning")
AVERAGED = {"length": 6, "batch": 4, "learning_rate": 0.1, "record_every": 3, "average": 3, "average_every": 2}
PPO = {"algorithm": "ppo", "n_steps": 32, "minibatches": 4, "length": 1_000}


def of_kind(kind: str, folder: Path) -> Experiment:
    if kind == "averaged":
        return language(folder, arms=["winning"], training=AVERAGED, pruning={"rounds": 1})
    fields = {"task": {"environment": "Pendulum-v1"}, "training": PPO} if kind == "ppo" else {}
    return experiment(arms=["winning", "small_dense"], pruning={"rounds": 1}, seeds=[0], **fields)


@pytest.mark.parametrize("kind", ["a2c", "ppo", "averaged"])
def test_what_was_scored_is_what_is_stored(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))
    settings = of_kind(kind, tmp_path)
    batches = Batches(tmp_path / "w", settings)
    batches.run(dense(settings))
    for arm in settings.arms:
        batches.run([TrialKey(1, arm, 0)])
    found = batches.results
    spec = BatchSpec(
        0, 1, settings, tuple(TrialSpec(record["trial"], key) for key, record in found.items()),
        tuple(ParentSpec(one["trial"], key, one["tensors"], one["sha256"]) for key, one in found.items()), "",
    )  # fmt: skip
    trial = spec.trials[0]
    assembler = Assembler(batches.workspace, spec, make_model(settings))
    export(assembler, trial, tmp_path / "ticket")
    stored = assembler.family(0).dense
    if kind == "ppo":
        assert stored.statistics is not None
        assert torch.equal(load_file(tmp_path / "ticket" / OBSERVATIONS)["mean"], stored.statistics["mean"])
    else:
        assert not (tmp_path / "ticket" / OBSERVATIONS).exists()
    if kind == "averaged":
        written = load_file(tmp_path / "ticket" / "trained.safetensors")
        assert stored.scored is not None
        assert all(torch.equal(written[name], weight) for name, weight in stored.scored.items())
        assert not torch.equal(written["output.weight"], stored.final["output.weight"])
    again = dict(rescored(batches.workspace, spec))
    assert again and {trial: values[settings.score] for trial, values in again.items()} == {
        record["trial"]: record["score"] for record in found.values()
    }


def _ran_with(monkeypatch: pytest.MonkeyPatch, **facts: str) -> None:
    """From now on these are facts of all attempts."""
    runs = rescore.attempts.runs
    changed = lambda *of: [replace(run, facts={**run.facts, **facts}) for run in runs(*of)]  # noqa: E731
    monkeypatch.setattr(rescore.attempts, "runs", changed)


@pytest.fixture
def workspace(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    def apart(_module: str, folder: str, **message: Any) -> dict[str, Any]:
        found = dict(rescored(Workspace(Path(folder)), BatchSpec.from_json(message["spec"])))
        return {"found": {str(trial): values for trial, values in found.items()}, "facts": attempt_facts("here", 1)}

    monkeypatch.setattr(rescore, "run_apart", apart)
    _ran_with(monkeypatch, device="here", threads="1 thread")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Workspace(copied(trained / "workspace", tmp_path / "workspace"))
    torch.set_num_threads(threads)


def _found(workspace: Workspace, count: int) -> list[Finding]:
    database = Database(workspace.database, writer=True)
    try:
        return list(rescore.rescore(workspace, database, count))
    finally:
        database.close()


def test_a_workspace_that_is_sound_has_equal_scores(workspace: Workspace) -> None:
    (finding,) = _found(workspace, 3)
    assert finding.state == "good"
    assert finding.sentence == "job 1: 3 tickets evaluated again, equal to the last bit"


@pytest.mark.parametrize("facts", [{"torch": "torch 2.6.0"}, {"device": "NVIDIA H200"}])
def test_last_bits_may_differ_with_another_device_or_version(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, facts: dict[str, str]
) -> None:
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        connection.execute("UPDATE trials SET score = score + 1e-9 WHERE arm = 'dense' AND seed = 0")
    count = len(views.trials(database, 1))
    database.close()
    _ran_with(monkeypatch, **facts)
    (finding,) = _found(workspace, count)
    assert finding.state == "good" and "trained on another device or with other versions" in finding.sentence


def test_a_score_that_is_not_of_the_stored_weights_is_found(workspace: Workspace) -> None:
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        connection.execute("UPDATE trials SET score = score + 1e-9 WHERE arm = 'dense' AND seed = 0")
    count = len(views.trials(database, 1))
    experiment = json.loads(next(iter(database.rows("SELECT experiment FROM jobs")))["experiment"])
    database.close()
    bad, good = _found(workspace, count)
    assert (bad.state, good.state) == ("bad", "good")
    assert bad.sentence.startswith("job 1, dense round 0 seed 0: return/eval-sampled was ")
    # What training episodes scored cannot be evaluated again, but the evaluation beside it can.
    experiment["training"]["score"] = "training"
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        connection.execute("UPDATE jobs SET experiment = ?", (json.dumps(experiment),))
    database.close()
    (good,) = _found(workspace, count)
    assert good.state == "good"


def test_versions_that_the_task_adds_are_compared_too(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(workspace.database, writer=True)
    (job,), (trial, *_) = views.jobs(database), views.trials(database, 1)
    spec = stored_spec(database, 1, job.experiment, [trial.key])
    database.close()
    monkeypatch.setattr(trained_on, "versions", lambda task, model: {"box2d": "2.3"})
    monkeypatch.setattr(sys, "argv", ["rescore", str(workspace.folder)])
    answer = worker_rescore.act({"spec": spec.to_json(), "threads": torch.get_num_threads()})
    assert answer["facts"]["packages"]["box2d"] == "2.3" and answer["found"][trial.id]
