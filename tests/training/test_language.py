"""Training language models through whole attempts: every arm, ties, checkpoints, data that changed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lth_core.batches.batch import BatchFolder, BatchSpec, TrialSpec
from lth_core.batches.exit_codes import CHECKPOINTED, DONE
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.models import language
from lth_core.settings.language_networks import LSTM
from lth_core.settings.supervised import Supervised
from lth_core.store.workspace import Workspace
from lth_core.tasks.text.corpus import Corpus
from lth_core.tasks.text.windows import NOTHING, Evaluation, Windows
from lth_core.training.families import make_lesson, make_model, make_stack
from lth_core.training.run import RunningTrial, StackRun
from lth_core.training.stack import Start
from lth_core.training.supervised.language import LanguageLesson
from lth_core.worker.attempt import Attempt
from tests.small import ARMS, Memory
from tests.thorough import some
from tests.training.test_every_arm import Batches, dense

NETWORKS = [
    {"kind": "lstm", "embedding": 8, "hidden": 8, "dropout": 0.3},
    {"kind": "lstm", "embedding": 8, "hidden": 8, "tied": True, "dropout": 0.3},
    {"kind": "transformer", "width": 8, "layers": 1, "heads": 2, "feed_forward": 12},
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))


def text(folder: Path, words: int = 400) -> dict[str, str]:
    rng = np.random.default_rng(0)
    fields = {}
    for part in ("train", "valid", "test"):
        path = folder / f"{part}.txt"
        path.write_text("\n".join(" ".join(f"w{n}" for n in rng.integers(0, 9, 8)) for _ in range(words // 8)))
        fields[part] = str(path)
    return fields


def settings(folder: Path, **sections: Any) -> Experiment:
    fields: dict[str, Any] = {
        "name": "words",
        "seeds": [0],
        "task": {"kind": "language_model", "source": "files", "window": 6, **text(folder)},
        "model": NETWORKS[0],
        "training": {"length": 6, "batch": 4, "learning_rate": 1e-2, "record_every": 3, "checkpoint_every": 4},
        "pruning": {"rounds": 2},
        "rewinding": {"weights": 2},
    }
    return Experiment.from_fields({**fields, **sections})


@pytest.mark.parametrize("network", some(NETWORKS, NETWORKS[1]))
def test_every_built_in_arm_trains_and_passes_all_audits(network: dict[str, Any], tmp_path: Path) -> None:
    own = settings(
        tmp_path, model=network, arms=ARMS,
        training={"length": 6, "batch": 4, "learning_rate_schedule": "linear", "max_gradient_norm": 1.0},
        pruning={"rounds": 1}, rewinding={"weights": 2, "optimizer": "rewind"},
    )  # fmt: skip
    batches = Batches(tmp_path, own)
    keys = [*dense(own), *(TrialKey(1, arm, 0) for arm in ARMS)]
    for key in keys:
        batches.run([key])
    assert not batches.failures
    assert set(batches.results) == set(keys)
    assert all(batches.audits[key]["before data"] for key in keys)
    assert all(batches.results[key]["score"] > 1 for key in keys)


def test_an_interrupted_run_is_the_same_run(tmp_path: Path) -> None:
    own = settings(tmp_path, training={"length": 30, "batch": 4, "record_every": 7, "checkpoint_every": 4})
    network = make_model(own)
    mask = {n: torch.rand(s, generator=torch.Generator().manual_seed(3)) < 0.5 for n, s in network.shapes().items()}
    start = Start(0, network.initialise(0), mask, 0, 30)

    def run(sink: Memory) -> StackRun:
        trial = RunningTrial(0, TrialKey(0, "dense", 0), mask)
        return StackRun(own, make_stack(own, network, [start], "cpu"), [trial], sink)

    whole = Memory()
    assert run(whole).run()
    for stop_at in (1, 9, 14, 22):
        first, second = Memory(stop_at), Memory()
        assert not run(first).run()
        again = run(second)
        _, arrays, values = first.checkpoints[-1]
        again.restore(arrays, values)
        assert again.run()
        assert second.same_results(whole, 0)
        assert whole.records[-len(second.records) :] == second.records


def test_a_run_does_not_go_on_from_a_checkpoint_on_another_text(tmp_path: Path) -> None:
    own = settings(tmp_path, training={"length": 30, "batch": 4, "checkpoint_every": 4})
    workspace = Workspace(tmp_path / "w")
    workspace.create()
    spec = BatchSpec(1, 1, own, (TrialSpec(1, TrialKey(0, "dense", 0)),), (), "tensorboard/0001-words")
    folder = BatchFolder(workspace.batch(1))
    folder.complete(spec)

    def attempt(number: int, steps: int) -> int:
        folder.begin(number)
        left = iter([False] * steps)
        running = Attempt(workspace, spec, number, "cpu", lambda: next(left, True))
        try:
            return running.run()
        finally:
            running.close()

    assert attempt(1, 9) == CHECKPOINTED
    text(tmp_path, words=800)
    with pytest.raises(
        InputError, match=r"^the checkpoint was trained on other data \(train 4.. tokens .* than there is"
    ):
        attempt(2, 99)
    text(tmp_path)
    assert attempt(3, 999) == DONE


def test_tickets_that_build_on_other_data_fail_the_audit(tmp_path: Path) -> None:
    own = settings(tmp_path)
    batches = Batches(tmp_path, own)
    batches.run(dense(own))
    text(tmp_path, words=800)
    batches.run([TrialKey(1, "winning", 0)])
    assert "audit: data" in batches.failures[TrialKey(1, "winning", 0)]


def test_windows_cover_each_rows_tokens_once_and_in_order() -> None:
    windows = Windows(np.arange(47, dtype=np.uint16), 4, 3)
    cuts = [windows.at(place) for place in range(windows.windows)]
    assert all((targets == tokens + 1).all() for tokens, targets in cuts)
    read = np.concatenate([targets for _, targets in cuts], axis=1)
    assert (read == np.arange(44).reshape(4, 11)[:, 1:]).all()


@pytest.mark.parametrize(("tokens", "rows", "window"), [(47, 4, 3), (735, 10, 35), (40, 4, 5), (2, 2, 9), (13, 10, 4)])
def test_evaluation_predicts_every_token_once_from_the_one_before_it(tokens: int, rows: int, window: int) -> None:
    text = np.arange(tokens, dtype=np.uint16)
    whole = Evaluation(text, rows, window)
    cuts = [whole.at(place) for place in range(whole.windows)]
    read, wanted = (np.concatenate(parts, axis=1) for parts in zip(*cuts, strict=True))
    counted = wanted != NOTHING
    assert wanted[counted].tolist() == text.tolist()
    assert read[counted].tolist() == [tokens - 1, *range(tokens - 1)]


def test_perplexity_of_an_untrained_network_is_about_its_vocabulary(tmp_path: Path) -> None:
    tokens = np.random.default_rng(0).integers(0, 50, 2_000).astype(np.uint16)
    corpus = Corpus(tokens, tokens, tokens, 50, {}, "", "")
    lesson = LanguageLesson(corpus, 20, Supervised(batch=5))
    module = language.recurrent(LSTM(embedding=8, hidden=8), 50).module().eval()
    found = lesson.validate(module, lambda: True)
    assert found["perplexity/valid"] == pytest.approx(50, rel=0.05)
    assert found["log_perplexity/valid"] == pytest.approx(np.log(found["perplexity/valid"]))


def test_beside_the_perplexity_stands_what_the_frequencies_of_the_training_part_are_worth() -> None:
    train, judged = np.array([0, 0, 0, 1], np.uint16), np.array([0, 1, 2, 0], np.uint16)
    lesson = LanguageLesson(Corpus(train, train, judged, 3, {}, "", ""), 2, Supervised(batch=1))
    module = language.recurrent(LSTM(embedding=8, hidden=8), 3).module().eval()
    expected = -(2 * np.log(4 / 7) + np.log(2 / 7) + np.log(1 / 7)) / 4  # each counted once more
    assert lesson.test(module, lambda: True)["log_perplexity-unigram/test"] == pytest.approx(expected)


@pytest.mark.parametrize(("tokens", "most"), [(3, "1 text"), (7, "3 texts")])
def test_of_a_short_text_the_largest_batch_is_named(tokens: int, most: str) -> None:
    said = rf"training.batch = 20: the corpus has {tokens} tokens, expected a batch of at most {most}$"
    with pytest.raises(InputError, match=said):
        Windows(np.arange(tokens), 20, 3)


def test_a_batch_larger_than_the_corpus_is_refused(tmp_path: Path) -> None:
    own = settings(tmp_path, training={"length": 6, "batch": 400})
    with pytest.raises(InputError, match=r"training.batch = 400: the corpus has \d+ tokens"):
        make_lesson(own, 0)
