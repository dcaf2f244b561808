"""Supervised training of a ticket: masks hold, a plain loop is met, an interrupted run is the same run."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lth_core.settings.supervised import Supervised
from lth_core.training.generators import Draws
from lth_core.training.stack import Start
from lth_core.training.supervised.masked_step import MaskedStep
from lth_core.training.supervised.stack import learning_rate
from tests.lessons import Lines, Remembering, bits, half, network, stack, start

ADAM = Supervised(learning_rate=1e-2, max_gradient_norm=0.5, weight_decay=0.01)
UNCLIPPED = ADAM.model_copy(update={"max_gradient_norm": None})
SGD = Supervised(optimizer="sgd", momentum=0.9, learning_rate=0.1, weight_decay=0.01)


@pytest.mark.parametrize("settings", [ADAM, SGD, UNCLIPPED, UNCLIPPED.model_copy(update={"optimizer": "adamw"})])
def test_nothing_outside_the_mask_lives_in_weights_or_optimizer(settings: Supervised) -> None:
    mask = half()
    one = stack(settings, start(mask=mask))
    for _ in range(12):
        one.update()
    for entry in [one.weights(0), *(e for name, e in one.optimizer_state(0).items() if name != "count")]:
        assert all(bool((entry[name][~alive] == 0).all()) for name, alive in mask.items())
        assert any(bool((entry[name][alive] != 0).any()) for name, alive in mask.items())


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_adam_holds_dead_weights_with_the_bits_of_masked_gradients(kind: Any) -> None:
    settings = UNCLIPPED.model_copy(update={"optimizer": kind})
    holding, masking = (stack(settings, start(mask=half())) for _ in range(2))
    masking.step._can_hold = False
    smaller = {name: alive & half(1)[name] for name, alive in half().items()}
    for number in range(12):
        holding.update()
        masking.update()
        if number == 6:
            holding.narrow(0, smaller)
            masking.narrow(0, smaller)
    assert holding.step.held and not masking.step.held
    for one, other in ((holding.weights(0), masking.weights(0)), *zip(
        holding.optimizer_state(0).values(), masking.optimizer_state(0).values(), strict=True
    )):  # fmt: skip
        assert all(torch.equal(one[name], other[name]) for name in other)
    assert not any(bool(torch.isinf(one).any()) for one in holding.optimizer_state(0)["exp_avg_sq"].values())
    assert holding.metrics() == masking.metrics()


@pytest.mark.parametrize(
    "settings", [ADAM, SGD, UNCLIPPED, UNCLIPPED.model_copy(update={"betas": (0.9, 0.0), "average": 3})]
)
def test_a_ticket_whose_mask_has_moved_goes_on_with_the_same_bits(settings: Supervised) -> None:
    whole, resumed = (stack(settings, start(mask=half(), moves="rigl")) for _ in range(2))
    for number in range(9):
        whole.update()
        if number == 5:
            whole.narrow(0, half(3))
    arrays, values = whole.state()
    resumed.restore({name: array.copy() for name, array in arrays.items()}, values)
    resumed.narrow(0, half(3))  # as a run does after it
    assert bits(resumed) == bits(whole) and not whole.step.held
    grown = {name: alive & ~half()[name] for name, alive in half(3).items()}
    assert all(bool((resumed.weights(0)[name][new] != 0).any()) for name, new in grown.items() if new.any())
    for one in (whole, resumed):
        one.update()
    assert bits(resumed) == bits(whole)


def test_a_second_moment_without_memory_holds_nothing() -> None:
    one = stack(UNCLIPPED.model_copy(update={"betas": (0.9, 0.0)}), start(mask=half()))
    for _ in range(4):
        one.update()
    assert not one.broken() and not one.step.held


def test_a_weight_that_gets_its_first_gradient_late_is_masked_then() -> None:
    used, late = (nn.Parameter(torch.ones(4)) for _ in range(2))
    alive = torch.tensor([True, False, True, False])
    step = MaskedStep(UNCLIPPED, {"used": used, "late": late}, {"used": alive, "late": alive})
    step.masks.start()
    for number in range(6):
        used.grad, late.grad = torch.ones(4), torch.ones(4) if number > 2 else None
        step()
        step.hold()
        assert step.held == (number > 2)
    for one in (used, late):
        assert bool((one[~alive] == 0).all()) and bool((one[alive] < 1).all())


def test_a_gradient_that_is_no_number_breaks_a_held_weight_as_it_does_a_masked_one() -> None:
    for bad in (math.inf, math.nan):
        for holds in (False, True):
            weight, alive = nn.Parameter(torch.ones(2)), torch.tensor([True, False])
            step = MaskedStep(UNCLIPPED, {"weight": weight}, {"weight": alive})
            step.masks.start()
            for number in range(3):
                weight.grad = torch.tensor([1.0, bad if number == 2 else 1.0])
                step()
                if holds:
                    step.hold()
            assert bool(weight[0].isfinite()) and bool(weight[1].isnan())


def test_a_ticket_trains_as_a_plain_loop_in_which_dead_weights_do_not_exist() -> None:
    # A whole output unit is dead: the plain loop simply lacks it in the norm that clips.
    mask = {name: torch.ones(shape, dtype=torch.bool) for name, shape in network().shapes().items()}
    mask["output.weight"][2], mask["output.bias"][2] = False, False
    one = stack(ADAM, start(mask=mask))
    module = Remembering()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(network().initialise(0)[name] * mask[name])
    optimizer = torch.optim.Adam(module.parameters(), 1e-2, weight_decay=0.01)
    lesson, carry = Lines(0), ()
    for place in range(4):
        batch = lesson.batch(0, place)
        module.train()
        with one._draws.lent():
            pass  # dropout below draws from the same stream: both loops are given the same state in turn
        state = one._draws.state()
        optimizer.zero_grad()
        with one._draws.lent():
            loss, carry = lesson.loss(module, batch, carry)
        (loss / batch.predictions).backward()
        one._draws.restore(state)
        living = torch.cat([(p.grad * mask[n]).flatten() for n, p in module.named_parameters()])
        for name, parameter in module.named_parameters():
            parameter.grad *= mask[name] * torch.clamp(0.5 / (living.norm() + 1e-6), max=1.0)
        optimizer.step()
        one.update()
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(one.weights(0)[name], parameter.detach() * mask[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("settings", [ADAM, SGD, UNCLIPPED.model_copy(update={"accumulate": 2, "unit": "epochs"})])
@pytest.mark.parametrize("at", [1, 4, 7])
def test_a_training_restored_anywhere_goes_on_with_the_same_bits(settings: Supervised, at: int) -> None:
    whole = stack(settings, start(mask=half()))
    for _ in range(11):
        whole.update()
    first = stack(settings, start(mask=half()))
    for _ in range(at):
        first.update()
    torch.manual_seed(12345)  # what else runs in the process
    torch.rand(7)
    second = stack(settings, start(mask=half()))
    second.restore(*first.state())
    for _ in range(11 - at):
        torch.rand(3)
        second.update()
    assert bits(second) == bits(whole)
    assert second.metrics() == whole.metrics()


@pytest.mark.parametrize("part", ["weight/", "optimizer/exp_avg/", "optimizer/count", "carry/", "generator/", "loss"])
def test_each_part_of_the_state_matters(part: str) -> None:
    whole = stack(ADAM, start())
    for _ in range(4):
        whole.update()
    first = stack(ADAM, start())
    for _ in range(3):
        first.update()
    arrays, values = first.state()
    other, _ = stack(ADAM, start(seed=1)).state()
    found = [name for name in arrays if name.startswith(part)]
    assert found
    for name in found:
        arrays[name] = other[name] if name in other else 0 * arrays[name]
    second = stack(ADAM, start())
    second.restore(arrays, values)
    second.update()
    assert (bits(second), second.metrics()) != (bits(whole), whole.metrics())


def test_training_leaves_the_global_generator_where_it_was() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    one = stack(ADAM, start())
    one.update()
    assert torch.equal(torch.rand(4), expected)


def test_a_training_can_go_on_where_there_is_one_more_generator() -> None:
    """On a GPU, to which a job may be handed over from a CPU."""
    cpu, there = Draws(1, torch.device("cpu")), Draws(2, torch.device("cpu"))
    own = torch.arange(16, dtype=torch.uint8)
    there._states.append(own)
    there.restore(cpu.state())
    found = there.state()
    assert np.array_equal(found["generator/0"], cpu.state()["generator/0"])
    assert np.array_equal(found["generator/1"], own)


def test_accumulated_batches_are_one_update_on_all_their_predictions() -> None:
    accumulating = stack(Supervised(optimizer="sgd", accumulate=5, unit="epochs"), start())
    before = accumulating.weights(0)
    accumulating.module.eval()  # without dropout, so that the sum can be computed beside it
    accumulating.module.train = lambda mode=True: accumulating.module  # type: ignore[method-assign]
    accumulating.update()
    assert int(accumulating.counter[0]) == 1
    module, lesson, carry, total = Remembering().eval(), Lines(0), (), torch.zeros(())
    module.load_state_dict(before)
    for place in range(5):
        loss, carry = lesson.loss(module, lesson.batch(0, place), carry)
        total = total + loss
    (total / 54).backward()
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(accumulating.weights(0)[name], before[name] - 1e-3 * parameter.grad)


@pytest.mark.parametrize(("unit", "first"), [("epochs", 1), ("updates", 5), ("updates", 7)])
def test_a_ticket_that_continues_sees_what_the_dense_run_saw_from_there(unit: Any, first: int) -> None:
    settings = Supervised(unit=unit, length=20, learning_rate_schedule="linear", warmup=3)
    seen: list[tuple[int, int]] = []

    class Watched(Lines):
        def batch(self, epoch: int, place: int) -> Any:
            seen.append((epoch, place))
            return super().batch(epoch, place)

    one = stack(settings, start(span=(first, 20)))
    one.lesson = Watched(0)
    one.update()
    at = first * (5 if unit == "epochs" else 1)
    assert seen == [divmod(at, 5)]
    assert one.step.optimizer.param_groups[0]["lr"] == learning_rate(settings, at, 100 if unit == "epochs" else 20)


def test_a_ticket_that_trains_up_to_the_rewind_point_first_sees_what_the_dense_run_saw_and_then_starts_again() -> None:
    settings = Supervised(length=20, learning_rate_schedule="linear", warmup=3)
    seen: list[tuple[int, int]] = []

    class Watched(Lines):
        def batch(self, epoch: int, place: int) -> Any:
            seen.append((epoch, place))
            return super().batch(epoch, place)

    one = stack(settings, start(span=(-7, 20)))
    one.lesson = Watched(0)
    rates = []
    for _ in range(10):
        one.update()
        rates.append(one.step.optimizer.param_groups[0]["lr"])
    places = [*range(7), *range(3)]
    assert seen == [divmod(place, 5) for place in places] and int(one.counter[0]) == 3
    assert rates == [learning_rate(settings, place, 20) for place in places]


def test_optimizer_entries_of_the_rewind_point_are_taken_over_masked() -> None:
    dense = stack(ADAM, start())
    for _ in range(5):
        dense.update()
    mask = half()
    own = start(mask=mask, optimizer=dense.optimizer_state(0))
    taken = stack(ADAM, own).optimizer_state(0)
    for name, alive in mask.items():
        assert torch.equal(taken["exp_avg"][name], dense.optimizer_state(0)["exp_avg"][name] * alive)
    assert float(taken["count"]["count"]) == 5


@given(
    schedule=st.sampled_from(["constant", "linear", "inverse_sqrt"]),
    warmup=st.integers(0, 50),
    updates=st.integers(60, 500),
)
def test_rates_rise_to_the_peak_and_never_rise_after_it(schedule: Any, warmup: int, updates: int) -> None:
    settings = Supervised(learning_rate_schedule=schedule, warmup=warmup, learning_rate=2.0)
    rates = [learning_rate(settings, update, updates) for update in range(updates)]
    assert all(a < b for a, b in pairwise(rates[:warmup]))
    assert all(a >= b for a, b in pairwise(rates[warmup:]))
    assert max(rates) == pytest.approx(2.0)


def test_a_module_with_a_parameter_that_is_not_finite_is_broken() -> None:
    own = start()
    broken = Start(
        0, {n: w * float("nan") if n == "output.bias" else w for n, w in own.weights.items()}, own.mask, 0, 9
    )
    assert stack(ADAM, own).broken() == []
    assert stack(ADAM, broken).broken() == [0]


def test_fresh_parameters_follow_from_their_seed_alone() -> None:
    torch.manual_seed(1)
    first = network().initialise(5)
    torch.manual_seed(2)
    assert all(torch.equal(first[n], w) for n, w in network().initialise(5).items())
    assert any(not torch.equal(first[n], w) for n, w in network().initialise(6).items())


def test_every_parameter_is_in_a_group_by_kind() -> None:
    groups = network().groups()
    assert groups["output.bias"] == {"output", "biases"}
    assert groups["cell.weight_ih_l0"] == {"recurrent", "weights"}
    assert isinstance(network().module(), nn.Module)
