"""Environments stepped on the device against the host's, in whole trainings of half-pruned networks.

64-64 on CartPole, 8 environments a ticket, and MinAtar with its defaults: 16 filters and 128 units, PPO with 64 games a
ticket. Both sides in turn, in one process with one thread of the host: steps of all tickets together per second of the
clock, and the device's over the host's. On a GPU the device's update is one CUDA graph. Run:

    python -m benchmarks.on_device [--device cuda] [--algorithm a2c] [--tickets 128 512 2048] [--turns 5]
    python -m benchmarks.on_device --game breakout seaquest --algorithm ppo [--tickets 32 128 512]
"""

import argparse
import itertools
import os
import statistics
import sys
import time

from lth_core.batches.processes import variables

if __name__ == "__main__" and "MALLOC_TRIM_THRESHOLD_" not in os.environ:
    # As workers run, with one thread.
    os.execve(sys.executable, sys.orig_argv, variables(1))  # noqa: S606

import torch

from benchmarks.stacks import classic, stack
from lth_core.experiment.file import resolve
from lth_core.settings.minatar import CHANNELS

WARM = 4
"""Updates that do not count: a graph is captured in them, and the audit looks at the first one."""


def experiment(game, algorithm, environments_on):
    """No record comes in time to be waited for."""
    if game == "cartpole":
        found = classic(algorithm, (64, 64))
    else:
        fields = {"name": "benchmark", "seeds": 1, "task": {"kind": "minatar", "game": game}}
        found = resolve({**fields, "training": {"algorithm": algorithm}}, "benchmark")
    own = {"environments_on": environments_on, "record_every": 10**12}
    return found.model_copy(update={"training": found.training.model_copy(update=own)})


def rate(one, seconds):
    """Steps per second of one turn, once the device has done them."""
    before, start = one.trained, time.perf_counter()
    while time.perf_counter() - start < seconds:
        one.update()
    one.broken()  # waits for the device
    return (one.trained - before) * one.tickets / (time.perf_counter() - start)


def compare(game, algorithm, tickets, device, turns, seconds):
    """Print both sides and the ratio of each pair of turns."""
    host, own = (stack(experiment(game, algorithm, on), tickets, device) for on in ("host", "device"))
    for side in (host, own):
        for _ in range(WARM):
            side.update()
        if hasattr(side, "_look"):
            side._look.left = []  # the second look is the audit's, and short beside a training
        side.broken()
    pairs = [(rate(host, seconds), rate(own, seconds)) for _ in range(turns)]
    ratios = [b / a for a, b in pairs]
    a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"{game:14} {algorithm} {tickets:5,} tickets on {device}: host {a:12,.0f}/s  device {b:12,.0f}/s  "
        f"{statistics.median(ratios):5.2f}x ({min(ratios):.2f} to {max(ratios):.2f})",
        flush=True,
    )


def main():
    """Print a line for each game, algorithm and number of tickets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--game", nargs="+", default=["cartpole"], choices=["cartpole", *CHANNELS])
    parser.add_argument("--algorithm", nargs="+", default=["a2c", "ppo"], choices=["a2c", "ppo"])
    parser.add_argument(
        "--tickets", nargs="+", type=int, help="128, 512 and 2,048; of MinAtar 32, 128 and 512; on a CPU 8 and 32"
    )
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn")
    own = parser.parse_args()
    name = torch.cuda.get_device_name() if own.device == "cuda" else "one thread"
    print(f"{name}, torch {torch.__version__}")
    for game, algorithm in itertools.product(own.game, own.algorithm):
        many = [128, 512, 2048] if game == "cartpole" else [32, 128, 512]
        for tickets in own.tickets or ([8, 32] if own.device == "cpu" else many):
            compare(game, algorithm, tickets, own.device, own.turns, own.seconds)


if __name__ == "__main__":
    main()
