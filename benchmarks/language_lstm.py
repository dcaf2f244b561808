"""Training an LSTM language model: this program's stack of one ticket against a plain loop.

    python -m benchmarks.language_lstm [small|reference|paper] [TURNS]

The plain loop is the usual one: embedding, a two-layer nn.LSTM with dropout, a linear decoder, CrossEntropyLoss over
all scores, gradients clipped at a norm of 0.25, torch.optim.Adam as it comes. Sizes: of lm-quick, of PyTorch's example
of word-language models on WikiText-2, of the paper. Each side has a process of its own and one thread; they take
turns, so that a busy machine slows both, and medians of CPU time and of the ratios of turns side by side are printed.
"""

import os
import statistics
import subprocess
import sys
import time

from lth_core.batches.processes import variables

SIZES = {  # width, layers, vocabulary, batch, window, updates a turn
    "small": (128, 2, 6_500, 20, 35, 10),
    "reference": (200, 2, 33_278, 20, 35, 2),
    "paper": (650, 2, 33_278, 30, 50, 1),
}
CLIP = 0.25
SIDES = ("plain", "stack")


def main() -> None:
    """Let the sides take turns; print tokens per second of CPU time and the ratios."""
    size = sys.argv[1] if len(sys.argv) > 1 else "reference"
    turns = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    usual = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", "benchmarks.language_lstm", "--side"]
    children = {
        name: subprocess.Popen(
            [*command, name, size],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=usual if name == "plain" else of_workers(),
        )
        for name in SIDES
    }
    found: dict[str, list[float]] = {name: [] for name in SIDES}
    for number in range(turns + 1):
        for name, child in children.items():
            assert child.stdin and child.stdout
            child.stdin.write("go\n")
            child.stdin.flush()
            value = float(child.stdout.readline())
            if number:  # the first turn warms up
                found[name].append(value)
    for child in children.values():
        assert child.stdin
        child.stdin.close()
        child.wait()
    _, _, _, batch, window, updates = SIZES[size]
    for name in SIDES:
        rate = batch * window * updates / statistics.median(found[name])
        print(f"{name:6} {rate:10,.0f} tokens per second of CPU time")
    ratios = [a / b for a, b in zip(found["plain"], found["stack"], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"stack / plain = {middle:.2f} (middle half {low:.2f} to {high:.2f})")


def of_workers() -> dict[str, str]:
    """The environment that workers with one thread give tasks of text."""
    return {**variables(1), "THP_MEM_ALLOC_ENABLE": "1"}


def side(name: str, size: str) -> None:
    """For each line of standard input: the CPU seconds of a turn."""
    import torch

    from benchmarks.plain_lstm import plain_lstm

    torch.set_num_threads(1)
    *sizes, updates = SIZES[size]
    update = plain_lstm(*sizes, clip=CLIP) if name == "plain" else stack(*sizes).update
    for _ in sys.stdin:
        start = time.process_time()
        for _ in range(updates):
            update()
        print(time.process_time() - start, flush=True)


def stack(width, layers, vocabulary, batch, window, masks=False):
    """This program's stack of one ticket; half of its weights pruned where masks are asked for."""
    import numpy as np

    from benchmarks.stacks import starts
    from lth_core.models import language
    from lth_core.settings.language_networks import LSTM
    from lth_core.settings.supervised import Supervised
    from lth_core.tasks.text.corpus import Corpus
    from lth_core.training.supervised.language import LanguageLesson
    from lth_core.training.supervised.stack import SupervisedStack

    tokens = np.random.default_rng(0).integers(0, vocabulary, batch * (100 * window + 1)).astype(np.uint16)
    corpus = Corpus(tokens, tokens, tokens, vocabulary, {}, "", "")
    network = language.recurrent(LSTM(embedding=width, hidden=width, layers=layers, dropout=0.5), vocabulary)
    settings = Supervised(batch=batch, learning_rate=1e-3, epsilon=1e-3, length=10**9, max_gradient_norm=CLIP)
    own = starts(network, 1, 0.5 if masks else None)
    return SupervisedStack(settings, network, LanguageLesson(corpus, window, settings), own, "cpu")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        side(sys.argv[2], sys.argv[3])
    else:
        main()
