"""Learning from text on a GPU: graphs change nothing, formats are those asked for, and an interrupted run goes on."""

import gc
from typing import Any

import numpy as np
import pytest
import torch

from lth_core.models import language, transformer
from lth_core.models.module import ModuleNetwork
from lth_core.settings.language_networks import LSTM, Seq2Seq
from lth_core.settings.supervised import Supervised
from lth_core.settings.texts import TranslationTask
from lth_core.tasks.text.corpus import Corpus
from lth_core.tasks.translation.corpus import ParallelCorpus, Part
from lth_core.training.stack import Start
from lth_core.training.supervised.language import LanguageLesson
from lth_core.training.supervised.stack import SupervisedStack
from lth_core.training.supervised.translation import TranslationLesson
from tests.lessons import bits

WORDS = 300


class Special:
    pad, start, end = 0, 1, 2


def stack(kind: str, device: str = "cuda", **training: Any) -> SupervisedStack:
    """A ticket with half of its weights; an epoch of seven batches, the last of another shape."""
    settings = Supervised(batch=6 if kind == "lstm" else 500, length=100, max_gradient_norm=1.0, **training)
    random = np.random.default_rng(0)
    lesson: Any
    if kind == "lstm":
        tokens = random.integers(0, WORDS, 6 * (10 * 6 + 4)).astype(np.uint16)
        network = language.recurrent(LSTM(embedding=32, hidden=32), WORDS)
        lesson = LanguageLesson(Corpus(tokens, tokens, tokens, WORDS, {}, "", ""), 10, settings)
    else:
        lengths = random.integers(3, 20, 300)
        part = Part(random.integers(3, WORDS, lengths.sum()).astype(np.uint16), lengths.cumsum())
        corpus: Any = ParallelCorpus(dict.fromkeys(("train", "valid"), part), Special(), None, {}, {}, {}, 0, "", {})  # type: ignore[arg-type]
        sizes = Seq2Seq(width=32, feed_forward=64, heads=2, encoder_layers=1, decoder_layers=1, dropout=0.3)
        network = ModuleNetwork(lambda: transformer.Transformer(sizes, WORDS, 64), transformer.grouping)
        lesson = TranslationLesson(TranslationTask(), settings, corpus, 0)
    generator = torch.Generator().manual_seed(1)
    mask = {n: torch.rand(shape, generator=generator) < 0.5 for n, shape in network.shapes().items()}
    return SupervisedStack(settings, network, lesson, [Start(0, network.initialise(0), mask, 0, 100)], device)


def trained(one: SupervisedStack, updates: int = 30) -> SupervisedStack:
    for _ in range(updates):
        one.update()
    return one


@pytest.fixture(autouse=True, params=["kernels", "passes"])
def _step(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test with Adam of nearly all parameters in kernels of ours, and of none."""
    if request.param == "kernels":
        monkeypatch.setattr(pytest.importorskip("lth_core.training.supervised.adam_kernel"), "LARGE", 200)
    # Networks as small as here have no large parameter.


def assert_masked(one: SupervisedStack) -> None:
    """Outside the masks, weights and the optimizer's entries are zero."""
    for name, alive in one.step.masks.alive.items():
        entries = one.step.optimizer.state[one.module.get_parameter(name)]
        for tensor in (one.module.get_parameter(name).detach(), entries["exp_avg"], entries["exp_avg_sq"]):
            assert float((tensor * (1 - alive.float())).abs().max()) == 0


both = pytest.mark.parametrize("kind", ["lstm", "translation"])


@both
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_graph_changes_no_bit(kind: str, precision: str) -> None:
    eager, graph = (trained(stack(kind, precision=precision, cuda_graph=on)) for on in (False, True))
    assert bits(eager) == bits(graph)
    assert eager.metrics() == graph.metrics()


@both
def test_nothing_outside_the_mask_lives(kind: str) -> None:
    one = trained(stack(kind, cuda_graph=True, precision="bfloat16"))
    assert_masked(one)
    assert {weight.dtype for weight in one.weights(0).values()} == {torch.float32}


@both
def test_graphs_of_a_training_that_is_over_can_go_while_another_is_captured(kind: str) -> None:
    for _ in range(3):
        one = trained(stack(kind, cuda_graph=True), 12)
        one.itself = one  # type: ignore[attr-defined] # only the collector finds it
        del one
    gc.collect()
    assert trained(stack(kind, cuda_graph=True)).broken() == []


@both
@pytest.mark.parametrize("at", [1, 5, 17])
def test_a_training_restored_anywhere_goes_on_with_the_same_bits(kind: str, at: int) -> None:
    whole = trained(stack(kind, cuda_graph=True))
    first = trained(stack(kind, cuda_graph=True), at)
    torch.manual_seed(5)
    second = stack(kind, cuda_graph=True)
    second.restore(*first.state())
    assert bits(trained(second, 30 - at)) == bits(whole)


@both
def test_float32_on_a_gpu_is_what_a_cpu_computes(kind: str) -> None:
    # Dropout draws other numbers there: without it.
    # Gradients of keys' biases are zero but for rounding, of which Adam with a small epsilon makes steps.
    gpu, cpu = stack(kind, epsilon=1e-4), stack(kind, "cpu", epsilon=1e-4)
    for one in (gpu, cpu):
        one.module.eval()
        one.module.train = lambda mode=True, one=one: one.module  # type: ignore[method-assign]
    if kind == "lstm":
        torch.backends.cudnn.enabled = False  # cuDNN has no backward in evaluation
    try:
        trained(gpu, 5)
    finally:
        torch.backends.cudnn.enabled = True
    trained(cpu, 5)
    for name, weight in cpu.weights(0).items():
        torch.testing.assert_close(gpu.weights(0)[name], weight, rtol=1e-3, atol=1e-4)
    assert gpu.metrics()[0]["loss/train"] == pytest.approx(cpu.metrics()[0]["loss/train"], rel=1e-5)
