"""Training an LSTM language model: this program's stack, with and without masks, against a plain loop.

    python -m benchmarks.language_lstm [small|paper] [ROUNDS]

The plain loop is the usual one: embedding, a two-layer nn.LSTM with dropout, a linear decoder, CrossEntropyLoss over
all scores, torch.optim.Adam as it comes. Each side has a process of its own and one thread; they take turns, so that
a busy machine slows all of them, and the ratio of the medians of CPU time is printed.
"""

import os
import statistics
import subprocess
import sys
import time

SIZES = {  # width, layers, vocabulary, batch, window, updates a turn
    "small": (128, 2, 6_500, 20, 35, 10),
    "paper": (650, 2, 33_278, 30, 50, 1),
}
SIDES = ("plain", "stack", "stack with masks")


def main() -> None:
    """Let the sides take turns; print tokens per second of CPU time and the ratios."""
    size = sys.argv[1] if len(sys.argv) > 1 else "small"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", "benchmarks.language_lstm", "--side"]
    children = {}
    for name in SIDES:
        # Huge pages are what a worker asks for with tasks of this kind.
        own = (
            environment if name == "plain" or os.environ.get("NOTHP") else {**environment, "THP_MEM_ALLOC_ENABLE": "1"}
        )
        children[name] = subprocess.Popen(
            [*command, name, size], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own
        )
    seconds: dict[str, list[float]] = {name: [] for name in SIDES}
    for number in range(rounds + 1):
        for name, child in children.items():
            assert child.stdin and child.stdout
            child.stdin.write("go\n")
            child.stdin.flush()
            taken = float(child.stdout.readline())
            if number:  # the first turn warms up
                seconds[name].append(taken)
    for child in children.values():
        assert child.stdin
        child.stdin.close()
        child.wait()
    _, _, _, batch, window, updates = SIZES[size]
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    for name, taken in medians.items():
        print(f"{name:18} {batch * window * updates / taken:10,.0f} tokens per second of CPU time")
    print(f"stack / plain = {medians['plain'] / medians['stack']:.2f} (target 1.5)")
    pairs = [a / b - 1 for a, b in zip(seconds["stack with masks"], seconds["stack"], strict=True)]
    print(f"cost of masks = {100 * statistics.median(pairs):+.1f} % of a step (target 3 at most)")


def side(name: str, size: str) -> None:
    """Train a turn for each line of standard input, and say how many CPU seconds it took."""
    import torch

    torch.set_num_threads(1)
    if name != "plain" and os.environ.get("MALLOPT"):
        import ctypes

        c = ctypes.CDLL(None)
        c.mallopt(-4, 0)
        c.mallopt(-1, 2**31 - 1)
    updates = SIZES[size][-1]
    update = plain(*SIZES[size][:-1]) if name == "plain" else stack(*SIZES[size][:-1], masks="masks" in name)
    for _ in sys.stdin:
        start = time.process_time()
        for _ in range(updates):
            update()
        print(time.process_time() - start, flush=True)


def plain(width, layers, vocabulary, batch, window):
    """The usual loop."""
    import torch
    from torch import nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Embedding(vocabulary, width)
            self.rnn = nn.LSTM(width, width, layers, dropout=0.5)
            self.decoder = nn.Linear(width, vocabulary)

        def forward(self, tokens, hidden):
            output, hidden = self.rnn(self.encoder(tokens), hidden)
            return self.decoder(output).view(-1, vocabulary), hidden

    model, criterion = Model(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, eps=1e-3)
    data = torch.randint(vocabulary, (100 * window + 1, batch))
    state = {"hidden": None, "place": 0}

    def update() -> None:
        model.train()
        first = state["place"] * window % (len(data) - window - 1)
        tokens, targets = data[first : first + window], data[first + 1 : first + window + 1].view(-1)
        optimizer.zero_grad()
        scores, hidden = model(tokens, state["hidden"])
        state["hidden"] = tuple(part.detach() for part in hidden)
        criterion(scores, targets).backward()
        optimizer.step()
        state["place"] += 1

    return update


def stack(width, layers, vocabulary, batch, window, masks):
    """This program's stack of one ticket; half of its weights pruned where masks are asked for."""
    import numpy as np
    import torch

    from lth_core.models import language
    from lth_core.settings.language_networks import LSTM
    from lth_core.settings.supervised import Supervised
    from lth_core.tasks.text.corpus import Corpus
    from lth_core.training.language import LanguageLesson
    from lth_core.training.stack import Start
    from lth_core.training.supervised import SupervisedStack

    tokens = np.random.default_rng(0).integers(0, vocabulary, batch * (100 * window + 1)).astype(np.uint16)
    corpus = Corpus(tokens, tokens, tokens, vocabulary, {}, "", "")
    network = language.recurrent(LSTM(embedding=width, hidden=width, layers=layers, dropout=0.5), vocabulary)
    settings = Supervised(batch=batch, learning_rate=1e-3, epsilon=1e-3, length=10**9)
    mask = {n: torch.rand(shape) < 0.5 for n, shape in network.shapes().items()} if masks else {}
    start = Start(0, network.initialise(0), mask, 0, 10**9)
    return SupervisedStack(settings, network, LanguageLesson(corpus, window, settings), [start], "cpu").update


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        side(sys.argv[2], sys.argv[3])
    else:
        main()
