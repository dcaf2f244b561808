"""Environment steps per CPU second, training included: stacks of tickets against Stable-Baselines3.

Both sides train the same environment with the same network (a shared trunk of tanh layers with two heads),
environments per ticket, steps per rollout, passes, minibatches and Adam, in one process with one thread, taking turns.
Every ticket of ours has a mask of half its weights. Run:

    python -m benchmarks.control [against|growth|stepping|arithmetic]
"""

import argparse
import gc
import itertools
import os
import statistics
import sys
import time
import warnings
from dataclasses import dataclass

from lth_core.batches.processes import variables

if __name__ == "__main__" and "MALLOC_TRIM_THRESHOLD_" not in os.environ:
    # As workers run, with one thread; the peer too.
    os.execve(sys.executable, sys.orig_argv, variables(1))  # noqa: S606
warnings.filterwarnings("ignore")

import numpy as np
import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from benchmarks.stacks import EPOCHS, LEARNING_RATE, MINIBATCHES, classic, n_steps, stack
from lth_core.settings.tasks import ControlTask
from lth_core.tasks import control


@dataclass(frozen=True)
class Case:
    """What both sides train."""

    algorithm: str
    environment: str
    hidden: tuple[int, ...] = (64, 64)
    tickets: int = 32
    environments: int = 8
    target: float | None = None

    @property
    def n_steps(self):
        """Steps of a rollout."""
        return n_steps(self.algorithm)


AGAINST = (
    Case("a2c", "CartPole-v1", target=40),
    Case("a2c", "CartPole-v1", (256, 256, 256), target=6),
    Case("a2c", "Acrobot-v1", target=10),
    Case("a2c", "Pendulum-v1", target=10),
    Case("a2c", "LunarLander-v3", target=10),
    Case("ppo", "CartPole-v1", target=10),
    Case("ppo", "Acrobot-v1", target=10),
    Case("ppo", "Pendulum-v1", target=10),
    Case("ppo", "LunarLander-v3", target=10),
)
GROWTH = (
    *(Case("a2c", "CartPole-v1", tickets=tickets) for tickets in (1, 8, 32, 128)),
    *(Case("a2c", "CartPole-v1", (256, 256, 256), tickets=tickets) for tickets in (1, 8, 32, 128)),
    *(Case("a2c", "CartPole-v1", environments=environments) for environments in (8, 16, 64)),
    *(Case("ppo", "LunarLander-v3", tickets=tickets) for tickets in (1, 8, 32, 128)),
)
STEPPING = tuple(case for case in AGAINST if len(case.hidden) == 2)


class Trunk(BaseFeaturesExtractor):
    """The shared trunk, as our network has it."""

    def __init__(self, observation_space, hidden):
        super().__init__(observation_space, hidden[-1])
        sizes = [observation_space.shape[0], *hidden]
        layers = []
        for a, b in itertools.pairwise(sizes):
            layers += [torch.nn.Linear(a, b), torch.nn.Tanh()]
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, observations):
        return self.layers(observations)


class Peer:
    """Stable-Baselines3 with that trunk and linear heads."""

    def __init__(self, case):
        self._batch = case.environments * case.n_steps
        own = {"gae_lambda": 1.0, "use_rms_prop": False}
        if case.algorithm == "ppo":
            own = {"gae_lambda": 0.95, "n_epochs": EPOCHS, "batch_size": self._batch // MINIBATCHES}
        kind = A2C if case.algorithm == "a2c" else PPO
        self._model = kind(
            "MlpPolicy",
            make_vec_env(case.environment, n_envs=case.environments, seed=0),
            n_steps=case.n_steps,
            learning_rate=LEARNING_RATE,
            device="cpu",
            policy_kwargs={
                "net_arch": [],
                "features_extractor_class": Trunk,
                "features_extractor_kwargs": {"hidden": case.hidden},
                "optimizer_class": torch.optim.Adam,
            },
            **own,
        )
        self._model.set_logger(Logger(None, []))  # or each call of learn makes a temporary folder

    def turn(self):
        """Train a little; environment steps done."""
        self._model.learn(self._batch, reset_num_timesteps=False)
        return self._batch


class Ours:
    """A stack."""

    def __init__(self, case):
        settings = classic(case.algorithm, case.hidden, case.environment, case.environments)
        self._stack = stack(settings, case.tickets)

    def turn(self):
        """Train a little; environment steps done by all tickets."""
        before = self._stack.trained
        self._stack.update()
        return (self._stack.trained - before) * self._stack.tickets


class Raw:
    """The same environments with random actions and nothing else."""

    def __init__(self, case):
        self._environments = control.make(
            ControlTask(environment=case.environment), list(range(case.tickets)), case.environments
        )
        self._environments.reset()
        shape, rng = (64, case.tickets, case.environments), np.random.default_rng(0)
        if self._environments.continuous:
            self._actions = rng.normal(size=(*shape, self._environments.actions)).astype(np.float32)
        else:
            self._actions = rng.integers(0, self._environments.actions, shape)

    def turn(self):
        """Step a little; environment steps done."""
        for actions in self._actions:
            self._environments.step(actions)
        return len(self._actions) * self._actions.shape[1] * self._actions.shape[2]


class Products:
    """The products of matrices of an A2C update by themselves: acting, and backward through what acting kept."""

    def __init__(self, case):
        self._case = case
        inputs = control.make(ControlTask(environment=case.environment), [0], 1).reset().shape[-1]
        sizes, batch = (inputs, *case.hidden), case.environments * case.n_steps
        self._matrices = [torch.randn(case.tickets, *pair) for pair in itertools.pairwise(sizes)]
        self._seen = [torch.randn(case.tickets, case.environments, size) for size in sizes]
        self._kept = [torch.randn(case.tickets, batch, size) for size in sizes]

    def turn(self):
        """One update; the environment steps that it would have learnt from."""
        for _ in range(self._case.n_steps):
            for seen, matrix in zip(self._seen, self._matrices, strict=False):
                torch.bmm(seen, matrix)
        for layer in reversed(range(len(self._matrices))):
            torch.bmm(self._kept[layer].transpose(1, 2), self._kept[layer + 1])
            if layer:
                torch.bmm(self._kept[layer + 1], self._matrices[layer].transpose(1, 2))
        return self._case.tickets * self._case.environments * self._case.n_steps


def rate(side, seconds):
    """Environment steps per CPU second of one turn of at least so many."""
    steps, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        steps += side.turn()
    return steps / (time.process_time() - start)


def rates(sides, turns, seconds):
    """Rates (sides, turns), taken in turns after one that does not count."""
    for side in sides:
        side.turn()
    return np.array([[rate(side, seconds) for side in sides] for _ in range(turns)]).T


def _named(case):
    network = "x".join(map(str, case.hidden))
    return f"{case.algorithm:4} {case.environment:16} {network:12} {case.tickets:4} x {case.environments:<3}"


def against(turns, seconds):
    """Our stacks against the peer; the ratio is the median over turns."""
    print("what                              network   tickets x each  Stable-Baselines3        stack     ratio")
    for case in AGAINST:
        theirs, ours = rates((Peer(case), Ours(case)), turns, seconds)
        ratios = ours / theirs
        print(
            f"{_named(case)} {np.median(theirs):15,.0f}/s {np.median(ours):12,.0f}/s {np.median(ratios):8.1f}x"
            f"   ({ratios.min():.1f} to {ratios.max():.1f}; target {case.target:g})",
            flush=True,
        )


def growth(turns, seconds):
    """How a step's cost grows with tickets and environments; per case the median rate."""
    for _, group in itertools.groupby(GROWTH, key=lambda case: (case.algorithm, case.environment, case.hidden)):
        cases = list(group)
        found = rates([Ours(case) for case in cases], turns, seconds)
        for case, own in zip(cases, found, strict=True):
            per_update = case.tickets * case.environments * case.n_steps / statistics.median(own)
            print(f"{_named(case)} {np.median(own):12,.0f}/s {1000 * per_update:10.2f} ms an update", flush=True)


def stepping(turns, seconds):
    """The share of the environments' own stepping rate that training keeps."""
    for case in STEPPING:
        raw, ours = rates((Raw(case), Ours(case)), turns, seconds)
        print(
            f"{_named(case)} stepping alone {np.median(raw):12,.0f}/s  training {np.median(ours):12,.0f}/s  "
            f"kept {np.median(ours / raw):6.1%}",
            flush=True,
        )


def arithmetic(turns, seconds):
    """The share of the rate of the products alone that training keeps: where it is high, arithmetic binds."""
    for case in (case for case in AGAINST if case.algorithm == "a2c" and case.environment == "CartPole-v1"):
        alone, ours = rates((Products(case), Ours(case)), turns, seconds)
        print(
            f"{_named(case)} products alone {np.median(alone):12,.0f}/s  training {np.median(ours):12,.0f}/s  "
            f"kept {np.median(ours / alone):6.1%}",
            flush=True,
        )


def main():
    """Print the tables asked for."""
    tables = {"against": against, "growth": growth, "stepping": stepping, "arithmetic": arithmetic}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", default=list(tables), help=", ".join(tables))
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="CPU seconds of a turn")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.tables if name not in tables]:
        parser.error(f"{unknown[0]}: accepted are {', '.join(tables)}")
    torch.set_num_threads(1)
    gc.freeze()  # as workers do
    for name in arguments.tables:
        tables[name](arguments.turns, arguments.seconds)


if __name__ == "__main__":
    main()
