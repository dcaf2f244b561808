"""The second look at gradients that are short: what rounding does to them passes, a wrong one does not."""

from typing import Any

import pytest
import torch

from lth_core.experiment.experiment import Experiment
from lth_core.training.families import make_model, make_stack
from lth_core.training.reinforcement import learning
from lth_core.training.second_looks import masked_and_clipped
from lth_core.training.stack import Start
from tests.small import Memory, stack_run, starts
from tests.training.test_planted import entropy_reversed

OWN = {
    "length": 64, "environments": 4, "n_steps": 8, "optimizer": "adam", "learning_rate": 3e-3, "record_every": 64,
    "checkpoint_every": 64, "evaluation_episodes": 1, "greedy_episodes": 0,
}  # fmt: skip
SHORT: dict[str, dict[str, Any]] = {
    "dead": {  # dead units, and nothing is earned: the terms of the loss cancel
        "task": {"kind": "minatar", "game": "asterix", "time_limit": 50},
        "model": {"kind": "board", "filters": 2, "hidden": [4]},
        "training": {**OWN, "algorithm": "ppo", "minibatches": 2, "epochs": 2, "learning_rate_schedule": "constant"},
    },
    "clipped": {
        "task": {"environment": "CartPole-v1"}, "model": {"hidden": [8]},
        "training": {**OWN, "max_gradient_norm": 1e-12},
    },
}  # fmt: skip


def run(kind: str) -> Memory:
    own = Experiment.from_fields({"name": "short", "seeds": [0], **SHORT[kind]})
    sink = Memory()
    stack_run(own, starts(own, 1)[1], sink).run()
    return sink


def a_tenth_longer(patch: pytest.MonkeyPatch) -> None:
    real = learning.gradient
    patch.setattr(learning, "gradient", lambda *all_of: 1.1 * real(*all_of))


@pytest.mark.parametrize("kind", list(SHORT))
def test_what_rounding_leaves_of_a_short_gradient_passes(kind: str) -> None:
    assert not run(kind).failures


@pytest.mark.parametrize(("kind", "plant"), [("dead", a_tenth_longer), ("clipped", entropy_reversed)])
def test_a_wrong_gradient_fails_however_short(kind: str, plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert run(kind).failures[0].startswith("audit: loss: gradient"), run(kind).failures


def test_a_gradient_of_millions_of_entries_is_clipped_to_its_length() -> None:
    wanted = torch.rand(4_000_000, generator=torch.Generator().manual_seed(0))
    weights = torch.zeros(4_000_000, requires_grad=True)
    found = masked_and_clipped((weights * wanted).sum(), {"weights": weights}, {}, 1.0)
    assert float(found.double().norm()) == pytest.approx(1, rel=1e-6)


REPLAY = {"train_every": 8, "batch": 32, "learning_starts": 32, "evaluation_episodes": 1}
FAINT: dict[str, dict[str, Any]] = {
    "a2c": {"training": {**OWN, "algorithm": "a2c"}},
    "dqn": {"training": {**REPLAY, "algorithm": "dqn"}},
    "sac": {"training": {**REPLAY, "algorithm": "sac"}, "task": {"environment": "Pendulum-v1"}},
}
"""Sums near zero, as of tickets that have lost nearly all: the error of their tanh is a large share of it."""


@pytest.mark.parametrize("kind", list(FAINT))
def test_what_rounding_does_to_a_tanh_near_zero_passes(kind: str) -> None:
    fields = {"name": "faint", "seeds": [0], "task": {"environment": "CartPole-v1"}, **FAINT[kind]}
    own = Experiment.from_fields({**fields, "model": {"hidden": [32], "activation": "tanh"}})
    model = make_model(own)
    faint = {name: 1e-4 * weight for name, weight in model.initialise(0).items()}
    mask = {name: torch.full(shape, name.endswith("weight")) for name, shape in model.shapes().items()}
    one = make_stack(own, model, [Start(0, faint, mask, 0, own.training.length)], "cpu")
    for _ in range(6):  # dqn and sac learn from 48 steps
        one.update()
        assert one.faults() == {}
    assert "computed again" in one.checks(0, 0, 0.0)[0].detail
