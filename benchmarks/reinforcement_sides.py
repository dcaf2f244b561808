"""What `benchmarks.reinforcement_gpu` lets take turns, and the clock that they are timed by."""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import resolve
from lth_core.training.cuda_graphs import Replayed
from lth_core.training.stack import Stack

SECONDS = 0.8


def pixels(architecture: str, environments: int, precision: str = "float32", algorithm: str = "a2c") -> Experiment:
    """Breakout."""
    training: dict[str, Any] = {
        "algorithm": algorithm, "environments": environments, "n_steps": 5, "precision": precision
    }  # fmt: skip
    if algorithm == "ppo":
        training |= {"n_steps": 64, "epochs": 4, "minibatches": 4}
        training |= {"normalise_observations": False, "normalise_returns": False}
    task = {"kind": "atari", "game": "breakout"}
    return resolve(
        {"name": "b", "seeds": 1, "task": task, "model": {"architecture": architecture}, "training": training}, "b"
    )


@contextmanager
def without_replaying() -> Iterator[None]:
    """For this long, functions are called and not replayed."""
    real = Replayed.__call__

    def call(self: Replayed, *arguments: Any) -> Any:
        from torch.utils import _pytree as pytree

        leaves, form = pytree.tree_flatten(arguments)
        self.inputs = [leaf.to(self._device, non_blocking=True) for leaf in leaves]
        return self._function(*pytree.tree_unflatten(self.inputs, form))

    Replayed.__call__ = call  # type: ignore[method-assign]
    try:
        yield
    finally:
        Replayed.__call__ = real  # type: ignore[method-assign]


def rate(one: Stack, seconds: float = SECONDS) -> float:
    """Steps per second of one turn."""
    before, start = one.trained, time.perf_counter()
    while time.perf_counter() - start < seconds:
        one.update()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (one.trained - before) * one.tickets / (time.perf_counter() - start)


def rates(sides: Sequence[Stack], turns: int = 3, seconds: float = SECONDS) -> list[float]:
    """Medians, taken in turns after some updates that do not count."""
    for side in sides:
        for _ in range(3):
            side.update()
    found = [[rate(side, seconds) for side in sides] for _ in range(turns)]
    return [statistics.median(own) for own in zip(*found, strict=True)]


def games_rate(environments: int, seconds: float) -> float:
    """Steps per second of AtariVectorEnv alone, with a thread a core."""
    from lth_core.tasks.atari import Atari

    settings = pixels("nature", environments)
    games: Any = Atari(settings.task, [0], environments)  # type: ignore[arg-type]
    games.reset()
    rng, steps, start = np.random.default_rng(0), 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        games._games[0].step(rng.integers(0, games.actions, environments))
        steps += environments
    return steps / (time.perf_counter() - start)
