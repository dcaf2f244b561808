"""Environment steps per CPU second of SAC, training included: a stack of tickets against Stable-Baselines3's.

Both sides train Pendulum with a gradient step behind every environment step (Stable-Baselines3's defaults, at the
learning rate of its zoo), one environment per ticket, in one process with one thread, taking turns. Every ticket of
ours has a mask of half its weights. Run:

    python -m benchmarks.soft
"""

import os
import sys
import warnings

from lth_core.batches.processes import variables

if __name__ == "__main__" and "MALLOC_TRIM_THRESHOLD_" not in os.environ:
    # As workers run, with one thread; the peer too.
    os.execve(sys.executable, sys.orig_argv, variables(1))  # noqa: S606
warnings.filterwarnings("ignore")

from stable_baselines3 import SAC
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import Logger

from benchmarks.stacks import stack
from benchmarks.values import compare, parsed
from lth_core.experiment.experiment import Experiment

TICKETS, REPLAY, STEPS = 32, 20_000, 20
CASES = (((256, 256), 256), ((64, 64), 256), ((64, 64), 64), ((32, 32), 64))
"""Hidden layers and batch: Stable-Baselines3's defaults, and smaller."""


class Peer:
    """Stable-Baselines3."""

    def __init__(self, hidden, batch):
        self._model = SAC(
            "MlpPolicy", make_vec_env("Pendulum-v1", n_envs=1, seed=0), learning_rate=1e-3, batch_size=batch,
            buffer_size=REPLAY, policy_kwargs={"net_arch": list(hidden)}, device="cpu",
        )  # fmt: skip
        self._model.set_logger(Logger(None, []))  # or each call of learn makes a temporary folder

    def turn(self, steps=STEPS):
        """Train a little; environment steps done."""
        self._model.learn(steps, reset_num_timesteps=False)
        return steps


class Ours:
    """A stack."""

    def __init__(self, hidden, batch, tickets):
        training = {
            "algorithm": "sac", "length": 10**9, "learning_rate": 1e-3, "batch": batch, "replay": REPLAY,
            "environments": 1,
        }  # fmt: skip
        fields = {
            "name": "benchmark", "seeds": [0], "task": {"environment": "Pendulum-v1"},
            "model": {"hidden": list(hidden)}, "training": training,
        }  # fmt: skip
        self._stack = stack(Experiment.from_fields(fields), tickets)

    def turn(self, updates=1):
        """Train a little; environment steps done by all tickets."""
        before = self._stack.trained
        for _ in range(updates):
            self._stack.update()
        return (self._stack.trained - before) * self._stack.tickets


def main():
    """Print a line for each network and batch."""
    arguments = parsed(__doc__)
    print(f"sac Pendulum-v1, {TICKETS} tickets  Stable-Baselines3        stack     ratio")
    for hidden, batch in CASES:
        sides = Peer(hidden, batch), Ours(hidden, batch, TICKETS)
        for side in sides:
            side.turn(110)  # learning starts after 100
        compare(f"{'x'.join(map(str, hidden))}, batches of {batch}", *sides, "target 10", arguments)


if __name__ == "__main__":
    main()
