"""Environment steps per CPU second of DQN, training included: a stack of tickets against Stable-Baselines3's.

Both sides train CartPole with the settings of Stable-Baselines3's zoo (batches of 64, after every 256 steps 128
gradient steps, one environment per ticket, no double Q-learning) in one process with one thread, taking turns. Every
ticket of ours has a mask of half its weights. Run:

    python -m benchmarks.values
"""

import argparse
import os
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
from stable_baselines3 import DQN
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import Logger

from benchmarks.stacks import stack
from lth_core.experiment.experiment import Experiment

TICKETS = 32
TRAIN_EVERY, GRADIENT_STEPS, BATCH, REPLAY = 256, 128, 64, 100_000


class Peer:
    """Stable-Baselines3."""

    def __init__(self, hidden):
        self._model = DQN(
            "MlpPolicy", make_vec_env("CartPole-v1", n_envs=1, seed=0), learning_rate=2.3e-3, batch_size=BATCH,
            buffer_size=REPLAY, learning_starts=TRAIN_EVERY, gamma=0.99, target_update_interval=10,
            train_freq=TRAIN_EVERY, gradient_steps=GRADIENT_STEPS, exploration_fraction=0.16,
            exploration_final_eps=0.04, policy_kwargs={"net_arch": list(hidden)}, device="cpu",
        )  # fmt: skip
        self._model.set_logger(Logger(None, []))  # or each call of learn makes a temporary folder

    def turn(self):
        """Train a little; environment steps done."""
        self._model.learn(TRAIN_EVERY, reset_num_timesteps=False)
        return TRAIN_EVERY


class Ours:
    """A stack."""

    def __init__(self, hidden, tickets):
        training = {
            "algorithm": "dqn", "length": 10**9, "learning_rate": 2.3e-3, "batch": BATCH, "replay": REPLAY,
            "learning_starts": TRAIN_EVERY, "target_every": 10, "train_every": TRAIN_EVERY,
            "gradient_steps": GRADIENT_STEPS, "double": False, "environments": 1,
        }  # fmt: skip
        fields = {"name": "benchmark", "seeds": [0], "model": {"hidden": list(hidden)}, "training": training}
        self._stack = stack(Experiment.from_fields(fields), tickets)

    def turn(self):
        """Train a little; environment steps done by all tickets."""
        before = self._stack.trained
        self._stack.update()
        return (self._stack.trained - before) * self._stack.tickets


def rate(side, seconds):
    """Environment steps per CPU second of one turn of at least so many."""
    steps, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        steps += side.turn()
    return steps / (time.process_time() - start)


def parsed(description):
    """The arguments of the command line; sets one thread."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="CPU seconds of a turn")
    torch.set_num_threads(1)
    return parser.parse_args()


def compare(what, theirs, ours, said, arguments):
    """Print a line: rates of both sides, taking turns, and their ratio."""
    sides = theirs, ours
    theirs, ours = np.array([[rate(side, arguments.seconds) for side in sides] for _ in range(arguments.turns)]).T
    ratios = ours / theirs
    print(
        f"{what:28} {np.median(theirs):12,.0f}/s {np.median(ours):12,.0f}/s {np.median(ratios):8.1f}x   "
        f"({ratios.min():.1f} to {ratios.max():.1f}; {said})",
        flush=True,
    )


def main():
    """Print a line for each network."""
    arguments = parsed(__doc__)
    print(f"dqn CartPole-v1, {TICKETS} tickets   Stable-Baselines3        stack     ratio")
    for hidden, target in (((64, 64), "target 10"), ((256, 256), "the zoo's; arithmetic")):
        sides = Peer(hidden), Ours(hidden, TICKETS)
        for side in sides:
            side.turn(), side.turn()  # the second one learns
        compare("x".join(map(str, hidden)), *sides, target, arguments)


if __name__ == "__main__":
    main()
