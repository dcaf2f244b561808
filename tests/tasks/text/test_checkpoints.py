"""Checkpoints that are none are refused before anything is queued; what may be one of the hub is not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from lth_core.checkpoints import files as checkpoint_files
from lth_core.checkpoints import kinds as checkpoint_kinds
from lth_core.errors import InputError
from lth_core.experiment.file import notes, resolve


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))


def write(folder: Path, kind: str = "float32", **config: Any) -> None:
    """A folder that looks like a checkpoint with a vocabulary of three words."""
    folder.mkdir(exist_ok=True)
    weight = np.zeros((3, 2), dtype=kind)
    save_file({"w": weight}, folder / "model.safetensors")
    sizes = {"model_type": "bart", "vocab_size": 3, "max_position_embeddings": 256}
    (folder / "config.json").write_text(json.dumps({**sizes, **config}))
    words = Tokenizer(WordLevel({"a": 0, "b": 1, "</s>": 2}))
    words.save(str(folder / "tokenizer.json"))


def said(folder: Path, kind: str = "language_model", **task: Any) -> str:
    """The sentence of a refusal before anything is queued."""
    asked = fields(str(folder), kind)
    asked["task"] |= task
    with pytest.raises(InputError) as caught:
        resolve(asked, "f")
    return str(caught.value)


def fields(checkpoint: str, kind: str = "language_model") -> dict[str, Any]:
    model = {"language_model": "causal", "translation": "pretrained_seq2seq"}[kind]
    return {
        "name": "x", "seeds": 1, "model": {"kind": model, "checkpoint": checkpoint},
        "task": {"kind": kind, "tokenizer": "checkpoint", "checkpoint": checkpoint},
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["language_model", "translation"])
@pytest.mark.parametrize(
    ("lacks", "words"),
    [
        ("config.json", 'f: model.checkpoint = "{0}": the folder holds no config.json: expected '),
        ("model.safetensors", 'f: model.checkpoint = "{0}": the folder holds no file of weights: expected '),
        ("tokenizer.json", 'f: task.checkpoint = "{0}": the folder holds no tokenizer: expected '),
    ],
)
def test_a_folder_that_is_no_checkpoint_says_what_it_lacks(tmp_path: Path, kind: str, lacks: str, words: str) -> None:
    write(tmp_path)
    resolve(fields(str(tmp_path), kind), "f")
    (tmp_path / lacks).unlink()
    with pytest.raises(InputError) as caught:
        resolve(fields(str(tmp_path), kind), "f")
    assert str(caught.value).startswith(words.format(tmp_path))


@pytest.mark.parametrize("name", ["/no/such/folder", "./gpt", "a/b/c", "file", "~/gpt", "x" * 300, "a\0b", "../gpt2"])
def test_what_is_no_folder_and_no_id_of_the_hub_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(InputError, match=r'^f: model.checkpoint = ".*": .*expected a folder .*, or an id of'):
        resolve(fields(name), "f")


@pytest.mark.parametrize("name", ["gpt2", "openai-community/gpt2", "EleutherAI/pythia-70m.v1"])
def test_what_the_hub_may_have_is_asked_of_the_hub_later(name: str) -> None:
    assert resolve(fields(name), "f").model.kind == "causal"


@pytest.mark.parametrize(("kind", "field"), [("language_model", "window"), ("translation", "longest")])
def test_texts_longer_than_the_models_positions_are_refused_before_queueing(
    tmp_path: Path, kind: str, field: str
) -> None:
    write(tmp_path, max_position_embeddings=16)
    words = f"task.{field} = 17: the checkpoint has positions for 16 tokens: expected at most 16"
    assert words in said(tmp_path, kind, **{field: 17})
    asked = fields(str(tmp_path), kind)
    asked["task"][field] = 16
    resolve(asked, "f")
    write(tmp_path, n_positions=16, max_position_embeddings=None, relative_attention_num_buckets=32)
    asked["task"][field] = 17
    resolve(asked, "f")


def test_tokens_that_were_added_to_a_tokenizer_and_not_to_the_embedding_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    grown = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    grown.add_special_tokens(["<pad>"])
    grown.save(str(tmp_path / "tokenizer.json"))
    assert "has an embedding for 3 tokens, the tokenizer has 4: tokens were added to it: resize" in said(tmp_path)


def test_a_tokenizer_without_an_end_of_sequence_token_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    own = {"tokenizer_class": "PreTrainedTokenizerFast"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(own))
    assert "its tokenizer has no end-of-sequence token: set one (tokenizer.eos_token = ..." in said(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**own, "eos_token": "</s>"}))
    resolve(fields(str(tmp_path)), "f")


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_pointer_of_git_lfs_is_told_from_the_file(tmp_path: Path, file: str) -> None:
    write(tmp_path)
    (tmp_path / file).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    assert f"{file} is a Git LFS pointer, not the file itself: run `git lfs pull` there" in said(tmp_path)


def test_a_checkpoint_that_cannot_be_trained_is_refused_before_queueing(tmp_path: Path) -> None:
    write(tmp_path, model_type="mine", auto_map={"AutoModelForCausalLM": "mine.Model"})
    assert 'its model type "mine" is code of its own (auto_map in config.json), which is never run' in said(tmp_path)
    write(tmp_path, auto_map={"AutoModelForCausalLM": "mine.Model"})
    resolve(fields(str(tmp_path)), "f")
    write(tmp_path, quantization_config={"bits": 4})
    assert "its weights are quantised" in said(tmp_path)
    write(tmp_path)
    (tmp_path / "config.json").write_text("{")
    assert "config.json cannot be read" in said(tmp_path)
    write(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"x" * 100)
    assert "model.safetensors is damaged" in said(tmp_path)
    write(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "model-00002-of-00002.safetensors")
    assert "lacks model.safetensors.index.json" in said(tmp_path)
    index = {"weight_map": {"w": "model-00001-of-00002.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "lacks model-00001-of-00002.safetensors" in said(tmp_path)


@pytest.mark.parametrize(
    ("kind", "config", "words"),
    [
        (
            "language_model",
            {"model_type": "mine"},
            'type "mine" is none of those that AutoModelForCausalLM of ',
        ),
        (
            "translation",
            {"model_type": "gpt2"},
            'type "gpt2" is none of those that AutoModelForSeq2SeqLM of ',
        ),
        ("language_model", {"model_type": None}, "its config.json names no model_type"),
        ("language_model", {"model_type": "bert"}, 'its model type "bert" reads a text in both directions'),
    ],
)
def test_a_model_of_another_type_is_refused(tmp_path: Path, kind: str, config: dict[str, Any], words: str) -> None:
    write(tmp_path, **config)
    assert words in said(tmp_path, kind)


@pytest.mark.parametrize(
    ("config", "most"),
    [
        ({"model_type": "roberta", "max_position_embeddings": 514}, 512),
        ({"model_type": "xmod", "max_position_embeddings": 514, "pad_token_id": 0}, 513),
        ({"model_type": "led", "max_encoder_position_embeddings": 64, "max_decoder_position_embeddings": 32}, 32),
        ({"model_type": "mpt", "max_seq_len": 128}, 128),
        ({"model_type": "gemma3", "text_config": {"max_position_embeddings": 99}}, 99),
        ({"model_type": "t5", "n_positions": 512, "relative_attention_num_buckets": 32}, None),
        ({"model_type": "bloom"}, None),
    ],
)
def test_positions_are_those_that_a_text_can_have(config: dict[str, Any], most: int | None) -> None:
    assert checkpoint_kinds.positions(config) == most


def test_only_the_files_that_are_loaded_count(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    write(tmp_path)
    for file in ("pytorch_model.bin", "tokenizer.model", "consolidated.safetensors"):
        (tmp_path / file).write_text(pointer)
    resolve(fields(str(tmp_path)), "f")
    (tmp_path / "tokenizer.model").rename(tmp_path / "source.spm")
    (tmp_path / "tokenizer.json").rename(tmp_path / "kept")
    assert "source.spm is a Git LFS pointer" in said(tmp_path)
    (tmp_path / "source.spm").write_bytes(b"")
    assert "its tokenizer is for sentencepiece alone (source.spm)" in said(tmp_path)
    (tmp_path / "kept").rename(tmp_path / "tokenizer.json")
    (tmp_path / "model.safetensors").rename(tmp_path / "adapter_model.safetensors")
    (tmp_path / "pytorch_model.bin").rename(tmp_path / "training_args.bin")
    assert "the folder holds no file of weights" in said(tmp_path)


@pytest.mark.parametrize(("kind", "said"), [("float16", ["float16"]), ("float64", ["float64"]), ("float32", [])])
def test_weights_of_another_format_are_said_to_be_converted(tmp_path: Path, kind: str, said: list[str]) -> None:
    write(tmp_path / "gpt", kind)
    words = [f"model.checkpoint: weights of gpt read as float32 from {one}" for one in said]
    assert notes(resolve(fields(str(tmp_path / "gpt")), "f")) == words


def test_weights_that_are_no_safetensors_have_the_format_of_the_configuration(tmp_path: Path) -> None:
    write(tmp_path, torch_dtype="bfloat16")
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    assert checkpoint_files.formats_of(str(tmp_path)) == ["bfloat16"]
