"""Data belong to an experiment by what files hold, not by their names."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from lth_core.engine.commands import Commands
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import resolve
from lth_core.settings.language_networks import Causal
from lth_core.settings.texts import LanguageModelTask
from lth_core.store import commands, views
from lth_core.store.database import Database
from lth_core.store.jobs import add_job
from lth_core.store.workspace import Workspace
from lth_core.tasks import contents
from lth_core.tasks.text import corpus


def read(folder: Path, **more: Any) -> Experiment:
    task = {
        "kind": "language_model",
        "source": "files",
        **{part: str(folder / part) for part in ("train", "valid", "test")},
    }
    return resolve({"name": "x", "seeds": 1, "task": task | more}, "f")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for part in ("train", "valid", "test"):
            (tmp_path / name / part).write_text(f"words of {part}\n" * 50)
    return tmp_path


def test_experiments_are_the_same_by_what_their_files_hold(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read(folder / "one")
    assert first.identity == read(folder / "two").identity  # another place
    monkeypatch.chdir(folder / "one")
    relative = read(Path())
    assert relative.identity == first.identity and Path(relative.task.model_dump()["train"]).is_absolute()
    assert Experiment.from_json(first.canonical()).identity == first.identity
    (folder / "two" / "train").write_text("others of train\n" * 50)
    assert read(folder / "two").identity != first.identity


def test_a_file_that_changed_since_is_named_with_both_hashes(folder: Path) -> None:
    task = read(folder / "one").task
    assert isinstance(task, LanguageModelTask)
    corpus.load(task)
    before = (folder / "one" / "valid").stat()
    (folder / "one" / "valid").write_text("Words of valid\n" * 50)
    os.utime(folder / "one" / "valid", ns=(before.st_atime_ns, before.st_mtime_ns))
    said = r"^task.valid = .*/one/valid: changed since .* begins with [0-9a-f]{12}, it began with [0-9a-f]{12}\)"
    with pytest.raises(InputError, match=said):
        corpus.load(task)


def test_two_projects_with_a_folder_of_one_name_are_two(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for project in ("one", "two"):
        own = folder / project / "model"
        own.mkdir()
        words = ["</s>", "of", "words", "train", "valid", "test"]
        words = words if project == "one" else [words[0], *words[:0:-1]]
        fast = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}))
        fast.pre_tokenizer = Whitespace()
        PreTrainedTokenizerFast(tokenizer_object=fast, eos_token=words[0]).save_pretrained(own)
        monkeypatch.chdir(own.parent)
        read_there = read(Path(), tokenizer="checkpoint", checkpoint="model")
        task = read_there.task
        assert isinstance(task, LanguageModelTask) and task.checkpoint == str(own)
        found[project] = (read_there.identity, corpus.load(task).train[:3].tolist())
    assert found["one"][0] != found["two"][0]
    assert (found["one"][1], found["two"][1]) == ([2, 1, 3], [4, 5, 3])


@pytest.mark.parametrize(
    ("names", "index", "read_of_them"),
    [
        (["model.safetensors", "pytorch_model.bin", "old.safetensors"], None, ["model.safetensors"]),
        (["pytorch_model.bin", "training_args.bin"], None, ["pytorch_model.bin"]),
        (
            ["model-1-of-1.safetensors", "model-of-old.safetensors"],
            {"weight_map": {"w": "model-1-of-1.safetensors"}},
            ["model-1-of-1.safetensors", "model.safetensors.index.json"],
        ),
    ],
)
def test_of_a_checkpoints_weights_those_are_hashed_that_are_loaded(
    tmp_path: Path, names: list[str], index: dict[str, Any] | None, read_of_them: list[str]
) -> None:
    for name in names:
        (tmp_path / name).write_text(name)
    if index is not None:
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    model = contents.filled_in(Causal(checkpoint=str(tmp_path)))
    assert [name for name, _ in model.contents] == [f"checkpoint/{name}" for name in read_of_them]


def test_an_old_workspaces_job_of_relative_places_is_found_and_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "one")
    now = read(Path())
    relative = {part: part for part in ("train", "valid", "test")}
    before = now.model_copy(update={"task": now.task.model_copy(update={**relative, "contents": ()})})
    workspace = Workspace(folder / "ws")
    workspace.create()
    database = Database(workspace.database, writer=True)
    desk = Commands(database, ["cpu"], lambda *_: None, lambda *_: None)

    def submit(experiment: Experiment) -> dict[str, Any]:
        number = commands.ask(database, commands.Submit(experiment=experiment.canonical(), source="x"))
        desk.obey()
        answer = commands.answer(database, number)
        assert answer is not None
        return answer

    with database.transaction() as connection:
        job = add_job(connection, before, "x", {})
    assert submit(now) == {"job": job, "known": True}
    assert views.events(database)[-1].kind == "data unchecked"
    assert submit(read(folder / "two")) == {"job": job + 1}  # other places, of which nothing is known
    database.close()


def test_a_hash_is_kept_for_a_file_that_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "one" / "train"
    monkeypatch.setattr(contents, "_SETTLED", -1)
    found = contents.file_sha256(path)
    with monkeypatch.context() as patch:
        patch.setattr(contents.cache, "sha256_of", lambda _path: "read again")
        assert contents.file_sha256(path) == found
        path.write_text("longer than it was before, by far\n" * 99)
        assert contents.file_sha256(path) == "read again"
