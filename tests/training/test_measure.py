"""What an estimate is made of: evaluations cut short, stacks and networks as they are, each at its price."""

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from lth_core.cli.estimate import Measured, Prices, estimate, read
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import plan
from lth_core.round_costs import of_size, relative
from lth_core.training.families import make_model
from lth_core.training.stack import Calls, Interrupted
from lth_core.training.values.replay_stack import ReplayStack
from lth_core.worker import measure, sparse_rounds
from lth_core.worker.measure import Meter
from lth_core.worker.step_costs import step_costs
from tests.small import experiment, stack, starts


def _ticking(seconds: float) -> Meter:
    """A meter on whose clock so much time passes between any two looks at it."""
    clock = itertools.count(0.0, seconds)
    return Meter(experiment(), "cpu", lambda: next(clock))


def test_an_evaluation_takes_as_long_as_it_took_where_its_length_is_not_known() -> None:
    assert _ticking(0.5)._judged(lambda go_on: [go_on() for _ in range(10)], None) == 5.5


def test_a_long_evaluation_is_cut_and_extrapolated() -> None:
    def judge(go_on: Callable[[], bool]) -> None:
        while go_on():
            pass
        raise Interrupted

    assert 250 <= _ticking(0.25)._judged(judge, Calls(1000)) <= 330


def test_a_game_that_does_not_end_within_seconds_is_counted_as_one_of_usual_length() -> None:
    looks: list[bool] = []

    def judge(go_on: Callable[[], bool]) -> None:
        while go_on():
            looks.append(True)
        raise Interrupted

    assert 250 <= _ticking(0.25)._judged(judge, Calls(1000, after_all=True)) <= 330
    assert len(looks) <= 5 / 0.25  # not for a minute
    short = _ticking(0.25)._judged(lambda go_on: [go_on() for _ in range(10)], Calls(1000, after_all=True))
    assert short < 10  # one that has ended is as long as it was


def test_a_game_has_a_usual_length_under_its_long_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = experiment(training={"evaluation_episodes": 30, "greedy_episodes": 0})
    model, own = starts(settings, 1)
    one = stack(settings, own, model)
    monkeypatch.setattr(type(one), "limit", 27_000)
    assert one.evaluation_calls() == Calls(1000, after_all=True)


def test_a_trained_policy_plays_to_its_time_limit_with_sampled_and_greedy_actions() -> None:
    settings = experiment(training={"evaluation_episodes": 50, "greedy_episodes": 10})
    model, own = starts(settings, 1)
    assert stack(settings, own, model).evaluation_calls() == Calls(pytest.approx(1.2 * 500))


def test_rounds_with_few_living_weights_are_measured_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    made = experiment(model={"hidden": [16, 16]}, training={"sparse": "auto"}, pruning={"rounds": 9, "fraction": 0.4})
    model, _ = starts(made, 1)
    monkeypatch.setattr(sparse_rounds, "switch", lambda *_: 0.2)
    rounds = sparse_rounds.chosen(made, model, "cpu")
    assert rounds == pytest.approx({4: 0.13, 7: 0.028, 9: 0.01}, abs=0.003)
    own = sparse_rounds.stack_of(made, model, 2, "cpu", rounds[4])
    assert np.mean([float((own.weights(t)["trunk.1.weight"] != 0).float().mean()) for t in range(2)]) < 0.2
    assert Meter(made, "cpu", time.process_time).relative(model, 2, 0.05).keys() == rounds.keys()
    never = made.model_copy(update={"training": made.training.model_copy(update={"sparse": "never"})})
    assert sparse_rounds.chosen(never, model, "cpu") == {}


def _measured(step: Mapping[int, float], **more: Any) -> Measured:
    return Measured({"": Prices(step, parameters={0: 10}), **more.pop("networks", {})}, **more)


def test_an_estimate_knows_rounds_that_cost_less() -> None:
    known = {2: 0.8, 4: 0.4}
    assert [relative({}, 3), *(relative(known, round) for round in range(1, 6))] == pytest.approx(
        [1, 1, 0.8, 0.6, 0.4, 0.4]
    )
    made = experiment(pruning={"rounds": 4})
    plain = estimate(made, plan(made), _measured({1: 0.001}), 1, 64)
    sparse = estimate(made, plan(made), Measured({"": Prices({1: 0.001}, rounds={3: 0.5})}), 1, 64)
    assert plain.saved == 0 and sparse.work + sparse.saved == pytest.approx(plain.work)
    late = sum(trial.key.round >= 3 for trial in plan(made)) / len(plan(made))
    assert sparse.saved == pytest.approx(plain.work * late / 2)


def test_a_stack_costs_what_stacks_of_its_size_do_and_slots_work_side_by_side() -> None:
    assert [of_size({2: 3.0}, size) for size in (1, 2, 4)] == [1.5, 3.0, 6.0]
    assert [of_size({2: 3.0, 4: 4.0}, size) for size in (1, 3, 8)] == [2.5, 3.5, 6.0]
    made = experiment(seeds=[0, 1, 2, 3], arms=["winning", "random"], pruning={"rounds": 2})
    prices = {2: 3.0, 4: 4.0}
    found = estimate(made, plan(made), _measured(prices), 2, 64)
    # Two dense runs on each slot, then four tickets in each round.
    assert found.seconds == 512 * (3 + 4 + 4) and found.work == 2 * found.seconds
    alone = estimate(made, plan(made), _measured(prices), 2, 2)
    assert alone.seconds == 512 * (3 + 4 * 3)
    threads = estimate(made, plan(made), _measured(prices, clock=0.5), 2, 64)
    assert threads.seconds == found.seconds / 2 and threads.work == found.work


def test_an_estimate_counts_what_comes_besides_training() -> None:
    made = experiment(arms=["winning"], pruning={"rounds": 1})
    plain = estimate(made, plan(made), _measured({2: 1.0}), 1, 64)
    found = estimate(made, plan(made), _measured({2: 1.0}, start=3.0, ticket=5.0, again=7.0, before=11.0), 1, 64)
    assert found.work - plain.work == 3 + 5 * 4 + 7 + 11 and found.seconds == found.work
    wide = estimate(made, plan(made), _measured({2: 1.0}, start=3.0), 2, 64)
    assert wide.work - plain.work == 2 * 3 and wide.seconds == wide.work / 2


def test_an_estimate_knows_networks_of_other_widths(monkeypatch: pytest.MonkeyPatch) -> None:
    made = experiment(arms=["winning", "wide_sparse", "small_dense"], pruning={"rounds": 2}, model={"hidden": [16]})
    monkeypatch.setattr(measure, "SECONDS", 0.02)
    model = make_model(made)
    found = Meter(made, "cpu", time.process_time).others(model, 2, 1.0)
    assert found.keys() == {"wider 2", "smaller"} and found["smaller"]["rounds"].keys() == {1, 2}
    own = sum(shape.numel() for shape in model.shapes().values())
    assert (
        found["wider 2"]["parameters"][1] > own > found["smaller"]["parameters"][1] > found["smaller"]["parameters"][2]
    )
    others = {
        "wider 2": Prices({2: 3.0}, {2: 10.0}, parameters={1: 40}),
        "smaller": Prices({2: 0.5}, {2: 2.0}, rounds={1: 1.0, 2: 0.5}, parameters={1: 5, 2: 3}),
    }
    plain = estimate(made, plan(made), _measured({2: 1.0}), 1, 64)
    priced = estimate(made, plan(made), _measured({2: 1.0}, networks=others), 1, 64)
    assert plain.work == 512 * (1 + 2 * 3) and plain.judging == 0
    assert priced.work - priced.judging == 512 * (1 + 2 * 1 + 2 * 3 + 0.5 + 0.25)
    assert priced.judging == 2 * 10 + 2 * 2
    assert priced.bytes - plain.bytes == int(4 * 2 * (30 + 30 - 5 - 7) + 2 * (30 + 30 - 5 - 7) / 8)


def test_an_estimate_counts_evaluations_at_ends_and_validations_at_records() -> None:
    made = experiment(seeds=[0])
    trials = plan(made)
    judged = Measured({"": Prices({1: 0.0}, {1: 2.0}, {1: 3.0})})
    found = estimate(made, trials, judged, 1, 64)
    assert found.judging == found.work == len(trials) * (2 + 3 * 512 / made.training.record_every)


def test_prices_are_the_means_of_those_measured_side_by_side() -> None:
    answers = [
        {
            "rates": {"4": 4 / step},
            "prices": {"networks": {"": {"step": {"4": step}}}, "steps_per_unit": 500, "start": 2 * step},
        }
        for step in (1.0, 3.0)
    ]
    assert read(answers) == Measured({"": Prices({4: 2.0})}, 500, 4.0)
    answers[1]["prices"] = {}  # it measured steps alone
    assert read(answers) == Measured({"": Prices({4: 2.0})}, 500, 2.0)


def test_what_takes_long_to_make_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = experiment(training={"evaluation_episodes": 1, "greedy_episodes": 0})
    monkeypatch.setattr(Meter, "one_by_one", True)

    def answer(*more: str) -> dict[str, Any]:
        monkeypatch.setattr("sys.argv", ["measure", "cpu", "1,2", "0.01", *more])
        return measure.act({"experiment": made.canonical()})

    both = answer("evaluate")
    assert both["rates"].keys() == {"1", "2"} and both["prices"]["networks"][""]["evaluation"].keys() == {1}
    monkeypatch.setattr(measure, "LONG", -1.0)
    assert answer("evaluate")["rates"].keys() == answer("steps")["rates"].keys() == {"1"}
    assert answer("steps")["prices"] == {} and answer()["rates"].keys() == {"1", "2"}


def test_steps_before_anything_is_learnt_are_priced_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    dqn = {"algorithm": "dqn", "environments": 2, "train_every": 8, "batch": 16, "replay": 512, "length": 512}
    made = Experiment.from_fields(
        {"name": "one", "seeds": [0], "model": {"hidden": [8]}, "training": {**dqn, "learning_starts": 384}}
    )
    now = [0.0]
    meter = Meter(made, "cpu", lambda: now[0])

    def passes(kind: Any, name: str, seconds: float) -> None:
        own = getattr(kind, name)

        def slower(*given: Any) -> Any:
            now[0] += seconds
            return own(*given)

        monkeypatch.setattr(kind, name, slower)

    passes(ReplayStack, "_play", 1.0)
    passes(ReplayStack, "_learn", 9.0)
    step = meter.measured({1: meter.stack(make_model(made), 1)}, 30.0)[1].step
    assert step == pytest.approx((0.75 * 1 + 0.25 * 10) / 16)


def test_stacks_that_are_compared_are_updated_in_turns() -> None:
    made = experiment()
    now, order = 0.0, list[int]()
    stacks = {tickets: stack(made, starts(made, tickets)[1], starts(made, tickets)[0]) for tickets in (1, 2)}

    def counted(tickets: int) -> Callable[[], None]:
        own = stacks[tickets].update

        def update() -> None:
            nonlocal now
            now += 1.0 if len(order) < 8 else 3.0  # something else begins to use the processor
            order.append(tickets)
            own()

        return update

    for tickets, one in stacks.items():
        one.update = counted(tickets)  # type: ignore[method-assign]
    costs = step_costs(stacks, lambda: now, 16.0)
    assert order[:12] == [1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 2, 2]  # a quarter of the seconds each
    assert costs[1].took == costs[2].took == 16.0 and costs[1].step == costs[2].step
