"""Environments on the device teach what the host's teach: returns of eight seeds of CartPole either way."""

import numpy as np
import pytest

from lth_core.settings.reinforcement import RETURNS
from lth_core.training.families import make_model, make_stack
from lth_core.training.stack import Start
from tests.small import experiment

SEEDS, STEPS, DRAWS = 8, 60_000, 10_000


def returns(algorithm: str, on: str) -> tuple[np.ndarray, np.ndarray]:
    """Of each seed: the mean return over 20 episodes after training, and of the training episodes at a sixth of it."""
    own = experiment(
        model={"hidden": [64, 64], "activation": "tanh"},
        training={
            "algorithm": algorithm, "environments_on": on, "length": STEPS, "environments": 8, "n_steps": 16,
            "learning_rate": 3e-3, "reward_scale": 0.1, "max_gradient_norm": 0.5, "evaluation_episodes": 20,
        } | ({"epochs": 4, "minibatches": 2, "learning_rate": 1e-3} if algorithm == "ppo" else {}),
    )  # fmt: skip
    model = make_model(own)
    stack = make_stack(own, model, [Start(seed, model.initialise(seed), {}, 0, STEPS) for seed in range(SEEDS)], "cpu")
    early = None
    while stack.trained < STEPS:
        stack.update()
        if early is None and stack.trained >= STEPS // 6:
            early = np.array([one["return/train"] for one in stack.metrics()])
    assert early is not None
    return np.array([one[RETURNS[0]] for one in stack.evaluate(range(SEEDS), lambda: True)]), early


def p_of(one: np.ndarray, other: np.ndarray) -> float:
    """Of the difference of means, by permutations: the random numbers are not paired."""
    rng, both, wanted = np.random.default_rng(0), np.concatenate([one, other]), abs(one.mean() - other.mean())
    drawn = rng.permuted(np.tile(both, (DRAWS, 1)), axis=1)
    off = np.abs(drawn[:, : len(one)].mean(1) - drawn[:, len(one) :].mean(1))
    return float((1 + (off >= wanted - 1e-9).sum()) / (1 + DRAWS))


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["a2c", "ppo"])
def test_a_device_teaches_the_same_over_eight_seeds(algorithm: str, capsys: pytest.CaptureFixture[str]) -> None:
    host, device = returns(algorithm, "host"), returns(algorithm, "device")
    for when, a, b in zip(("after training", f"at {STEPS // 6:,} steps"), host, device, strict=True):
        p = p_of(a, b)
        with capsys.disabled():
            print(f"\n{algorithm}, {when}: host {a.mean():.0f} +- {a.std(ddof=1):.0f}, device {b.mean():.0f} +- "
                  f"{b.std(ddof=1):.0f}; p = {p:.2f}")  # fmt: skip
        assert p > 0.02
    assert min(host[0].mean(), device[0].mean()) > 100  # of about 20 untrained
