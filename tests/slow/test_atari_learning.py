"""Breakout rises above a policy that acts at random: `configs/learn/breakout.toml`, some twenty CPU minutes.

Run: OMP_NUM_THREADS=1 pytest -m slow -s tests/slow/test_atari_learning.py
"""

import time
from pathlib import Path

import numpy as np
import pytest

from lth_core.experiment.file import load_experiment
from lth_core.randomness import stream_seed
from lth_core.settings.tasks import AtariTask
from lth_core.tasks.atari import Atari
from lth_core.training.families import make_model, make_stack
from lth_core.training.stack import Start

BREAKOUT = Path(__file__).parents[2] / "configs" / "learn" / "breakout.toml"


def random_returns(task: AtariTask, games: int) -> list[float]:
    """Returns of the first `games` games that end under uniformly drawn actions."""
    played = Atari(task, [0], 16)
    played.reset()
    rng, running, found = np.random.default_rng(0), np.zeros(16), list[float]()
    while len(found) < games:
        earned, ended = played.step(rng.integers(0, played.actions, (1, 16))).scored
        running += earned[0]
        found += running[ended[0]].tolist()
        running[ended[0]] = 0
    return found[:games]


@pytest.mark.slow
def test_breakout_rises_above_random() -> None:
    settings = load_experiment(BREAKOUT)
    assert isinstance(settings.task, AtariTask)
    random = random_returns(settings.task, 100)
    mean, error = float(np.mean(random)), float(np.std(random, ddof=1) / 10)
    print(f"\nrandom: mean {mean:.2f}, standard error {error:.2f}, 100 games")
    model, start = make_model(settings), time.process_time()
    begun = Start(0, model.initialise(stream_seed(0, "initialisation")), {}, 0, settings.training.length)
    stack = make_stack(settings, model, [begun], "cpu")
    following = 0
    while stack.counter[0] < stack.last[0]:
        stack.update()
        if stack.trained >= following:
            following += 20_480
            score, seconds = stack.metrics()[0]["return/train"], time.process_time() - start
            print(f"{stack.trained:,} steps, {seconds:.0f} CPU seconds: {score:.2f}", flush=True)
    assert stack.metrics()[0]["return/train"] > mean + 8 * error
