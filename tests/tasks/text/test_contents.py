"""Data belong to an experiment by what files hold, not by their names."""

import os
from pathlib import Path
from typing import Any

import pytest

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import resolve
from lth_core.settings.texts import LanguageModelTask
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
    said = r"^task.valid = .*/one/valid: not what it was .* begins with [0-9a-f]{12}, it began with [0-9a-f]{12}\)"
    with pytest.raises(InputError, match=said):
        corpus.load(task)


def test_a_hash_is_kept_for_a_file_that_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "one" / "train"
    monkeypatch.setattr(contents, "_SETTLED", -1)
    found = contents.file_sha256(path)
    with monkeypatch.context() as patch:
        patch.setattr(contents.cache, "sha256_of", lambda _path: "read again")
        assert contents.file_sha256(path) == found
        path.write_text("longer than it was before, by far\n" * 99)
        assert contents.file_sha256(path) == "read again"
