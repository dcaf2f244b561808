"""What keeping masks costs a training step on a CPU, by networks of text.

    python -m benchmarks.masks [NAME ...] [--turns N]

Two stacks of one ticket each, one of them pruned to half, train in one process with one thread and take turns at every
update, over one batch that is made anew each time: batches of translation differ in length. Printed are the CPU time
of the pruned stack by that of the other, summed over a turn, minus one: the median over turns, and the middle half;
then the share of the pruned stack's time that passes in the multiplications by masks themselves, which is less noisy.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

from benchmarks.language_lstm import SIZES as LSTM_SIZES
from benchmarks.language_lstm import of_workers

UPDATES = {"lstm-small": 10, "lstm-reference": 2, "lstm-paper": 1, "transformer-quick": 20, "transformer-base": 1}
"""A turn's, by network: about as many seconds each."""


def main():
    """Print a line per network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NAME", help=", ".join(UPDATES))
    parser.add_argument("--turns", type=int, default=15)
    arguments = parser.parse_args()
    if unknown := set(arguments.networks) - set(UPDATES):
        parser.error(f"{', '.join(unknown)}: accepted are {', '.join(UPDATES)}")
    if "THP_MEM_ALLOC_ENABLE" not in os.environ:
        sys.exit(subprocess.call([sys.executable, "-m", "benchmarks.masks", *sys.argv[1:]], env=of_workers()))
    for name in arguments.networks or UPDATES:
        more, within = costs(name, arguments.turns)
        low, middle, high = statistics.quantiles(more, n=4)
        own = statistics.median(within)
        print(f"{name:18} {middle:+5.1f} % of a step ({low:+.1f} to {high:+.1f}), multiplying {own:.1f} %", flush=True)


def costs(name, turns):
    """Two percentages for each turn: how much more time, and how much of it is spent multiplying."""
    import torch

    from benchmarks.language_sides import First

    torch.set_num_threads(1)
    stacks = [make(name, masks) for masks in (False, True)]
    for one in stacks:
        one.lesson = First(one.lesson, 1)
        one.update()
    multiplying = Clock()
    masks = stacks[1].step.masks
    masks.gradients = multiplying.around(masks.gradients)
    more, within = [], []
    for _ in range(turns):
        clocks, multiplying.seconds = [Clock(), Clock()], 0.0
        for number in range(UPDATES[name]):
            for i in (0, 1) if number % 2 else (1, 0):
                clocks[i].around(stacks[i].update)()
        more.append(100 * (clocks[1].seconds / clocks[0].seconds - 1))
        within.append(100 * multiplying.seconds / clocks[1].seconds)
    return more, within


class Clock:
    """CPU seconds spent in functions."""

    def __init__(self):
        self.seconds = 0.0

    def around(self, function):
        """The function, timed."""

        def timed():
            start = time.process_time()
            function()
            self.seconds += time.process_time() - start

        return timed


def make(name, masks):
    """A stack of one ticket of such a network."""
    if name.startswith("lstm-"):
        from benchmarks.language_lstm import stack

        return stack(*LSTM_SIZES[name.removeprefix("lstm-")][:-1], masks)
    if name == "transformer-quick":
        from benchmarks.translation import ours

        return ours("own", 0.5 if masks else None, 1_000)
    from benchmarks.language_sides import BASE, pairs, translator

    return translator(BASE, 32_768, pairs(32_768, 1_000, 25), 3_584, masks=masks)


if __name__ == "__main__":
    main()
