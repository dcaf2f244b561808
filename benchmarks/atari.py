"""Environment steps per CPU second of training on an Atari game: our A2C against Stable-Baselines3's, and raw stepping.

Both sides train Breakout with the network of Mnih et al. 2015, so many environments, n-steps of 5 and RMSprop; the
peer with its own wrappers, one environment after the other. `ours` is a dense network, as theirs is; `half` has half of
its weights pruned. `raw` steps AtariVectorEnv with random actions. `stack` is what stacking gains: so many half-pruned
tickets in one process against one. All take turns in one process with one thread.
Run: python -m benchmarks.atari (needs stable-baselines3 and opencv-python-headless).
"""

import argparse
import os
import statistics
import sys
import time
import warnings

from lth_core.batches.processes import variables

if __name__ == "__main__" and "MALLOC_TRIM_THRESHOLD_" not in os.environ:
    # As workers run, with one thread; the peer too.
    os.execve(sys.executable, sys.orig_argv, variables(1))  # noqa: S606
warnings.filterwarnings("ignore")

import numpy as np
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecFrameStack

from benchmarks.stacks import stack
from lth_core.experiment.file import resolve
from lth_core.tasks.atari import Atari

N_STEPS = 5


def experiment(environments):
    """Our side's settings."""
    training = {"environments": environments, "n_steps": N_STEPS}
    fields = {"name": "benchmark", "seeds": 1, "task": {"kind": "atari", "game": "breakout"}, "training": training}
    return resolve(fields, "benchmark")


def peer(environments):
    """Stable-Baselines3's A2C with its own network and wrappers."""
    games = VecFrameStack(make_atari_env("BreakoutNoFrameskip-v4", n_envs=environments, seed=0), 4)
    rates = {"learning_rate": 7e-4, "ent_coef": 0.01, "vf_coef": 0.25}
    model = A2C("CnnPolicy", games, n_steps=N_STEPS, device="cpu", **rates)
    model.set_logger(Logger(None, []))  # or each call of learn makes a temporary folder
    return model


def raw_rate(games, seconds):
    """Environment steps per CPU second of one turn, nothing learnt."""
    rng, steps, start = np.random.default_rng(0), 0, time.process_time()
    while time.process_time() - start < seconds:
        games._games[0].step(rng.integers(0, games.actions, games._count))
        steps += games._count
    return steps / (time.process_time() - start)


def stack_rate(trainer, seconds):
    """Environment steps per CPU second of one turn, all tickets together."""
    before, start = trainer.trained, time.process_time()
    while time.process_time() - start < seconds:
        trainer.update()
    return (trainer.trained - before) * trainer.tickets / (time.process_time() - start)


def peer_rate(model, seconds):
    """Environment steps per CPU second of one turn."""
    steps, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        model.learn(model.n_envs * N_STEPS * 5, reset_num_timesteps=False)
        steps += model.n_envs * N_STEPS * 5
    return steps / (time.process_time() - start)


def main():
    """Print the rates and their ratios: medians over turns, lowest and highest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4.0, help="CPU seconds of a turn")
    parser.add_argument("--environments", type=int, default=8)
    parser.add_argument("--tickets", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = experiment(arguments.environments)
    dense, half, several = stack(settings, 1, density=None), stack(settings, 1), stack(settings, arguments.tickets)
    theirs, games = peer(arguments.environments), Atari(settings.task, [0], 8)
    games.reset()
    sides = {
        "raw": lambda seconds: raw_rate(games, seconds),
        "ours": lambda seconds: stack_rate(dense, seconds),
        "Stable-Baselines3": lambda seconds: peer_rate(theirs, seconds),
        "half": lambda seconds: stack_rate(half, seconds),
        f"stack of {arguments.tickets}": lambda seconds: stack_rate(several, seconds),
    }
    for rate in sides.values():
        rate(0.5)
    rates = {name: [] for name in sides}
    for _ in range(arguments.turns):
        for name, rate in sides.items():
            rates[name].append(rate(arguments.seconds))
    for name, found in rates.items():
        print(f"{name:20} {statistics.median(found):8,.0f} steps per CPU second")
    last = f"stack of {arguments.tickets}"
    peers = [(side, "Stable-Baselines3") for side in ("ours", "half", last)]
    for above, below in (*peers, ("ours", "raw"), (last, "half")):
        pairs = [a / b for a, b in zip(rates[above], rates[below], strict=True)]
        shown = f"{above} / {below}"
        print(f"{shown:28} {statistics.median(pairs):6.2f}   ({min(pairs):.2f} to {max(pairs):.2f})")


if __name__ == "__main__":
    main()
