"""What a batch's folder says is never trusted: its specification is the database's, whatever happened to the file."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lth_core.batches.batch import BatchFolder, BatchSpec, DamagedSpec, ParentSpec, TrialSpec, read_exit
from lth_core.batches.exit_codes import TRANSIENT, code_of
from lth_core.batches.sealed import Unsound, checksum, sealed
from lth_core.engine.spec_check import unlike
from lth_core.engine.stored import batch_spec
from lth_core.errors import InputError
from lth_core.experiment.plan import TrialKey
from lth_core.settings.launcher import SlurmLauncher
from lth_core.store import attempts, views
from lth_core.store.batches import add_batch
from lth_core.store.database import Database
from lth_core.store.jobs import add_job
from lth_core.store.tensors import read_card
from lth_core.store.workspace import Workspace
from tests.engine.experiments import tiny
from tests.engine.test_engine import Running, running
from tests.faults.pairs.files import DAMAGE

SPEC = BatchSpec(
    3, 1, tiny(), (TrialSpec(5, TrialKey(1, "winning", 0)), TrialSpec(6, TrialKey(1, "winning", 1))),
    (ParentSpec(1, TrialKey(0, "dense", 0), "batches/000001/attempt-1/trial-1.safetensors", "ab" * 32),),
    "tensorboard/0001-tiny",
)  # fmt: skip


def test_no_bit_of_a_specification_changes_unseen() -> None:
    whole = SPEC.to_json().encode()
    for place in range(len(whole)):
        for bit in range(8):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            near = bytes(changed[max(0, place - 20) : place + 20])
            if said := unlike(bytes(changed), SPEC):
                assert re.search(DAMAGE, said), (near, said)
            else:
                assert BatchSpec.from_json(changed.decode()) == SPEC, near


def test_a_specification_of_an_earlier_version_has_no_checksum_and_is_read() -> None:
    fields = json.loads(SPEC.to_json())
    del fields["checksum"]
    assert BatchSpec.from_json(json.dumps(fields)) == SPEC and not unlike(json.dumps(fields).encode(), SPEC)


@pytest.mark.parametrize("file", ["{", "", json.dumps({"batch": 3}), SPEC.to_json().replace("0.9", "0.8"), None])
def test_a_worker_refuses_a_specification_that_it_was_not_told_of(tmp_path: Path, file: str | None) -> None:
    folder = BatchFolder(tmp_path)
    folder.complete(SPEC)
    assert folder.spec_of(SPEC.checksum) == SPEC
    with pytest.raises(DamagedSpec, match="not the one"):
        folder.spec_of("0" * 64)
    (tmp_path / "spec.json").unlink() if file is None else (tmp_path / "spec.json").write_text(file)
    with pytest.raises(DamagedSpec) as refused:
        folder.spec_of(SPEC.checksum)
    assert code_of(refused.value) == TRANSIENT, "the engine writes it again, and tries again"


def test_a_worker_takes_the_specification_of_an_engine_that_knows_fewer_fields(tmp_path: Path) -> None:
    fields = json.loads(SPEC.to_json())
    del fields["experiment"]["pruning"]["batches"]
    (tmp_path / "spec.json").write_text(json.dumps(sealed(fields)))
    assert BatchFolder(tmp_path).spec_of(checksum(fields)) == SPEC


def test_what_commands_change_is_no_damage(tmp_path: Path) -> None:
    moved = SPEC.experiment.model_copy(update={"launcher": SlurmLauncher()})
    for wanted in (
        BatchSpec(3, 1, SPEC.experiment, SPEC.trials[:1], SPEC.parents, SPEC.tensorboard),
        BatchSpec(3, 1, moved, SPEC.trials, SPEC.parents, SPEC.tensorboard),
    ):
        assert unlike(SPEC.to_json().encode(), wanted) == ""
    other = BatchSpec(3, 1, tiny(training={"learning_rate": 0.5}), SPEC.trials, (), SPEC.tensorboard)
    assert unlike(other.to_json().encode(), SPEC) == "had another experiment and parents"


def test_no_bit_of_a_last_word_changes_the_code_unseen(tmp_path: Path) -> None:
    BatchFolder(tmp_path).attempt(1).mkdir()
    BatchFolder(tmp_path).publish_exit(1, 85)
    path = tmp_path / "attempt-1" / "exit.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert (said := read_exit(path.parent)) is None or said.code == 85


def _events(r: Running, kind: str) -> list[str]:
    return [event.text for event in views.events(r.database) if event.kind == kind]


def _trained(folder: Path) -> set[Any]:
    cards = [read_card(path) or {} for path in folder.glob("batches/*/attempt-*/trial-*.safetensors")]
    return {card.get("experiment") for card in cards}


@pytest.mark.processes
def test_a_specification_that_changes_between_two_runs_is_the_databases_again(tmp_path: Path) -> None:
    experiment = tiny(seeds=2, pruning={"rounds": 1}, training={"length": 24_000, "checkpoint_every": 2_000})
    with running(tmp_path) as r:
        r.submit(experiment)
        r.until(lambda: bool(list(tmp_path.glob("batches/000001/attempt-1/step-*"))))
    path = tmp_path / "batches" / "000001" / "spec.json"
    spec = json.loads(path.read_text())
    spec["experiment"]["training"]["learning_rate"] *= 0.5
    del spec["checksum"]  # as an earlier version wrote it
    path.write_text(json.dumps(spec))
    with running(tmp_path, slots=2) as r:
        r.until_state(1, "done")
        assert _events(r, "specification") == [
            "batches/000001/spec.json had another experiment: written again from the database"
        ]
        ran = attempts.runs(r.database, 1)
        assert len(ran) > 2 and not attempts.changes(ran), "as many threads with two slots as with the one it began on"
    assert _trained(tmp_path) == {experiment.identity}


@pytest.mark.processes
def test_a_specification_that_changes_under_a_worker_is_refused_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = BatchFolder.begin

    def spoiled(self: BatchFolder, number: int) -> Path:
        if number == 1:
            path = self.folder / "spec.json"
            path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
        return begin(self, number)

    monkeypatch.setattr(BatchFolder, "begin", spoiled)
    experiment = tiny(seeds=1, pruning={"rounds": 1}, arms=["winning"])
    with running(tmp_path) as r:
        r.submit(experiment)
        r.until_state(1, "done")
        assert "its checksum does not match; trying again" in _events(r, "retry")[0]
        assert _events(r, "specification")[0].startswith("batches/000001/spec.json has changed since it was written")
    assert _trained(tmp_path) == {experiment.identity}


def test_unsound_is_said_in_words() -> None:
    with pytest.raises(Unsound, match="has changed since it was written: it holds 'chdcksum', which is no field of it"):
        BatchSpec.from_json(SPEC.to_json().replace("checksum", "chdcksum"))


@pytest.mark.parametrize(("change", "what"), [
    ("UPDATE jobs SET experiment = replace(experiment, '0.003', '0.001')", "another experiment"),
    ("UPDATE trials SET seed = 7 WHERE id = 1", "another trial"),
])  # fmt: skip
def test_nothing_is_trained_by_an_experiment_or_seed_that_the_disk_has_changed(
    tmp_path: Path, change: str, what: str
) -> None:
    database = Database(tmp_path / "w.sqlite", writer=True)
    with database.transaction() as connection:
        batch = add_batch(connection, add_job(connection, tiny(), "x.toml", {}), [1, 2])
    assert len(batch_spec(Workspace(tmp_path), database, batch).trials) == 2
    database.connection.execute(change)
    with pytest.raises(InputError, match=f"{what} than was queued; lth doctor --repair"):
        batch_spec(Workspace(tmp_path), database, batch)
    database.close()
