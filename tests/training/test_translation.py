"""Training translators: through whole attempts, from checkpoints, interrupted; the loss; that something is learnt."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.models.module import ModuleNetwork
from lth_core.randomness import stream_seed
from lth_core.tasks.translation import vocabulary
from lth_core.tasks.translation.grammar import sentences
from lth_core.training.families import make_lesson, make_model, make_stack
from lth_core.training.run import RunningTrial, StackRun
from lth_core.training.stack import Interrupted, Start
from lth_core.training.supervised import translation
from lth_core.training.supervised.stack import SupervisedStack
from lth_core.training.supervised.translation import TranslationLesson
from tests.small import ARMS, Memory
from tests.training.test_every_arm import Batches, dense

SPECIAL = (vocabulary.PAD, vocabulary.START, vocabulary.END, vocabulary.UNKNOWN)
TINY = {"width": 16, "feed_forward": 24, "heads": 2, "encoder_layers": 1, "decoder_layers": 1, "dropout": 0.2}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))


def files(folder: Path, count: int = 40) -> dict[str, str]:
    found = list(sentences.pairs(count + 16))
    parts = {"train": found[:count], "valid": found[count : count + 8], "test": found[count + 8 :]}
    for part, pairs in parts.items():
        (folder / f"{part}.tsv").write_text("".join("\t".join(pair) + "\n" for pair in pairs))
    return {part: str(folder / f"{part}.tsv") for part in parts}


def settings(folder: Path, **sections: Any) -> Experiment:
    """Forty pairs, a network of a few thousand parameters, six updates; tables are merged over these."""
    fields: dict[str, Any] = {
        "name": "words",
        "seeds": [0],
        "task": {"kind": "translation", "source": "files", "vocabulary": 200, "beam": 2, **files(folder)},
        "model": TINY,
        "training": {"length": 6, "batch": 400, "learning_rate": 1e-2, "record_every": 3, "checkpoint_every": 4},
        "pruning": {"rounds": 2},
        "rewinding": {"weights": 2},
    }
    for name, value in sections.items():
        fields[name] = {**fields.get(name, {}), **value} if isinstance(value, dict) else value
    return Experiment.from_fields(fields)


SOME_ARMS = ["winning", "random", "shuffled_weights", "finetune", "gmp", "grasp"]
"""Of each way to get mask and weights one."""


@pytest.mark.parametrize(
    ("implementation", "arms"),
    [
        pytest.param("own", ARMS, id="own"),
        pytest.param("transformers", SOME_ARMS, id="transformers", marks=pytest.mark.thorough),
        pytest.param("transformers", ARMS, id="transformers, every arm", marks=pytest.mark.crossed),
    ],
)
def test_every_built_in_arm_trains_and_passes_all_audits(implementation: str, arms: list[str], tmp_path: Path) -> None:
    own = settings(
        tmp_path, arms=arms, model={"implementation": implementation}, task={"longest": 32},
        training={"learning_rate_schedule": "inverse_sqrt", "warmup": 2, "label_smoothing": 0.1, "average": 2,
                  "average_every": 2, "accumulate": 2},
        pruning={"rounds": 1}, rewinding={"optimizer": "rewind"},
    )  # fmt: skip
    batches = Batches(tmp_path, own)
    keys = [*dense(own), *(TrialKey(1, arm, 0) for arm in arms)]
    for key in keys:
        batches.run([key])
    assert not batches.failures
    assert set(batches.results) == set(keys)
    assert all(batches.audits[key]["before data"] for key in keys)
    assert all(0 <= batches.results[key]["score"] <= 100 for key in keys)


def test_keeping_the_embedding_keeps_the_output_that_is_tied_to_it(tmp_path: Path) -> None:
    own = settings(tmp_path, pruning={"keep": ["embedding"], "rounds": 1})
    batches = Batches(tmp_path, own)
    batches.run(dense(own))
    batches.run([TrialKey(1, "winning", 0)])
    assert not batches.failures
    groups = make_model(own).groups()
    assert [name for name, tags in groups.items() if "output" in tags] == ["embedding"]


def _run(own: Experiment, network: Any, start: Start, sink: Memory) -> StackRun:
    trial = RunningTrial(0, TrialKey(0, "dense", 0), start.mask)
    return StackRun(own, make_stack(own, network, [start], "cpu"), [trial], sink)


def test_an_interrupted_run_is_the_same_run(tmp_path: Path) -> None:
    own = settings(
        tmp_path, training={"length": 20, "batch": 200, "record_every": 7, "checkpoint_every": 3, "average": 2,
                            "average_every": 4},
    )  # fmt: skip
    network = make_model(own)
    mask = {n: torch.rand(s, generator=torch.Generator().manual_seed(3)) < 0.5 for n, s in network.shapes().items()}
    start = Start(0, network.initialise(0), mask, 0, 20)
    assert 20 % make_lesson(own, 0).per_epoch and make_lesson(own, 0).per_epoch > 4
    whole = Memory()
    assert _run(own, network, start, whole).run()
    for stop_at in (1, 8, 17, 19):
        first, second = Memory(stop_at), Memory()
        assert not _run(own, network, start, first).run()
        again = _run(own, network, start, second)
        _, arrays, values = first.checkpoints[-1]
        again.restore(arrays, values)
        assert again.run()
        assert second.same_results(whole, 0)
        assert whole.records[-len(second.records) :] == second.records


def _lesson(folder: Path, **training: Any) -> tuple[TranslationLesson, Experiment]:
    own = settings(folder, training=training)
    lesson = make_lesson(own, 0)
    assert isinstance(lesson, TranslationLesson)
    return lesson, own


def test_the_loss_is_cross_entropy_against_a_smoothed_target_without_padding(tmp_path: Path) -> None:
    lesson, own = _lesson(tmp_path, label_smoothing=0.2)
    network = make_model(own)
    assert isinstance(network, ModuleNetwork)
    module = network.module().eval()
    batch = lesson.batch(0, 0)
    with torch.no_grad():
        logs = module.output(module(batch.tensors["source"], batch.tensors["said"])).log_softmax(-1)
        loss, carry = lesson.loss(module, batch, ())
    total, count = 0.0, 0
    for row, wanted in zip(logs, batch.tensors["wanted"].tolist(), strict=True):
        for position, token in enumerate(wanted):
            if token != 0:
                total -= float(0.8 * row[position, token] + 0.2 * row[position].mean())
                count += 1
    assert float(loss) == pytest.approx(total, rel=1e-5)
    assert batch.predictions == count and carry == ()


def test_targets_are_shifted_by_one_and_end(tmp_path: Path) -> None:
    lesson, _ = _lesson(tmp_path)
    batch = lesson.batch(0, 1)
    for source, said, wanted in zip(*(batch.tensors[n].tolist() for n in ("source", "said", "wanted")), strict=True):
        said, wanted = [t for t in said if t != 0], [t for t in wanted if t != 0]
        assert said[0] == 1 and wanted[-1] == 2 and said[1:] == wanted[:-1]
        assert [t for t in source if t != 0][-1] == 2


def test_a_training_learns_to_translate_what_it_has_seen(tmp_path: Path) -> None:
    (tmp_path / "seen").mkdir()
    found = files(tmp_path / "seen", 12)
    task = {**found, "valid": found["train"], "test": found["train"]}
    own = settings(
        tmp_path, task=task, model={"width": 32, "feed_forward": 64, "dropout": 0.0},
        training={"length": 120, "batch": 600, "learning_rate": 1e-2, "warmup": 20, "learning_rate_schedule":
                  "inverse_sqrt"},
    )  # fmt: skip
    network = make_model(own)
    start = Start(0, network.initialise(stream_seed(0, "initialisation")), {}, 0, 120)
    sink = Memory()
    assert _run(own, network, start, sink).run()
    last = sink.records[-1][2]
    assert last["bleu/test"] > 90 and last["bleu/valid"] == last["bleu/test"]
    assert last["perplexity/valid"] < 1.5
    assert sink.results[0][3] == last["bleu/test"]
    assert all("bleu/test" not in values for _, _, values in sink.records[:-1])


def test_an_evaluation_can_be_interrupted(tmp_path: Path) -> None:
    lesson, own = _lesson(tmp_path)
    network = make_model(own)
    assert isinstance(network, ModuleNetwork)
    with pytest.raises(Interrupted):
        lesson.test(network.module().eval(), lambda: False)


def test_a_ticket_at_the_rewind_point_does_not_repeat_the_warm_up_unless_asked(tmp_path: Path) -> None:
    for schedule, rate in (("rewind", 1e-2 * (4 / 6) ** 0.5), ("start", 1e-2 / 4)):
        own = settings(
            tmp_path, training={"learning_rate_schedule": "inverse_sqrt", "warmup": 4, "length": 10},
            rewinding={"weights": 5, "schedule": schedule},
        )  # fmt: skip
        network = make_model(own)
        one = make_stack(own, network, [Start(0, network.initialise(0), {}, *own.span("winning"))], "cpu")
        assert isinstance(one, SupervisedStack)
        one.update()
        assert one.step.optimizer.param_groups[0]["lr"] == pytest.approx(rate)


def checkpoint(folder: Path, kind: str) -> str:
    """A small checkpoint with its tokenizer, made on the spot."""
    from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    words = vocabulary.learn((text for pair in sentences.pairs(300) for text in pair), 200)
    special = dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), SPECIAL, strict=True))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words.tokenizer, **special)
    torch.manual_seed(11)
    model: Any
    if kind == "marian":
        model = MarianMTModel(MarianConfig(
            vocab_size=210, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24, max_position_embeddings=300,
            pad_token_id=0, eos_token_id=2, decoder_start_token_id=0, forced_eos_token_id=2, scale_embedding=True,
        ))  # fmt: skip
        model.final_logits_bias.normal_()
    else:
        model = T5ForConditionalGeneration(T5Config(
            vocab_size=210, d_model=16, d_kv=8, d_ff=24, num_layers=1, num_heads=2, pad_token_id=0, eos_token_id=2,
            decoder_start_token_id=0,
        ))  # fmt: skip
    if kind == "untied t5":  # as T5 from version 1.1 on, and FLAN-T5
        model.lm_head.weight = nn.Parameter(torch.randn(210, 16))
    model.save_pretrained(folder / kind)
    tokenizer.save_pretrained(folder / kind)
    return str(folder / kind)


@pytest.mark.parametrize("kind", ["marian", "t5"])
def test_tickets_start_at_a_checkpoint_and_its_embeddings_can_be_kept(kind: str, tmp_path: Path) -> None:
    from transformers import AutoModelForSeq2SeqLM

    path = checkpoint(tmp_path, kind)
    own = settings(
        tmp_path, arms=["winning", "random"], task={"tokenizer": "checkpoint", "checkpoint": path},
        pruning={"keep": ["embedding"], "rounds": 1}, rewinding={"weights": 0},
    )  # fmt: skip
    model = {"kind": "pretrained_seq2seq", "checkpoint": path}
    own = Experiment.from_json(own.model_copy(update={"model": _network_section(model)}).canonical())
    batches = Batches(tmp_path, own)
    batches.run(dense(own))
    batches.run([TrialKey(1, "winning", 0)])
    batches.run([TrialKey(1, "random", 0)])
    assert not batches.failures
    network = make_model(own)
    assert isinstance(network, ModuleNetwork) and network.trained is not None
    theirs = AutoModelForSeq2SeqLM.from_pretrained(path).eval()
    mine: Any = network.module().eval()
    with torch.no_grad():
        for name, parameter in mine.named_parameters():
            parameter.copy_(network.trained()[name])
        source, target = torch.tensor([[5, 6, 7, 2, 0]]), torch.tensor([[0, 8, 9]])
        seen = (source != 0).long()
        logits = theirs(input_ids=source, attention_mask=seen, decoder_input_ids=target).logits
        torch.testing.assert_close(mine(source, target), logits)
    groups = network.groups()
    assert groups["model.model.shared.weight" if kind == "marian" else "model.shared.weight"] >= {"embedding", "output"}
    assert {"attention", "feed_forward", "norm"} <= set().union(*groups.values())
    assert all(tags & {"embedding", "encoder", "decoder", "output"} for tags in groups.values())


def _network_section(fields: dict[str, Any]) -> Any:
    from lth_core.settings.language_networks import PretrainedSeq2Seq

    return PretrainedSeq2Seq(**fields)


def test_a_checkpoint_that_cannot_be_had_is_said_in_a_sentence(tmp_path: Path) -> None:
    from lth_core.models import marian

    with pytest.raises(InputError, match=r"model.checkpoint = .*nowhere: expected a folder"):
        marian.pretrained(_network_section({"checkpoint": str(tmp_path / "nowhere")}), 10, 8)
    with pytest.raises(InputError, match=r"task.checkpoint = .*nowhere: its tokenizer cannot be loaded"):
        vocabulary.of_checkpoint(str(tmp_path / "nowhere"))
    path = checkpoint(tmp_path, "marian")
    with pytest.raises(InputError, match=r"has an embedding for 210 tokens, the tokenizer has 500"):
        marian.pretrained(_network_section({"checkpoint": path}), 500, 8)
    config = Path(path) / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "pad_token_id": 2}))
    with pytest.raises(InputError, match=r"task.checkpoint = .*marian: pads texts with the token that ends them \(2\)"):
        vocabulary.of_checkpoint(path)
    os.truncate(Path(path) / "model.safetensors", 100)
    with pytest.raises(InputError, match=r"model.checkpoint = .*marian: expected a folder .*deserializing header"):
        marian.pretrained(_network_section({"checkpoint": path}), 10, 8)


def test_translations_do_not_depend_on_what_is_translated_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson, own = _lesson(tmp_path)
    network = make_model(own)
    assert isinstance(network, ModuleNetwork)
    module: nn.Module = network.module().eval()
    together = lesson.translations(module, "test", lambda: True)
    monkeypatch.setattr(translation, "_SEARCHED", 1)
    assert lesson.translations(module, "test", lambda: True) == together
    assert len(together) == 8 and len(set(together)) > 1


def test_a_measured_search_ends_where_references_do(tmp_path: Path) -> None:
    lesson, own = _lesson(tmp_path)
    torch.manual_seed(0)
    module = make_model(own).module()  # type: ignore[attr-defined]
    with torch.no_grad():
        new = sum(len(text) for text in lesson.translations(module, "test", lambda: True))
        lesson.search_as_trained()
        cut = sum(len(text) for text in lesson.translations(module, "test", lambda: True))
    assert 0 < cut < new / 2
