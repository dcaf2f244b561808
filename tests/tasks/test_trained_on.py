"""What attempts are trained on beside files: how environments begin, ROMs, downloads; not their versions."""

import fcntl
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from lth_core.batches.batch import BatchFolder, BatchSpec, TrialSpec
from lth_core.errors import InputError
from lth_core.experiment.plan import TrialKey
from lth_core.long_work import heard_by, tell
from lth_core.settings.control import ControlTask
from lth_core.settings.language_networks import Causal
from lth_core.settings.networks import MLP
from lth_core.settings.tasks import AtariTask
from lth_core.settings.texts import LanguageModelTask
from lth_core.store.tensors import read_card
from lth_core.store.workspace import Workspace
from lth_core.tasks import atari, trained_on
from lth_core.tasks.text import cache, hub
from lth_core.training.stack import Interrupted
from lth_core.worker import attempt as attempt_module
from lth_core.worker.attempt import Attempt
from tests.small import experiment
from tests.tasks.odd_environments import Plain, RaisesInReset


class Changes(Plain):
    """A walk whose steps are as long as the last version has them."""

    length = 1.0

    def reward(self) -> float:
        return self.length


class Drifts(Plain):
    """A walk that begins elsewhere each time."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1

    def seen(self, last: int) -> Any:
        return super().seen(last) + self.made


@pytest.fixture(autouse=True)
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))
    names = [gymnasium.register(f"{one.__name__}-v0", one) or f"{one.__name__}-v0" for one in (
        Changes, Drifts, RaisesInReset)]  # fmt: skip
    yield
    for name in names:
        gymnasium.registry.pop(name)


def first(name: str) -> str | None:
    return trained_on.first_observations(ControlTask(environment=name))


def test_an_environment_that_was_changed_begins_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    before = first("Changes-v0")
    assert before is not None and first("Changes-v0") == before
    monkeypatch.setattr(Changes, "length", 1.5)
    assert first("Changes-v0") not in (before, None)


@pytest.mark.parametrize("name", ["Drifts-v0", "RaisesInReset-v0"])
def test_nothing_is_said_of_environments_that_fault_or_begin_otherwise_each_time(name: str) -> None:
    assert first(name) is None
    assert trained_on.found(ControlTask(environment=name), MLP()) == {}


@pytest.mark.parametrize("name", ["CartPole-v1", "LunarLander-v3", "Pendulum-v1", "Blackjack-v1"])
def test_environments_of_packages_say_how_they_begin_and_which_version_they_are_of(name: str) -> None:
    task = ControlTask(environment=name)
    assert trained_on.found(task, MLP()).keys() == {"first observations"}
    assert trained_on.versions(task, MLP()) == {"gymnasium": gymnasium.__version__}


def test_an_attempt_on_another_environment_than_before_is_refused_and_trials_say_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = experiment(seeds=[0], task={"environment": "Changes-v0"}, training={"length": 256})
    workspace = Workspace(tmp_path / "w")
    workspace.create()

    def attempt(before: dict[str, str]) -> Attempt:
        trials = (TrialSpec(1, TrialKey(0, "dense", 0)),)
        spec = BatchSpec(1, 1, settings, trials, (), "tensorboard/0001-small", tuple(before.items()))
        folder = BatchFolder(workspace.batch(1))
        folder.complete(spec)
        assert folder.spec_of(spec.checksum) == spec
        folder.begin(1)
        return Attempt(workspace, spec, 1, "cpu", lambda: False)

    running = attempt({})
    running.ran_with({"packages": {}})
    running.run()
    running.close()
    folder = workspace.batch(1) / "attempt-1"
    ran = json.loads((folder / "records.jsonl").read_text().splitlines()[0])
    known = ran["facts"]["trained_on"]
    card = read_card(folder / "trial-1.safetensors")
    assert known == {"first observations": first("Changes-v0")} and card is not None and card["trained_on"] == known
    (folder.rename(folder.with_name("attempt-0")))
    attempt(known).close()
    monkeypatch.setattr(Changes, "length", 1.5)
    (folder.rename(folder.with_name("attempt-2")))
    said = r"^Changes-v0: first observations: differs from what this job was trained on so far \([0-9a-f]{12}, before: "
    with pytest.raises(InputError, match=said):
        attempt(known)


def test_an_attempt_shows_signs_of_life_while_it_prepares_its_data_and_stops_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lth.attempt")
    workspace, shown = Workspace(tmp_path / "w"), []
    workspace.create()
    spec = BatchSpec(1, 1, experiment(seeds=[0]), (TrialSpec(1, TrialKey(0, "dense", 0)),), (), "tensorboard/0001")
    folder = BatchFolder(workspace.batch(1))
    folder.complete(spec)
    folder.begin(1)
    clock = itertools.count()
    monkeypatch.setattr(attempt_module.time, "monotonic", lambda: float(next(clock)))

    def prepare(_experiment: object) -> str:
        for share in (0.05, 0.41, 0.44, 0.8):
            tell("training the teacher", share)
            shown.append(json.loads((folder.attempt(1) / "beat.json").read_text())["share"])
        raise AssertionError("not stopped")

    monkeypatch.setattr(attempt_module, "data_summary", prepare)
    with pytest.raises(Interrupted):
        Attempt(workspace, spec, 1, "cpu", lambda: len(shown) == 3)
    assert shown == [0.05, 0.41, 0.44]
    assert caplog.messages == ["training the teacher, 5%", "training the teacher, 41%"]


def test_waiting_for_data_that_another_process_prepares_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "_LOOK", 0.0)
    (tmp_path / "kind").mkdir()
    said: list[str] = []
    with (tmp_path / "kind" / ".name.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def listener(what: str, _share: float | None) -> None:
            said.append(what)
            if len(said) == 3:
                fcntl.flock(other, fcntl.LOCK_UN)

        with heard_by(listener):
            cache.prepared("kind", "name", lambda _: {})
    assert said == ["waiting for another process, which prepares the same data"] * 3


def test_another_rom_is_another_game(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained_on, "first_observations", lambda _task: "the same")
    task = AtariTask(game="pong")
    real = trained_on.found(task, MLP())
    other = tmp_path / "pong.bin"
    other.write_bytes(atari.rom(task).read_bytes()[:-1] + b"\0")
    monkeypatch.setenv(atari.ROMS, str(tmp_path))
    with pytest.raises(
        InputError, match=r"^pong: ROM: differs from what this job was trained on so far \([0-9a-f]{12}, before"
    ):
        trained_on.compare(real, trained_on.found(task, MLP()), task)


def downloaded(folder: Path, repository: str, revision: str, **files: str) -> None:
    """A revision of a repository as huggingface_hub keeps what it has downloaded, and main pointing at it."""
    own = folder / repository
    (own / "refs").mkdir(parents=True, exist_ok=True)
    (own / "refs" / "main").write_text(revision)
    (own / "snapshots" / revision).mkdir(parents=True)
    for name, text in files.items():
        (own / "snapshots" / revision / name.replace("_", ".")).write_text(text)


def test_downloads_of_the_hub_are_told_apart_by_content_and_their_revisions_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    task, model = LanguageModelTask(source="owner/texts"), Causal(checkpoint="owner/net")
    assert trained_on.found(task, model) == {} == trained_on.versions(task, model)
    downloaded(tmp_path, "datasets--owner--texts", "a" * 40, README_md="")
    downloaded(tmp_path, "models--owner--net", "b" * 40, config_json="{}", model_safetensors="weights", README_md="1")
    before = trained_on.found(task, model)
    assert trained_on.versions(task, model) == {"owner/texts": "a" * 40, "owner/net": "b" * 40}
    downloaded(tmp_path, "models--owner--net", "c" * 40, config_json="{}", model_safetensors="weights", README_md="2")
    trained_on.compare(before, trained_on.found(task, model), task)
    assert trained_on.versions(task, model)["owner/net"] == "c" * 40
    downloaded(tmp_path, "models--owner--net", "d" * 40, config_json="{}", model_safetensors="others", README_md="2")
    with pytest.raises(InputError, match=r"^owner/texts: model.checkpoint owner/net: differs from what this job was"):
        trained_on.compare(before, trained_on.found(task, model), task)


def test_token_files_of_another_revision_of_a_data_set_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    def prepared() -> str:
        name = cache.name_for("text", {"source": "owner/texts"}, hub.revision("owner/texts"))

        def make(_into: Path) -> dict[str, Any]:
            if hub.revision("owner/texts") is None:
                downloaded(tmp_path / "hub", "datasets--owner--texts", "a" * 40, README_md="")
            return {"revision": hub.revision("owner/texts")}

        return str(cache.prepared("text", name, make)[1]["revision"])

    assert [prepared(), prepared()] == ["a" * 40] * 2
    downloaded(tmp_path / "hub", "datasets--owner--texts", "b" * 40, README_md="")
    assert [prepared(), prepared()] == ["b" * 40] * 2
    assert len(list((cache.folder() / "text").glob("[0-9a-f]*"))) == 2
