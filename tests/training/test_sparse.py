"""Tickets computed from their living weights: the same training as whole, whatever the stack, stop or checkpoint."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch

from lth_core.experiment.experiment import Experiment
from lth_core.models.flat import flatten
from lth_core.models.mlp import Perceptron
from lth_core.training.reinforcement import sparse
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.reinforcement.stack import ActorCriticStack
from lth_core.training.stack import Start
from tests.small import digest, experiment, random_mask, stack, starts

pytestmark = pytest.mark.filterwarnings("ignore:.*out of date:DeprecationWarning")

UPDATES = 8


def _settings(**fields: Any) -> Experiment:
    training = {"length": 10_000, "max_gradient_norm": 0.5, **fields.pop("training", {})}
    return experiment(**{"model": {"hidden": [32, 24, 32], "activation": "tanh"}, "training": training, **fields})


SETTINGS = {
    "a2c, tanh, adam": _settings(),
    "a2c, relu, rmsprop": _settings(
        model={"hidden": [33, 40], "activation": "relu"}, training={"optimizer": "rmsprop"}
    ),
    "ppo": _settings(training={"algorithm": "ppo", "epochs": 2, "minibatches": 4}),
    "ppo, continuous": _settings(
        task={"environment": "Pendulum-v1"},
        training={"algorithm": "ppo", "epochs": 2, "minibatches": 4, "entropy_weight": 0.1},
    ),
}
all_settings = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())


def _auto(settings: Experiment, how: str = "auto") -> Experiment:
    training = settings.training.model_copy(update={"sparse": how})
    return settings.model_copy(update={"training": training})


def _own(settings: Experiment, densities: list[float]) -> tuple[Perceptron, list[Start]]:
    model, own = starts(settings, len(densities))
    return model, [
        dataclasses.replace(one, mask=random_mask(model, one.seed, share))
        for one, share in zip(own, densities, strict=True)
    ]


def _trained(settings: Experiment, own: list[Start], updates: int = UPDATES) -> ActorCriticStack:
    one = stack(settings, own)
    for _ in range(updates):
        one.update()
    return one


@pytest.fixture(autouse=True)
def _switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "switch", lambda *_: 0.3)


@all_settings
def test_a_ticket_has_the_bits_that_it_has_alone_among_sparse_and_whole_tickets(settings: Experiment) -> None:
    _, own = _own(settings, [0.1, 0.9, 0.2, 0.05, 0.8, 0.1, 0.0])
    auto = _auto(settings)
    together = _trained(auto, own)
    assert together.parameters.is_sparse == [True, False, True, True, False, True, True]
    for chosen in ([0], [1], [3], [6], [3, 2], [4, 5]):
        other = _trained(auto, [own[i] for i in chosen])
        assert [digest(other, place) for place in range(len(chosen))] == [digest(together, i) for i in chosen]
    whole = _trained(settings, [own[1]])
    assert digest(whole) == digest(together, 1)


@all_settings
def test_dropping_resuming_and_another_switch_change_no_bit(
    settings: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, own = _own(settings, [0.1, 0.9, 0.2])
    auto = _auto(settings)
    together = _trained(auto, own)
    begun = _trained(auto, own, UPDATES // 2)
    arrays, values = begun.state()
    values = json.loads(json.dumps(values))
    monkeypatch.setattr(sparse, "switch", lambda *_: 0.0)  # measured differently by now
    resumed = stack(auto, own)
    assert not any(resumed.parameters.is_sparse)
    resumed.restore(arrays, values)
    resumed.keep([0, 1])
    for _ in range(UPDATES - UPDATES // 2):
        resumed.update()
    assert [digest(resumed, t) for t in range(2)] == [digest(together, t) for t in range(2)]
    del values["sparse"]  # as earlier versions stored it
    resumed = stack(_auto(settings, "always"), own)
    resumed.restore(arrays, values)
    assert not any(resumed.parameters.is_sparse)
    values["sparse"] = [True] * 3
    resumed = stack(settings, own)
    resumed.device = torch.device("cuda")  # to which a job may be handed over; it computes whole tickets only
    resumed.restore(arrays, values)
    assert not any(resumed.parameters.is_sparse)


@all_settings
def test_nothing_dead_revives_and_checkpoints_are_those_of_whole_tickets(settings: Experiment) -> None:
    _, own = _own(settings, [0.1, 0.2, 0.02])
    one, whole = stack(_auto(settings, "always"), own), stack(settings, own)
    for _ in range(5):
        for ticket, start in enumerate(own):
            entries = {e: w for e, w in one.optimizer_state(ticket).items() if e != "count"}
            for tensors in (one.weights(ticket), *entries.values()):
                assert all(not tensors[n][~m].any() for n, m in start.mask.items())
        one.update()
    arrays, theirs = one.state()[0], whole.state()[0]
    assert {n: a.shape for n, a in arrays.items()} == {n: a.shape for n, a in theirs.items()}
    assert all(one.weights(t)[n][m].any() for t, s in enumerate(own) for n, m in s.mask.items() if m.sum() > 20)
    assert one._look.seen and not one._look.sentence  # the audit's second look, in double precision


@all_settings
def test_gradients_are_those_of_whole_tickets(settings: Experiment) -> None:
    model, own = _own(settings, [0.1, 0.9, 0.2])
    whole = Parameters.of(settings.training, model, own, torch.device("cpu"))
    for few in ([True] * 3, [True, False, True]):
        mine = Parameters.of(settings.training, model, own, torch.device("cpu"), few)
        seen, of_heads = torch.randn(3, 32, model.inputs), torch.randn(3, 32, model.actions + 1)
        found = mine.network.traced(mine.layers(), seen)
        wanted = model.traced(whole.layers(), seen)
        torch.testing.assert_close(found[-1], wanted[-1], rtol=1e-4, atol=1e-5)
        ours = mine.network.backward(mine.layers(), found, of_heads)
        theirs = model.backward(whole.layers(), wanted, of_heads) * whole.mask
        for t in range(3):
            one = flatten(mine.named(ours[t] * mine.mask[t], t), model.shapes())
            other = flatten(whole.named(theirs[t], t), model.shapes())
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_a_whole_training_on_fixed_rollouts_agrees_with_whole_tickets(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SETTINGS["a2c, tanh, adam"]
    model, own = _own(settings, [0.1, 0.2])
    sides = [
        Parameters.of(settings.training, model, own, torch.device("cpu"), few) for few in ([False] * 2, [True] * 2)
    ]
    generator = torch.Generator().manual_seed(0)
    rate = torch.full((2, 1), 1e-3)
    for _ in range(200):
        seen = torch.randn(2, 32, model.inputs, generator=generator)
        actions = torch.randint(model.actions, (2, 32), generator=generator)
        for side in sides:
            traced = side.network.traced(side.layers(), seen)
            of_heads = torch.zeros_like(traced[-1])
            of_heads[..., :-1] = traced[-1][..., :-1].softmax(-1)
            of_heads[..., :-1].scatter_add_(2, actions[..., None], torch.full((2, 32, 1), -1.0))
            of_heads[..., -1] = traced[-1][..., -1] - 1
            side.step(side.network.backward(side.layers(), traced, of_heads / 32), rate)
    for t in range(2):
        one, other = (flatten(side.weights(t), model.shapes()) for side in sides)
        torch.testing.assert_close(one, other, rtol=1e-2, atol=2e-3)


def test_a_mask_that_shrinks_stays_dead() -> None:
    settings = _auto(SETTINGS["a2c, tanh, adam"], "always")
    model, own = _own(settings, [0.5, 0.5])
    one = stack(settings, own)
    one.update()
    smaller = {n: m & random_mask(model, 9, 0.2)[n] for n, m in own[1].mask.items()}
    one.narrow(1, smaller)
    for _ in range(3):
        one.update()
    assert all(not one.weights(1)[n][~m].any() for n, m in smaller.items())


def test_the_switch_is_measured_once(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("LTH_CACHE", str(tmp_path))
    settings = SETTINGS["a2c, tanh, adam"]
    model, _ = starts(settings, 1)
    asked: list[float] = []

    def measured(*_: Any) -> float:
        asked.append(0.07)
        return asked[-1]

    monkeypatch.setattr(sparse, "measured", measured)
    assert [sparse.switch(model, settings.training) for _ in range(3)] == [0.07] * 3
    assert len(asked) == 1
    next(tmp_path.rglob("*.json")).write_text("nonsense")
    assert (sparse.switch(model, settings.training), len(asked)) == (0.07, 2)
    assert np.isclose(sparse.density(model, random_mask(model, 0, 0.3)), 0.3, atol=0.05)
