"""Slots of a machine with and without GPUs, which of them a job uses, and where its batches go."""

from pathlib import Path
from typing import Any

import pytest

from lth_core.batches.request import Request
from lth_core.engine import slots
from lth_core.engine.dispatch import Dispatcher
from lth_core.engine.intake import Patience
from lth_core.engine.launchers.both import Launchers
from lth_core.engine.slots import find_slots, usable
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.jobs import add_job
from lth_core.store.workspace import Workspace
from tests.engine.experiments import tiny

PIXELS = {"task": {"kind": "atari", "game": "pong"}, "model": {"kind": "conv"}, "training": {"environments": 1}}
WORDS = {"task": {"kind": "language_model"}, "model": {"kind": "lstm"}}


def _experiment(**fields: Any) -> Experiment:
    return Experiment.from_fields({"name": "one", "seeds": [0], **fields})


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs and eight cores."""
    monkeypatch.setattr(slots, "_cuda_devices", lambda: 2)
    monkeypatch.setattr(slots.os, "sched_getaffinity", lambda _: range(8))


def _names(found: list[slots.Slot]) -> list[str]:
    return [slot.name for slot in found]


def test_without_a_gpu_there_is_one_slot_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "_cuda_devices", lambda: 0)
    monkeypatch.setattr(slots.os, "sched_getaffinity", lambda _: range(4))
    assert _names(find_slots()) == ["cpu/0", "cpu/1", "cpu/2", "cpu/3"]
    assert [slot.threads for slot in find_slots(count=2)] == [2, 2]


@pytest.mark.usefixtures("box")
def test_a_box_with_gpus_has_shares_of_each_and_its_cores() -> None:
    found = find_slots()
    assert _names(found)[:8] == [f"cuda:{i % 2}/{i // 2}" for i in range(8)]
    assert _names(found)[8:] == [f"cpu/{i}" for i in range(8)]
    assert [slot.threads for slot in found] == [1] * 16
    assert _names(find_slots(count=9)) == [*_names(found)[:8], "cpu/0"]
    assert _names(find_slots("cuda", 3)) == ["cuda:0/0", "cuda:1/0", "cuda:0/1"]
    assert _names(find_slots("cuda:1")) == [f"cuda:1/{i}" for i in range(4)]
    with pytest.raises(InputError, match="device cuda:2: expected auto, cpu, cuda, cuda:0 or cuda:1 on this machine"):
        find_slots("cuda:2")


@pytest.mark.usefixtures("box")
def test_small_perceptrons_use_the_cores_pixels_all_shares_and_others_a_gpu_each() -> None:
    found = find_slots()
    assert _names(usable(found, _experiment(model={"hidden": [64, 64]}))) == [f"cpu/{i}" for i in range(8)]
    assert _names(usable(found, _experiment(model={"hidden": [256] * 3}))) == ["cuda:0/0", "cuda:1/0"]
    on_device = _experiment(model={"hidden": [64, 64]}, training={"environments_on": "device"})
    assert _names(usable(found, on_device)) == ["cuda:0/0", "cuda:1/0"]
    assert len(usable(find_slots("cpu"), on_device)) == 8
    assert len(usable(found, _experiment(**PIXELS))) == 8
    assert _names(usable(found, _experiment(**WORDS))) == ["cuda:0/0", "cuda:1/0"]
    assert len(usable(find_slots("cuda", 6), _experiment(**WORDS))) == 6  # asked for by number
    assert len(usable(find_slots("cpu"), _experiment(**PIXELS))) == 8
    assert len(usable(found, _experiment(**WORDS), "cpu")) == 8
    with pytest.raises(InputError, match=r"launcher\.device .cuda.: expected cpu on this machine"):
        usable(find_slots("cpu"), _experiment(), "cuda")


@pytest.mark.processes
@pytest.mark.usefixtures("box")
def test_batches_go_to_the_slots_that_suit_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path)
    workspace.create()
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        small = add_job(connection, tiny("small"), "test", {})
        large = add_job(connection, tiny("large", model={"hidden": [256, 256]}), "test", {})
        nowhere = add_job(connection, tiny("nowhere", launcher={"device": "cuda"}), "test", {})
    launchers = Launchers(workspace, [slot for slot in find_slots() if slot.device in ("cpu", "cuda:1")])
    sent: list[tuple[int, str]] = []

    def submit(slot: str, request: Request, _need: Any) -> None:
        row = database.row("SELECT job FROM batches WHERE id = ?", request.batch)
        assert row is not None
        sent.append((row["job"], slot))
        launchers.here._running[slot] = None  # type: ignore[assignment]

    monkeypatch.setattr(launchers, "submit", submit)
    Dispatcher(workspace, database, launchers, Patience()).start_batches()
    assert {slot.split("/")[0] for job, slot in sent if job == small} == {"cpu"}
    assert {slot.split("/")[0] for job, slot in sent if job in (large, nowhere)} == {"cuda:1"}
    launchers.here.slots = {name: slot for name, slot in launchers.here.slots.items() if slot.kind == "cpu"}
    launchers.here._running.clear()
    Dispatcher(workspace, database, launchers, Patience()).start_batches()
    jobs = {job.id: job for job in views.jobs(database)}
    assert jobs[nowhere].state == "failed"
    assert "expected cpu on this machine" in str(jobs[nowhere])
