"""Training an LSTM language model: this program's stack, with and without masks, against a plain loop.

    python -m benchmarks.language_lstm [small|paper] [TURNS]

The plain loop is the usual one: embedding, a two-layer nn.LSTM with dropout, a linear decoder, CrossEntropyLoss over
all scores, gradients clipped at a norm of 0.25, torch.optim.Adam as it comes. Each side has a process of its own and
one thread; they take turns, so that a busy machine slows all of them, and medians of CPU time and of the ratios of
turns side by side are printed. What masks cost is measured in one process in which two stacks, one of them pruned to
half, take turns at every update: sums over a turn are compared.
"""

import os
import statistics
import subprocess
import sys
import time

from lth_core.engine.surroundings import variables

SIZES = {  # width, layers, vocabulary, batch, window, updates a turn
    "small": (128, 2, 6_500, 20, 35, 10),
    "paper": (650, 2, 33_278, 30, 50, 1),
}
CLIP = 0.25
SIDES = ("plain", "stack", "masks")


def main() -> None:
    """Let the sides take turns; print tokens per second of CPU time and the ratios."""
    size = sys.argv[1] if len(sys.argv) > 1 else "small"
    turns = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    usual = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    workers = {**variables(1), "THP_MEM_ALLOC_ENABLE": "1"}  # as for tasks of this kind
    command = [sys.executable, "-m", "benchmarks.language_lstm", "--side"]
    children = {
        name: subprocess.Popen(
            [*command, name, size],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=usual if name == "plain" else workers,
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
    for name in ("plain", "stack"):
        rate = batch * window * updates / statistics.median(found[name])
        print(f"{name:6} {rate:10,.0f} tokens per second of CPU time")
    ratios = [a / b for a, b in zip(found["plain"], found["stack"], strict=True)]
    print(f"stack / plain = {_middle(ratios, '.2f')} (target 1.5)")
    print(f"cost of masks = {_middle([100 * cost for cost in found['masks']], '+.1f')} % of a step (target 3 at most)")


def _middle(values: list[float], form: str) -> str:
    """The median, and between which values the middle half is."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:{form}} (middle half {low:{form}} to {high:{form}})"


def side(name: str, size: str) -> None:
    """For each line of standard input: the CPU seconds of a turn, or of "masks" their share of a step."""
    import torch

    from benchmarks.plain_lstm import plain_lstm

    torch.set_num_threads(1)
    *sizes, updates = SIZES[size]
    if name == "masks":
        off, on = (stack(*sizes, masks=masks) for masks in (False, True))
        for _ in sys.stdin:
            taken = [0.0, 0.0]
            for _ in range(max(2, updates // 2)):
                for i, update in enumerate((off, on)):
                    start = time.process_time()
                    update()
                    taken[i] += time.process_time() - start
            print(taken[1] / taken[0] - 1, flush=True)
        return
    update = plain_lstm(*sizes, clip=CLIP) if name == "plain" else stack(*sizes, masks=False)
    for _ in sys.stdin:
        start = time.process_time()
        for _ in range(updates):
            update()
        print(time.process_time() - start, flush=True)


def stack(width, layers, vocabulary, batch, window, masks):
    """This program's stack of one ticket; half of its weights pruned where masks are asked for."""
    import numpy as np

    from benchmarks.stacks import starts
    from lth_core.models import language
    from lth_core.settings.language_networks import LSTM
    from lth_core.settings.supervised import Supervised
    from lth_core.tasks.text.corpus import Corpus
    from lth_core.training.language import LanguageLesson
    from lth_core.training.supervised import SupervisedStack

    tokens = np.random.default_rng(0).integers(0, vocabulary, batch * (100 * window + 1)).astype(np.uint16)
    corpus = Corpus(tokens, tokens, tokens, vocabulary, {}, "", "")
    network = language.recurrent(LSTM(embedding=width, hidden=width, layers=layers, dropout=0.5), vocabulary)
    settings = Supervised(batch=batch, learning_rate=1e-3, epsilon=1e-3, length=10**9, max_gradient_norm=CLIP)
    own = starts(network, 1, 0.5 if masks else None)
    return SupervisedStack(settings, network, LanguageLesson(corpus, window, settings), own, "cpu").update


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        side(sys.argv[2], sys.argv[3])
    else:
        main()
