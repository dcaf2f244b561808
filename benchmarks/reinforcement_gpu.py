"""Reinforcement learning on a GPU: stacks against one CPU core, graphs against calls, formats, and what stepping binds.

Environment steps per second of the clock, all tickets together, in one process if nothing else is said. Sides of a
comparison take turns. Run where torch has a CUDA device: python -m benchmarks.reinforcement_gpu [SECTION ...]
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.reinforcement_sides import games_rate, pixels, rate, rates, without_replaying
from benchmarks.stacks import classic, stack
from lth_core.experiment.experiment import Experiment
from lth_core.training.cuda_graphs import Replayed
from lth_core.training.families import make_model, make_stack
from lth_core.training.precision import products
from lth_core.training.reinforcement.halves import HalvesStack
from lth_core.training.reinforcement.stack import ActorCriticStack
from lth_core.training.stack import Stack, Start

CORES = len(os.sched_getaffinity(0))


def small_networks() -> None:
    """Stacks of perceptrons: a GPU against one core."""
    for algorithm, hidden in (("a2c", (64, 64)), ("a2c", (256, 256, 256)), ("ppo", (64, 64))):
        settings = classic(algorithm, hidden)
        for tickets in (32, 128):
            core, gpu = rates([stack(settings, tickets, "cpu"), stack(settings, tickets, "cuda")], 2, 0.5)
            name = f"{algorithm} CartPole {'x'.join(map(str, hidden)):11} {tickets:3} tickets"
            print(f"{name}: core {core:11,.0f}/s  GPU {gpu:11,.0f}/s  {gpu / core:5.2f}x", flush=True)


def graphs() -> None:
    """What replaying gains over calling."""
    cases = [
        ("a2c 64x64 32 tickets", classic("a2c", (64, 64)), 32),
        ("a2c 3x256 32 tickets", classic("a2c", (256,) * 3), 32),
        ("ppo 64x64 32 tickets", classic("ppo", (64, 64)), 32),
        ("a2c nature, 16 games", pixels("nature", 16), 1),
    ]  # fmt: skip
    for name, settings, tickets in cases:
        replayed, called = [], []
        one, other = stack(settings, tickets, "cuda"), stack(settings, tickets, "cuda")
        for side in (one, other):
            for _ in range(3):
                side.update()
        for _ in range(3):
            replayed.append(rate(one))
            with without_replaying():
                called.append(rate(other))
        a, b = statistics.median(replayed), statistics.median(called)
        print(f"{name:22}: replayed {a:11,.0f}/s  called {b:11,.0f}/s  {a / b:5.2f}x", flush=True)


def parts() -> None:
    """Where the time of an update goes on a GPU: acting, the environments, learning."""
    for name, settings, tickets in (
        ("a2c 64x64", classic("a2c", (64, 64)), 32), ("a2c 3x256", classic("a2c", (256,) * 3), 32),
        ("nature, 64 games", pixels("nature", 64), 1), ("paper, 64 games", pixels("paper", 64), 1),
    ):  # fmt: skip
        one: Any = stack(settings, tickets, "cuda")
        spent = {"acting": 0.0, "environments": 0.0, "learning": 0.0}

        def timed(owner: Any, attribute: str, part: str, spent: dict[str, float] = spent) -> None:
            real = getattr(owner, attribute)

            def call(*arguments: Any) -> Any:
                start = time.perf_counter()
                found = real(*arguments)
                if part == "learning":
                    torch.cuda.synchronize()
                spent[part] += time.perf_counter() - start
                return found

            setattr(owner, attribute, call)

        for _ in range(3):
            one.update()
        timed(one._actor, "act", "acting")
        games = hasattr(one.collector.environments, "receive")  # of which only the waiting is timed
        timed(one.collector.environments, "receive" if games else "step", "environments")
        timed(one, "_learning", "learning")
        start, updates = time.perf_counter(), 40
        for _ in range(updates):
            one.update()
        whole = time.perf_counter() - start
        shares = "  ".join(f"{part} {1000 * own / updates:6.2f}" for part, own in spent.items())
        print(f"{name:17}: ms an update {1000 * whole / updates:6.2f}: {shares}", flush=True)


def atari() -> None:
    """The share of bare stepping that training keeps: one worker, several beside each other on one GPU."""
    for environments in (64, 256):
        bare = statistics.median(games_rate(environments, 1.0) for _ in range(3))
        print(f"AtariVectorEnv alone, {environments} games, {os.environ['OMP_NUM_THREADS']} threads: {bare:9,.0f}/s")
        for architecture, precision in ((a, p) for a in ("nature", "paper") for p in ("float32", "tfloat32")):
            (found,) = rates([stack(pixels(architecture, environments, precision), 1, "cuda")], 2, 0.8)
            print(f"  {architecture:6} {precision:8}: {found:9,.0f}/s  keeps {found / bare:.0%}", flush=True)


def halves() -> None:
    """A2C whose games are stepped in halves while it acts, against games that wait, and bare stepping, in turn."""
    for environments in (16, 64, 256):
        settings = pixels("nature", environments)
        model: Any = make_model(settings)
        starts = [Start(0, model.initialise(0), {}, 0, settings.training.length)]
        sides = [kind(settings, model, starts, "cuda") for kind in (HalvesStack, ActorCriticStack)]
        for side in sides * 3:
            side.update()
        found = [[games_rate(environments, 1.0), *(rate(side) for side in sides)] for _ in range(3)]
        bare, halved, whole = (statistics.median(own) for own in zip(*found, strict=True))
        print(
            f"{environments:3} games: bare {bare:9,.0f}/s  in halves {halved:9,.0f}/s, {halved / bare:.0%}  "
            f"whole {whole:9,.0f}/s, {whole / bare:.0%}  ratio {halved / whole:.2f}",
            flush=True,
        )


CROWDS: dict[str, Callable[[], tuple[Experiment, int]]] = {
    "64x64": lambda: (classic("a2c", (64, 64)), 32),
    "3x128": lambda: (classic("a2c", (128,) * 3), 32),
    "3x256": lambda: (classic("a2c", (256,) * 3), 32),
    "nature, 64 games": lambda: (pixels("nature", 64), 1),
}


def crowds() -> None:
    """Workers beside each other: as many as there are cores on the CPU, and 1, 2 and 4 on the GPU."""
    bare = statistics.median(games_rate(64, 1.0) for _ in range(3))
    print(f"AtariVectorEnv alone, 64 games, {os.environ['OMP_NUM_THREADS']} threads: {bare:,.0f}/s", flush=True)
    for device, count in (("cpu", CORES), ("cuda", 1), ("cuda", 2), ("cuda", 4)):
        cases = [name for name in CROWDS if device == "cuda" or "games" not in name]
        found = _crowd(device, count, cases)
        shown = "  ".join(f"{name} {rate:11,.0f}/s" for name, rate in zip(cases, found, strict=True))
        print(f"{count:2} workers on {device:4}: {shown}", flush=True)


def _crowd(device: str, count: int, cases: Sequence[str]) -> list[float]:
    """Steps per second of so many processes in each case, all together; the cores are shared between them."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, CORES // count))}
    command = [sys.executable, "-m", "benchmarks.reinforcement_gpu", "--side", device]
    pipe = subprocess.PIPE
    children = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) for _ in range(count)]

    def ask(line: str) -> list[str]:
        for child in children:
            assert child.stdin is not None
            child.stdin.write(f"{line}\n")
            child.stdin.flush()
        return [child.stdout.readline() for child in children if child.stdout is not None]

    try:
        found = []
        for case in cases:
            ask(case)
            found.append(sum(map(float, ask("go"))))
        return found
    finally:
        for child in children:
            child.kill()
            child.wait()


def side(device: str) -> None:
    """One of a crowd: makes what it is asked for ready, and says its rate."""
    one: Stack | None = None
    for line in sys.stdin:
        if line.strip() == "go":
            assert one is not None
            print(rate(one, 2.5), flush=True)
            continue
        one = stack(*CROWDS[line.strip()](), device)
        for _ in range(4):
            one.update()
        print("ready", flush=True)


def convolutions() -> None:
    """Forward and backward of stacks of convolutional networks in graphs: in groups, or apart; order of the pixels."""
    from lth_core.models.convolutional import ConvolutionalActorCritic

    for architecture, tickets, batch in itertools.product(("nature", "paper"), (1, 4), (40, 320)):
        model = make_model(pixels(architecture, 8))
        assert isinstance(model, ConvolutionalActorCritic)
        flat = torch.randn(tickets, sum(s.numel() for s in model.shapes().values()), device="cuda") * 0.02
        seen = torch.randint(0, 255, (tickets, batch, 4, 84, 84), dtype=torch.uint8, device="cuda")
        of_heads = torch.randn(tickets, batch, model.actions + 1, device="cuda")

        def apart(flat: Any, seen: Any, order: Any, model: Any = model) -> Any:
            if order is not torch.contiguous_format:
                with _pixels_last():
                    return torch.stack([model._alone(*one) for one in zip(flat.unbind(), seen.unbind(), strict=True)])
            return torch.stack([model._alone(*one) for one in zip(flat.unbind(), seen.unbind(), strict=True)])

        ways: dict[str, Callable[[Any], Any]] = {
            "apart": lambda leaf, seen=seen: apart(leaf, seen, torch.contiguous_format),
            "apart, pixels last": lambda leaf, seen=seen: apart(leaf, seen, torch.channels_last),
        }
        if tickets > 1:
            ways["grouped"] = lambda leaf, seen=seen, model=model: model._grouped(leaf, seen)
        shown = []
        for precision in ("float32", "tfloat32"):
            for name, way in ways.items():
                with products(precision, torch.device("cuda")):  # type: ignore[arg-type]
                    shown.append(f"{name}, {precision} {_both_ways(way, flat, of_heads):6.2f}")
        print(f"{architecture:6} {tickets} tickets, {batch:3} images, ms: {'  '.join(shown)}", flush=True)


def _both_ways(way: Callable[[Any], Any], flat: Any, of_heads: Any) -> float:
    """Milliseconds of heads and their gradient, replayed."""

    def run(_: Any) -> Any:
        leaf = flat.detach().requires_grad_()
        return torch.autograd.grad(way(leaf), leaf, of_heads)[0]

    replay, clock, times = Replayed(run, torch.device("cuda")), torch.zeros(1, device="cuda"), []
    for _ in range(9):
        torch.cuda.synchronize()
        start = time.perf_counter()
        replay(clock)
        torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[3:])


@contextmanager
def _pixels_last() -> Iterator[None]:
    """For this long, convolutions get their images and filters with the channels of a pixel side by side."""
    real = functional.conv2d

    def conv2d(x: Any, weight: Any, *others: Any, **more: Any) -> Any:
        order = torch.channels_last
        return real(x.contiguous(memory_format=order), weight.contiguous(memory_format=order), *others, **more)

    functional.conv2d = conv2d
    try:
        yield
    finally:
        functional.conv2d = real


def compiled() -> None:
    """torch.compile of what is learnt from a rollout, against a graph of it."""
    for name, settings, tickets in (("3x256", classic("a2c", (256,) * 3), 32), ("nature", pixels("nature", 64), 1)):
        graph, other = (stack(settings, tickets, "cuda") for _ in range(2))
        start = time.perf_counter()
        other._learning._function = torch.compile(other._learn)  # type: ignore[attr-defined]
        a, b = rates([graph, other], 3, 0.6)
        print(f"{name}: graph {a:,.0f}/s, compiled in a graph {b:,.0f}/s, {time.perf_counter() - start:.0f} s to build")


def stacked_games() -> None:
    """A stack of Atari tickets against a single one, as the engine measures it."""
    for environments in (8, 64):
        settings = pixels("nature", environments)
        one, four = rates([stack(settings, 1, "cuda"), stack(settings, 4, "cuda")], 2, 1.0)
        print(
            f"nature, {environments} games: 1 ticket {one:9,.0f}/s  4 tickets {four:9,.0f}/s  {four / one:.2f}x",
            flush=True,
        )


def learning() -> None:
    """CartPole from configs/learn: what 8 seeds score on a CPU core, on the GPU, and there in tf32."""
    from lth_core.experiment.file import load_experiment

    for device, precision in (("cpu", "float32"), ("cuda", "float32"), ("cuda", "tfloat32")):
        settings = load_experiment(Path("configs/learn/cartpole.toml"), [f'training.precision="{precision}"'])
        model = make_model(settings)
        starts = [Start(s, model.initialise(s), {}, *settings.span("dense")) for s in range(8)]
        one: Any = make_stack(settings, model, starts, device)
        start = time.perf_counter()
        while (one.counter < one.last).all():
            one.update()
        scores = [one.episodes.score(row) for row in range(8)]
        spent = time.perf_counter() - start
        print(f"CartPole, {device} {precision}: mean {np.mean(scores):.1f} (sd {np.std(scores):.1f}) in {spent:.1f} s")


SECTIONS = {
    "small_networks": small_networks, "graphs": graphs, "parts": parts, "crowds": crowds, "atari": atari,
    "halves": halves,
    "convolutions": convolutions, "stacked_games": stacked_games, "learning": learning, "compiled": compiled,
}  # fmt: skip


def main() -> None:
    """Print the sections asked for; one that fails does not end the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", default=list(SECTIONS))
    parser.add_argument("--side", metavar="DEVICE")
    arguments = parser.parse_args()
    if arguments.side:
        torch.set_num_threads(1)
        side(arguments.side)
        return
    os.environ.setdefault("OMP_NUM_THREADS", str(CORES))
    torch.set_num_threads(1)
    print(torch.cuda.get_device_name(), torch.__version__, f"{CORES} cores")
    for name in arguments.sections:
        print(f"# {name}", flush=True)
        start = time.perf_counter()
        try:
            SECTIONS[name]()
        except Exception:
            traceback.print_exc(file=sys.stdout)
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
