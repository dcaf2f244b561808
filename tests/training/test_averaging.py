"""Checkpoint averaging: what is evaluated is the mean of the right weights, and dead weights are dead in it."""

import pytest
import torch
from torch import nn

from lth_core.settings.supervised import Supervised
from lth_core.tickets.mask import Weights
from lth_core.training.stack import Arrays
from lth_core.training.supervised.stack import SupervisedStack
from tests.lessons import bits, half, stack, start

AVERAGED = Supervised(length=20, learning_rate=1e-2, average=3, average_every=4)


class _Seen:
    """What a stack's module holds while its test is looked at."""

    def __init__(self, one: SupervisedStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.weights: Weights = {}

        def test(module: nn.Module, go_on: object) -> dict[str, float]:
            self.weights = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
            return {"perplexity/test": 1.0}

        monkeypatch.setattr(one.lesson, "test", test)
        one.evaluate([0], lambda: True)


def test_the_mean_of_the_last_snapshots_is_evaluated_and_dead_weights_are_zero_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mask = half()
    one = stack(AVERAGED, start(mask=mask))
    kept: list[Weights] = []
    while one.trained < 20:
        one.update()
        if one.trained in (12, 16, 20):
            kept.append(one.weights(0))
    before = bits(one)
    seen = _Seen(one, monkeypatch).weights
    for name, weight in seen.items():
        torch.testing.assert_close(weight, sum(w[name] for w in kept) / 3)
        assert bool((weight[~mask[name]] == 0).all())
        assert bool((weight[mask[name]] != 0).any())
    assert not torch.equal(seen["output.weight"], one.weights(0)["output.weight"])
    assert bits(one) == before
    stored = one.scored(0)
    assert all(torch.equal(stored[name], weight) for name, weight in seen.items())


def test_without_averaging_the_weights_themselves_are_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    one = stack(AVERAGED.model_copy(update={"average": 1}), start())
    for _ in range(20):
        one.update()
    seen = _Seen(one, monkeypatch).weights
    assert all(torch.equal(seen[name], weight) for name, weight in one.weights(0).items())
    assert not one.scored(0)


@pytest.mark.parametrize("at", [11, 13, 17])
def test_an_average_that_was_interrupted_is_the_same_average(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(updates: int, state: tuple[Arrays, dict[str, object]] | None = None) -> SupervisedStack:
        one = stack(AVERAGED, start(mask=half()))
        if state:
            one.restore(*state)
        for _ in range(updates):
            one.update()
        return one

    whole, resumed = trained(20), trained(20 - at, trained(at).state())
    first, second = _Seen(whole, monkeypatch).weights, _Seen(resumed, monkeypatch).weights
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_ticket_that_starts_late_is_averaged_at_the_same_points(monkeypatch: pytest.MonkeyPatch) -> None:
    one = stack(AVERAGED, start(span=(15, 20)))
    kept: list[Weights] = []
    while one.trained < 5:
        one.update()
        if one.trained in (1, 5):
            kept.append(one.weights(0))
    seen = _Seen(one, monkeypatch).weights
    torch.testing.assert_close(seen["output.bias"], sum(w["output.bias"] for w in kept) / 2)
