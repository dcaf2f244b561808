"""Smoke matrix: every arm under every scope trains one round through an attempt, and every audit passes."""

import json
from pathlib import Path
from typing import Any

import pytest

from lth_core.batches.batch import BatchFolder, BatchSpec, ParentSpec, TrialSpec
from lth_core.batches.exit_codes import DONE
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey, network_of, parents, shares_network
from lth_core.store.records import RecordReader
from lth_core.store.workspace import Workspace
from lth_core.tickets import derive
from lth_core.worker.attempt import Attempt
from tests.small import ARMS, experiment


class Batches:
    """Runs rounds as the engine does: a batch a round, parents by path and checksum."""

    def __init__(self, folder: Path, settings: Experiment) -> None:
        self.workspace, self.settings = Workspace(folder), settings
        self.workspace.create()
        self.results: dict[TrialKey, dict[str, Any]] = {}
        self.audits: dict[TrialKey, dict[str, bool]] = {}
        self.failures: dict[TrialKey, str] = {}
        self._numbers: dict[int, TrialKey] = {}
        self._batch = 0

    def specified(self, keys: list[TrialKey]) -> BatchSpec:
        """These trials as the next batch."""
        self._batch += 1
        specs = []
        for key in keys:
            self._numbers[len(self._numbers) + 1] = key
            specs.append(TrialSpec(len(self._numbers), key))
        needed = {p for k in keys if k.round for p in parents(self.settings, k.arm, k.round, k.seed)}
        return BatchSpec(
            self._batch, 1, self.settings, tuple(specs),
            tuple(ParentSpec(7, p, self.results[p]["tensors"], self.results[p]["sha256"]) for p in sorted(needed)),
            str(self.workspace.tensorboard(1, self.settings.name).relative_to(self.workspace.folder)),
        )  # fmt: skip

    def run(self, keys: list[TrialKey]) -> None:
        spec = self.specified(keys)
        folder = BatchFolder(self.workspace.batch(spec.batch))
        folder.complete(spec)
        attempt = folder.begin(1)
        running = Attempt(self.workspace, spec, 1, "cpu", lambda: False)
        try:
            assert running.run() == DONE
        finally:
            running.close()
        self.read(attempt)

    def read(self, attempt: Path) -> None:
        """What an attempt has recorded."""
        for record in RecordReader(attempt / "records.jsonl").read(0)[0]:
            key = self._numbers[record["trial"]]
            if record["kind"] == "done":
                self.results[key] = record
            elif record["kind"] == "audit":
                found = self.audits.setdefault(key, {})
                found |= {f"{record['moment']} {name}": passed for name, passed, _ in record["checks"]}
            elif record["kind"] == "failed":
                self.failures[key] = record["error"]


def dense(settings: Experiment) -> list[TrialKey]:
    return [TrialKey(0, "dense", seed) for seed in settings.seeds]


@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_every_built_in_arm_trains_a_round_and_passes_all_audits(scope: str, tmp_path: Path) -> None:
    arms = [*ARMS, "dense_rewound"]
    settings = experiment(
        arms=arms,
        pruning={"scope": scope, "rounds": 1},
        rewinding={"weights": 128},
        training={"learning_rate_schedule": "linear"},
    )
    batches = Batches(tmp_path, settings)
    batches.run(dense(settings))
    keys = [TrialKey(1, arm, seed) for arm in arms for seed in settings.seeds]
    for network in ("", "smaller", "wider 2"):
        batches.run([key for key in keys if network_of(settings, key.arm) == network])
    assert not batches.failures
    assert set(batches.results) == {*dense(settings), *keys}
    for key in keys:
        passed = batches.audits[key]
        assert all(passed.values()), (key, passed)
        of_mask = "before mask_source" if settings.arm_named(key.arm).from_start else "before nested"
        own = {"before density", of_mask} if shares_network(settings, key.arm) else {"before parameters"}
        assert own | {"before start_weights", "after dead_weights", "after finite"} <= passed.keys()
        assert "after dead_mean" in passed
        assert "after dead_square" in passed
        assert (tmp_path / batches.results[key]["tensors"]).is_file()
    assert len({batches.results[key]["sha256"] for key in keys}) >= len(keys) - 2 * 2  # one_shot is winning in round 1


@pytest.mark.parametrize("criterion", ["magnitude_init", "magnitude_increase", "movement", "random", "inverse"])
def test_every_criterion_trains_two_rounds_and_passes_all_audits(criterion: str, tmp_path: Path) -> None:
    settings = experiment(
        arms=["winning", "winning_init" if criterion == "magnitude_init" else "one_shot", "random"],
        seeds=[0],
        rewinding={"weights": 128},
        pruning={"scope": "erk", "rounds": 2, "criterion": criterion},
    )
    batches = Batches(tmp_path, settings)
    batches.run(dense(settings))
    for round in (1, 2):
        batches.run([TrialKey(round, arm, 0) for arm in settings.arms])
    assert not batches.failures
    assert all(all(passed.values()) for passed in batches.audits.values())
    assert len(batches.results) == 7


@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_two_rounds_with_rewound_optimizer_relu_rmsprop_and_games(scope: str, tmp_path: Path) -> None:
    settings = experiment(
        arms=["winning", "one_shot", "random", "shuffled_weights"],
        seeds=[7],
        model={"hidden": [8, 8], "activation": "relu", "initialisation": "orthogonal"},
        pruning={"scope": scope, "rounds": 2, "keep": ["biases", "value_head"]},
        rewinding={"weights": 4, "schedule": "rewind", "optimizer": "rewind", "prune_from": 12},
        training={"optimizer": "rmsprop", "unit": "games", "length": 16, "max_gradient_norm": 0.5},
    )
    batches = Batches(tmp_path, settings)
    batches.run(dense(settings))
    for round in (1, 2):
        batches.run([TrialKey(round, arm, 7) for arm in settings.arms])
    assert not batches.failures
    assert all(all(passed.values()) for passed in batches.audits.values())
    assert len(batches.results) == 9


def test_a_failed_audit_fails_its_trial_alone_and_trains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = experiment(arms=["winning", "shuffled_mask"], pruning={"rounds": 1}, seeds=[0])
    batches = Batches(tmp_path, settings)
    batches.run(dense(settings))
    monkeypatch.setattr(derive, "permuted", lambda mask, order: mask)
    keys = [TrialKey(1, "winning", 0), TrialKey(1, "shuffled_mask", 0)]
    batches.run(keys)
    assert set(batches.failures) == {keys[1]}
    assert "mask differs in 0 entries" in batches.failures[keys[1]]
    assert keys[0] in batches.results
    assert keys[1] not in batches.results
    records = (tmp_path / "batches/000002/attempt-1/records.jsonl").read_text().splitlines()
    kinds = [json.loads(r)["kind"] for r in records if json.loads(r)["trial"] == 3]
    assert set(kinds) == {"layers", "audit", "failed"}


def test_a_parent_whose_file_has_changed_fails_its_children_and_is_named(tmp_path: Path) -> None:
    settings = experiment(arms=["winning"], pruning={"rounds": 1}, seeds=[0])
    batches = Batches(tmp_path, settings)
    batches.run(dense(settings))
    path = tmp_path / batches.results[TrialKey(0, "dense", 0)]["tensors"]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    child = TrialKey(1, "winning", 0)
    batches.run([child])
    assert "dense round 0 seed 0" in batches.failures[child]
    assert "checksum" in batches.failures[child]
    records = (tmp_path / "batches/000002/attempt-1/records.jsonl").read_text().splitlines()
    assert [json.loads(r)["damaged"] for r in records if "damaged" in r] == [[7]]


def test_a_network_of_which_all_is_kept_is_refused_before_it_is_trained(tmp_path: Path) -> None:
    settings = experiment(pruning={"keep": ["first_layer", "policy_head", "value_head"]})  # with one hidden layer
    with pytest.raises(InputError, match=r"^pruning\.keep .* leaves nothing of this network to prune"):
        Batches(tmp_path, settings).run(dense(settings))
