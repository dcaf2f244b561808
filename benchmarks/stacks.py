"""Our side of the benchmarks of training: stacks of tickets, half of their weights pruned, the same in every run."""

import torch

from lth_core.experiment.file import resolve
from lth_core.training.families import make_model, make_stack
from lth_core.training.stack import Start

LEARNING_RATE, EPOCHS, MINIBATCHES = 3e-3, 4, 4
"""Of the classic games."""


def starts(model, tickets, density=0.5):
    """Starts of so many tickets, seeded 0, 1, ..., with random masks; without any where the density is None."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for seed in range(tickets):
        mask = {}
        if density is not None:
            mask = {n: torch.rand(shape, generator=generator) < density for n, shape in model.shapes().items()}
        found.append(Start(seed, model.initialise(seed), mask, 0, 10**9))
    return found


def stack(experiment, tickets, device="cpu", density=0.5):
    """A stack of so many tickets, half-pruned; dense where the density is None."""
    model = make_model(experiment)
    return make_stack(experiment, model, starts(model, tickets, density), device)


def classic(algorithm, hidden, environment="CartPole-v1", environments=8):
    """The experiment of a classic game, with settings that Stable-Baselines3 can be given too."""
    training = {
        "algorithm": algorithm, "environments": environments, "n_steps": n_steps(algorithm),
        "optimizer": "adam", "learning_rate": LEARNING_RATE, "learning_rate_schedule": "constant",
        "max_gradient_norm": 0.5,
    }  # fmt: skip
    if algorithm == "ppo":
        # What Stable-Baselines3 does by itself: it normalises advantages alone.
        training |= {"epochs": EPOCHS, "minibatches": MINIBATCHES}
        training |= {"normalise_observations": False, "normalise_returns": False}
    fields = {
        "name": "benchmark", "seeds": 1, "task": {"environment": environment},
        "model": {"hidden": hidden, "activation": "tanh"}, "training": training,
    }  # fmt: skip
    return resolve(fields, "benchmark")


def n_steps(algorithm):
    """Steps of a rollout: short for A2C, long for PPO."""
    return 16 if algorithm == "a2c" else 128
