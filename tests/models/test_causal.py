"""Checkpoints of transformers as dense starts, with a small model made on the spot."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lth_core.checkpoints import kinds as checkpoint_kinds
from lth_core.checkpoints import weights as checkpoint_weights
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.models.causal import causal
from lth_core.randomness import stream_seed
from lth_core.settings.language_networks import Causal
from lth_core.tasks.text.tokenizers import EOS, Subwords, whole
from lth_core.tasks.translation.vocabulary import Vocabulary
from lth_core.training.families import data_summary, make_model
from tests.training.test_every_arm import Batches, dense


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 of one layer with a byte-pair tokenizer of its own, saved as transformers saves them."""
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("checkpoint")
    fast = Subwords.fit([f"w{n} w{n % 7}" for n in range(300)], 270)._fast
    PreTrainedTokenizerFast(tokenizer_object=fast, eos_token=EOS).save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=270, n_positions=16, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))


def settings(folder: Path, checkpoint: Path) -> Experiment:
    rng = np.random.default_rng(0)
    for part in ("train", "valid", "test"):
        lines = (" ".join(f"w{n}" for n in rng.integers(0, 9, 8)) for _ in range(30))
        (folder / f"{part}.txt").write_text("\n".join(lines))
    fields: dict[str, Any] = {
        "name": "checkpoint",
        "seeds": [0, 1],
        "arms": ["winning", "random"],
        "task": {
            "kind": "language_model", "source": "files", "window": 8, "tokenizer": "checkpoint",
            "checkpoint": str(checkpoint), **{p: str(folder / f"{p}.txt") for p in ("train", "valid", "test")},
        },
        "model": {"kind": "causal", "checkpoint": str(checkpoint)},
        "training": {"length": 4, "batch": 4, "record_every": 2},
        "pruning": {"rounds": 1, "keep": ["embedding"]},
    }  # fmt: skip
    return Experiment.from_fields(fields)


def test_tickets_stand_at_the_checkpoints_weights_and_its_embeddings_are_kept(tmp_path: Path, checkpoint: Path) -> None:
    own = settings(tmp_path, checkpoint)
    batches = Batches(tmp_path, own)
    for key in [*dense(own), *(TrialKey(1, arm, seed) for arm in own.arms for seed in own.seeds)]:
        batches.run([key])
    assert not batches.failures and len(batches.results) == 6
    network = make_model(own)
    from transformers import AutoModelForCausalLM

    stored = dict(AutoModelForCausalLM.from_pretrained(checkpoint).named_parameters())
    trained = network.trained()  # type: ignore[attr-defined]
    assert {name.removeprefix("model."): w.shape for name, w in trained.items()} == {
        n: w.shape for n, w in stored.items()
    }
    assert all(torch.equal(w, stored[name.removeprefix("model.")]) for name, w in trained.items())
    fresh = network.initialise(stream_seed(0, "fresh"))
    assert not torch.equal(fresh["model.transformer.wte.weight"], trained["model.transformer.wte.weight"])


def test_groups_of_a_checkpoint_are_known_by_identity_and_by_name(checkpoint: Path) -> None:
    groups = causal(Causal(checkpoint=str(checkpoint)), 270, 8, own_tokens=True).groups()
    assert groups["model.transformer.wte.weight"] == {"embedding", "output", "weights"}  # tied
    assert groups["model.transformer.wpe.weight"] == {"embedding", "weights"}
    assert groups["model.transformer.h.0.attn.c_attn.bias"] == {"attention", "biases"}
    assert groups["model.transformer.h.0.mlp.c_fc.weight"] == {"feed_forward", "weights"}
    assert groups["model.transformer.ln_f.weight"] == {"norm", "weights"}


def test_a_checkpoint_that_cannot_be_had_or_does_not_fit_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model.checkpoint = .*cannot be loaded"):
        causal(Causal(checkpoint=str(tmp_path / "none")), 270, 8, own_tokens=True)
    with pytest.raises(InputError, match=r"embedding for 270 tokens, the tokenizer has 300: tokens were added"):
        causal(Causal(checkpoint=str(checkpoint)), 300, 8, own_tokens=True)
    with pytest.raises(InputError, match=r"task.window = 17: the checkpoint has positions for 16 tokens"):
        causal(Causal(checkpoint=str(checkpoint)), 270, 17, own_tokens=True)


def test_damaged_weights_of_a_checkpoint_are_named_with_their_folder(checkpoint: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(checkpoint, damaged)
    os.truncate(damaged / "model.safetensors", 100)
    with pytest.raises(InputError, match=r'model.checkpoint = ".*damaged": cannot be loaded: .*deserializing header'):
        causal(Causal(checkpoint=str(damaged)), 270, 8, own_tokens=True)


@pytest.mark.parametrize(
    ("weights", "said"), [("bfloat16", "bfloat16"), ("float16", "float32"), ("float32", "bfloat16")]
)
def test_checkpoints_in_every_format_are_trained_in_float32(
    tmp_path: Path, checkpoint: Path, weights: str, said: str
) -> None:
    """Whether the weights or only the configuration say so."""
    from transformers import AutoModelForCausalLM

    half = tmp_path / "half"
    shutil.copytree(checkpoint, half)
    AutoModelForCausalLM.from_pretrained(checkpoint, dtype=getattr(torch, weights)).save_pretrained(half)
    config = json.loads((half / "config.json").read_text())
    (half / "config.json").write_text(json.dumps({**config, "dtype": said}))
    own = settings(tmp_path, half)
    batches = Batches(tmp_path, own)
    for key in [*dense(own)[:1], TrialKey(1, "winning", 0)]:
        batches.run([key])
    assert not batches.failures and len(batches.results) == 2
    network = make_model(own)
    assert {w.dtype for w in network.trained().values()} == {torch.float32}  # type: ignore[attr-defined]
    summary = str(data_summary(own))
    assert (f"weights of half read as float32 from {weights}" in summary) == (weights != "float32")


def test_a_tokenizer_that_was_stored_truncating_and_padding_gives_whole_texts(tmp_path: Path, checkpoint: Path) -> None:
    from transformers import AutoTokenizer

    cutting = tmp_path / "cutting"
    shutil.copytree(checkpoint, cutting)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    tokenizer.pad_token = EOS
    tokenizer(["w1 w2 w3", "w1"], truncation=True, max_length=2, padding="max_length")
    tokenizer.save_pretrained(cutting)
    assert '"truncation": null' not in (cutting / "tokenizer.json").read_text()
    lines = [" ".join(f"w{n}" for n in range(40)), "w1"]
    found = [np.concatenate([*Subwords.of_checkpoint(str(f)).encode(lines)]) for f in (checkpoint, cutting)]
    assert len(found[0]) > 40 and np.array_equal(*found)
    stored = Vocabulary(AutoTokenizer.from_pretrained(cutting).backend_tokenizer, 0, 0, 0)
    assert len(stored.encode(lines)[0]) == 2
    whole(stored.tokenizer, special=False)
    assert len(stored.encode(lines)[0]) > 40


def test_special_tokens_that_stand_in_a_text_are_text_unless_asked(checkpoint: Path) -> None:
    line = [f"w1 {EOS} w2"]
    as_text, as_token = (
        np.concatenate([*Subwords.of_checkpoint(str(checkpoint), special=special).encode(line)])
        for special in (False, True)
    )
    assert (as_token == as_token[-1]).sum() == 2 and (as_text == as_text[-1]).sum() == 1
    assert len(as_text) > len(as_token)


def test_formats_in_files_of_torch_save_are_seen_without_running_them(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2, dtype=torch.bfloat16), "b": torch.zeros(2, dtype=torch.int64)}, tmp_path / "x.bin")
    assert checkpoint_weights.formats(tmp_path / "x.bin") == {"bfloat16"}
    (tmp_path / "x.bin").write_bytes(b"no such file")
    assert checkpoint_weights.formats(tmp_path / "x.bin") == set()


def test_model_types_are_those_of_transformers() -> None:
    from transformers.models.auto import modeling_auto as auto

    assert checkpoint_kinds.model_types("causal") == set(auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    assert checkpoint_kinds.model_types("pretrained_seq2seq") == set(auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES)
