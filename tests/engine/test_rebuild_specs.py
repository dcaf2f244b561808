"""A lost database is made from specifications of which some make no sense, or contradict one another."""

import errno
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lth_core.cli.doctor import doctor
from lth_core.store.database import Database
from lth_core.store.records import read_all
from lth_core.store.workspace import Workspace
from lth_core.upkeep import health, rebuild
from tests.engine.experiments import change_records, digest, forget, tiny


def _put(workspace: Workspace, number: int, **fields: Any) -> None:
    """Change fields of a specification, or make one of those of batch 1, as an earlier version wrote them."""
    folder = workspace.batch(number)
    folder.mkdir(exist_ok=True)
    path = folder / "spec.json"
    old = json.loads((path if path.exists() else workspace.batch(1) / "spec.json").read_text())
    old.pop("checksum", None)
    path.write_text(json.dumps({**old, "batch": number, **fields}))


@pytest.mark.parametrize("value", ["x", [], {}, None, True, 0, -1, 1.5, 10**21, 2**63 - 1])
@pytest.mark.parametrize("field", ["job", "batch", "trials", "tensorboard", "experiment", "id", "round"])
def test_a_specification_with_any_value_is_left_out_and_said(workspace: Workspace, field: str, value: Any) -> None:
    last = max(int(path.name) for path in workspace.batches.iterdir())
    (trial, *rest) = json.loads((workspace.batch(last) / "spec.json").read_text())["trials"]
    within = field in ("id", "round")
    _put(workspace, last, **({"trials": [{**trial, field: value}, *rest]} if within else {field: value}))
    forget(workspace)
    found = health.remake_database(workspace)
    left_out = [sentence.split("/")[0] for sentence in found.unreadable]
    assert left_out == ([] if (field, value) == ("tensorboard", "x") else [f"{last:06d}"])
    assert found.jobs == 1 and found.done > 0


@pytest.mark.parametrize("how", [
    "a copy", "of another job", "other numbers", "another experiment", "before all", "a number twice", "a trial twice",
])  # fmt: skip
def test_a_specification_that_claims_finished_trials_takes_none_of_them(
    done: Path, workspace: Workspace, how: str
) -> None:
    spec = json.loads((workspace.batch(1) / "spec.json").read_text())
    del spec["checksum"]
    trials = spec["trials"]
    other = tiny(arms=["winning", "random"], seeds=4)
    changed: dict[str, dict[str, Any]] = {
        "a copy": {},
        "of another job": {"job": 2},
        "other numbers": {"trials": [{**trial, "id": trial["id"] + 100} for trial in trials]},
        "another experiment": {"experiment": json.loads(other.canonical())},
        "before all": {"trials": [{**trial, "id": trial["id"] + 1} for trial in trials]},
        "a number twice": {"trials": [trials[0], {**trials[1], "id": trials[0]["id"]}]},
        "a trial twice": {"trials": [trials[0], {**trials[0], "id": 50}]},
    }
    number = max(int(path.name) for path in workspace.batches.iterdir()) + 1
    if how == "before all":
        for path in sorted(workspace.batches.iterdir(), reverse=True):
            path.rename(workspace.batch(int(path.name) + 1))
            _put(workspace, int(path.name) + 1)
        for path in workspace.batches.glob("*/attempt-*/records.jsonl"):
            number = int(path.parent.parent.name)
            paths = {f"batches/{number - 1:06d}/": f"batches/{number:06d}/"}
            change_records(path, {**paths, f'"batch":{number - 1},': f'"batch":{number},'})
        workspace.batch(1).mkdir()
        (workspace.batch(1) / "spec.json").write_text(json.dumps({**spec, **changed[how]}))
    else:
        _put(workspace, number, **changed[how])
    forget(workspace)
    found = health.remake_database(workspace)
    assert found.done == 10 and len(found.unreadable) == (how != "a copy"), found
    assert digest(workspace.folder) == digest(done)
    database = Database(workspace.database, writer=False)
    assert {row[0] for row in database.rows("SELECT state FROM batches")} == {"done"}
    database.close()


def test_a_specification_whose_checksum_does_not_hold_is_left_out_and_one_without_is_said(workspace: Workspace) -> None:
    last = max(int(path.name) for path in workspace.batches.iterdir())
    path = workspace.batch(last) / "spec.json"
    path.write_text(path.read_text().replace('"learning_rate": 0', '"learning_rate": 1'))
    _put(workspace, 1)
    forget(workspace)
    found = health.remake_database(workspace)
    (said,) = found.unreadable
    assert said.startswith(f"{last:06d}/spec.json: has changed since it was written")
    assert found.unconfirmed.startswith("1 specification was written by an earlier version, without a checksum")


def test_a_retry_of_a_trial_whose_file_is_damaged_is_gone_on_with(workspace: Workspace) -> None:
    number = max(int(path.name) for path in workspace.batches.iterdir()) + 1
    _put(workspace, number)
    next(workspace.batch(1).glob("attempt-*/trial-*.safetensors")).write_bytes(b"damaged")
    forget(workspace)
    assert health.remake_database(workspace).done == 9
    database = Database(workspace.database, writer=False)
    assert [row[0] for row in database.rows("SELECT batch FROM trials WHERE state = 'waiting'")] == [number]
    database.close()


def test_a_batch_that_cannot_be_read_does_not_keep_the_others_from_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = max(int(path.name) for path in workspace.batches.iterdir())

    def read(path: Path) -> Iterator[dict[str, Any]]:
        if workspace.batch(last) in path.parents:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return read_all(path)

    monkeypatch.setattr(rebuild, "read_all", read)
    forget(workspace)
    found = health.remake_database(workspace)
    assert 0 < found.done < 10 and [sentence[:6] for sentence in found.unreadable] == [f"{last:06d}"]


def test_a_folder_in_the_place_of_records_is_as_if_there_were_none(workspace: Workspace) -> None:
    records = next(workspace.batch(1).glob("attempt-*/records.jsonl"))
    records.unlink()
    records.mkdir()
    forget(workspace)
    found = health.remake_database(workspace)
    assert found.done == 10 and found.from_tensorboard > 0 and not found.unreadable


def test_folders_that_were_set_aside_are_found(done: Path, workspace: Workspace) -> None:
    workspace.batch(1).rename(workspace.batches / "000001.aside-1")
    (workspace.batches / "000002.aside-1").mkdir()
    (workspace.batches / "000002.aside-1" / "spec.json").write_text("{}")
    forget(workspace)
    found = health.remake_database(workspace)
    assert [said.split(":")[0] for said in found.unreadable] == ["000002.aside-1"]
    assert digest(workspace.folder) == digest(done)


@pytest.mark.processes
def test_what_was_set_aside_and_has_lost_its_number_becomes_a_workspace_as_doctor_says(
    done: Path, workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of a job was set aside, and another has begun since."""
    spaced = Workspace(workspace.folder.rename(tmp_path / "my work"))
    for folder in list(spaced.batches.iterdir()):
        folder.rename(folder.with_name(f"{folder.name}.aside-7"))
    shutil.copytree(spaced.batches / "000001.aside-7", spaced.batch(1))
    _put(spaced, 1, experiment=json.loads(tiny(seeds=4).canonical()))
    forget(spaced)
    assert doctor(spaced.folder, repair=True) == 0
    said = capsys.readouterr().out
    assert "000002.aside-7: was set aside, and another batch has the number 000001: left as it is" in said
    (commands,) = re.findall("folders in batches that an earlier version set aside, untouched: `(.*)` makes", said)
    typed = commands.replace("lth doctor", f"{sys.executable} -m lth_core.cli doctor")
    subprocess.run(["sh", "-c", typed], check=True, cwd=Path(__file__).parents[2])
    assert [path.name for path in spaced.batches.iterdir()] == ["000001"]
    assert digest(tmp_path / "my work-aside") == digest(done)
