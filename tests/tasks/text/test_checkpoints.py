"""Checkpoints that are none are refused before anything is queued; what may be one of the hub is not."""

from pathlib import Path
from typing import Any

import pytest

from lth_core.errors import InputError
from lth_core.experiment_file import resolve

WHOLE = ("config.json", "model.safetensors", "tokenizer.json")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))


def fields(checkpoint: str, kind: str = "language_model") -> dict[str, Any]:
    model = {"language_model": "causal", "translation": "pretrained_seq2seq"}[kind]
    return {
        "name": "x", "seeds": 1, "model": {"kind": model, "checkpoint": checkpoint},
        "task": {"kind": kind, "tokenizer": "checkpoint", "checkpoint": checkpoint},
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["language_model", "translation"])
@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ("config.json", 'f: model.checkpoint = "{0}": the folder holds no config.json: accepted is '),
        ("model.safetensors", 'f: model.checkpoint = "{0}": the folder holds no file of weights: accepted is '),
        ("tokenizer.json", 'f: task.checkpoint = "{0}": the folder holds no tokenizer: accepted is '),
    ],
)
def test_a_folder_that_is_no_checkpoint_says_what_it_lacks(tmp_path: Path, kind: str, lacks: str, said: str) -> None:
    for file in WHOLE:
        (tmp_path / file).touch()
    resolve(fields(str(tmp_path), kind), "f")
    (tmp_path / lacks).unlink()
    with pytest.raises(InputError) as caught:
        resolve(fields(str(tmp_path), kind), "f")
    assert str(caught.value).startswith(said.format(tmp_path))


@pytest.mark.parametrize("name", ["/no/such/folder", "./gpt", "a/b/c", "file", "~/gpt", "x" * 300, "a\0b", "../gpt2"])
def test_what_is_no_folder_and_no_id_of_the_hub_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(InputError, match=r'^f: model.checkpoint = ".*": .*accepted is a folder .*, or an id of'):
        resolve(fields(name), "f")


@pytest.mark.parametrize("name", ["gpt2", "openai-community/gpt2", "EleutherAI/pythia-70m.v1"])
def test_what_the_hub_may_have_is_asked_of_the_hub_later(name: str) -> None:
    assert resolve(fields(name), "f").model.kind == "causal"
