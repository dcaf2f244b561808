"""Environment steps per CPU second, training included: a stack of tickets against Stable-Baselines3's A2C.

Both sides train CartPole-v1 with the same network (a shared trunk with two heads), environments per ticket,
n-steps and optimizer, in one process with one thread, taking turns. Run: python -m benchmarks.a2c_stack
"""

import argparse
import itertools
import os
import statistics
import time
import warnings

os.environ["OMP_NUM_THREADS"] = "1"
warnings.filterwarnings("ignore")

import torch
from stable_baselines3 import A2C
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from lth_core.experiment_file import resolve
from lth_core.training.build import make_model, make_stack
from lth_core.training.stack import Start

ENVIRONMENTS, N_STEPS = 8, 16


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


def peer(hidden):
    """Stable-Baselines3's A2C with that trunk and linear heads."""
    return A2C(
        "MlpPolicy",
        make_vec_env("CartPole-v1", n_envs=ENVIRONMENTS, seed=0),
        n_steps=N_STEPS,
        learning_rate=3e-3,
        gae_lambda=1.0,
        use_rms_prop=False,
        device="cpu",
        policy_kwargs={
            "net_arch": [],
            "features_extractor_class": Trunk,
            "features_extractor_kwargs": {"hidden": hidden},
            "optimizer_class": torch.optim.Adam,
        },
    )


def stack(hidden, tickets):
    """Our stack: every ticket with a mask of half its weights."""
    fields = {
        "name": "benchmark",
        "seeds": 1,
        "model": {"hidden": hidden, "activation": "tanh"},
        "training": {
            "environments": ENVIRONMENTS,
            "n_steps": N_STEPS,
            "optimizer": "adam",
            "learning_rate": 3e-3,
            "max_gradient_norm": 0.5,
        },
    }
    experiment = resolve(fields, "benchmark")
    model = make_model(experiment)
    generator = torch.Generator().manual_seed(0)
    starts = []
    for seed in range(tickets):
        mask = {n: torch.rand(shape, generator=generator) < 0.5 for n, shape in model.shapes().items()}
        starts.append(Start(seed, model.initialise(seed), mask, 0, 10**9))
    return make_stack(experiment, model, starts, "cpu")


def peer_rate(model, seconds):
    """Environment steps per CPU second of one turn."""
    steps, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        model.learn(ENVIRONMENTS * N_STEPS * 5, reset_num_timesteps=False)
        steps += ENVIRONMENTS * N_STEPS * 5
    return steps / (time.process_time() - start)


def stack_rate(trainer, seconds):
    """Environment steps per CPU second of one turn, all tickets together."""
    before, start = trainer.trained, time.process_time()
    while time.process_time() - start < seconds:
        trainer.update()
    return (trainer.trained - before) * trainer.tickets / (time.process_time() - start)


def main():
    """Print a line per network and stack size, and the ratio of medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU seconds of a turn")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("network       tickets   Stable-Baselines3      stack      ratio   (lowest and highest turn)")
    for hidden, sizes in (([64, 64], (1, 8, 32, 64)), ([256, 256, 256], (32,))):
        ours = {tickets: stack(hidden, tickets) for tickets in sizes}
        theirs = peer(hidden)
        stack_rate(ours[sizes[0]], 0.2), peer_rate(theirs, 0.2)
        rates = {tickets: [] for tickets in sizes}
        peers = []
        for _ in range(arguments.turns):
            peers.append(peer_rate(theirs, arguments.seconds))
            for tickets in sizes:
                rates[tickets].append(stack_rate(ours[tickets], arguments.seconds))
        for tickets in sizes:
            pairs = [a / b for a, b in zip(rates[tickets], peers, strict=True)]
            name = "x".join(map(str, hidden))
            medians = statistics.median(peers), statistics.median(rates[tickets])
            print(
                f"{name:12} {tickets:8} {medians[0]:15,.0f}/s {medians[1]:12,.0f}/s "
                f"{statistics.median(pairs):8.1f}x   ({min(pairs):.1f} to {max(pairs):.1f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
