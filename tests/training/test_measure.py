"""How long an evaluation takes, from a measurement that is cut short, and that an estimate counts it."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from lth_core.cli.check import Times, estimate
from lth_core.experiment.plan import plan
from lth_core.round_costs import relative
from lth_core.training.families import make_model
from lth_core.training.stack import Calls, Interrupted
from lth_core.worker import measure, sparse_rounds
from tests.small import experiment, stack, starts


def test_an_evaluation_takes_as_long_as_it_took_where_its_length_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0, 0.5)  # half a second between any two looks at it
    monkeypatch.setattr(measure.time, "perf_counter", lambda: next(clock))
    assert measure._seconds(lambda go_on: [go_on() for _ in range(10)], None) == 5.5


def test_a_long_evaluation_is_cut_and_extrapolated(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0, 0.25)
    monkeypatch.setattr(measure.time, "perf_counter", lambda: next(clock))

    def judge(go_on: Callable[[], bool]) -> None:
        while go_on():
            pass
        raise Interrupted

    assert 250 <= measure._seconds(judge, Calls(1000)) <= 330


def test_a_game_that_does_not_end_within_seconds_is_counted_as_one_of_usual_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = itertools.count(0.0, 0.25)
    monkeypatch.setattr(measure.time, "perf_counter", lambda: next(clock))
    looks: list[bool] = []

    def judge(go_on: Callable[[], bool]) -> None:
        while go_on():
            looks.append(True)
        raise Interrupted

    assert 250 <= measure._seconds(judge, Calls(1000, after_all=True)) <= 330
    assert len(looks) <= 5 / 0.25  # not for a minute
    short = measure._seconds(lambda go_on: [go_on() for _ in range(10)], Calls(1000, after_all=True))
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
    assert measure._relative(made, model, "cpu", 2, 0.05).keys() == rounds.keys()
    never = made.model_copy(update={"training": made.training.model_copy(update={"sparse": "never"})})
    assert sparse_rounds.chosen(never, model, "cpu") == {}


def test_an_estimate_knows_rounds_that_cost_less() -> None:
    known = {2: 0.8, 4: 0.4}
    assert [relative({}, 3), *(relative(known, round) for round in range(1, 6))] == pytest.approx(
        [1, 1, 0.8, 0.6, 0.4, 0.4]
    )
    made = experiment(pruning={"rounds": 4})
    plain, sparse = (estimate(made, plan(made), 1000.0, (0.0, 0.0), 10, 1, rounds) for rounds in (None, {3: 0.5}))
    assert plain.saved == 0 and sparse.seconds + sparse.saved == pytest.approx(plain.seconds)
    late = sum(trial.key.round >= 3 for trial in plan(made)) / len(plan(made))
    assert sparse.saved == pytest.approx(plain.seconds * late / 2, rel=0.02)


def test_an_estimate_knows_that_a_wider_network_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    made = experiment(arms=["winning", "wide_sparse"], pruning={"rounds": 2}, model={"hidden": [8]})
    monkeypatch.setattr(measure, "WIDER_SECONDS", 0.05)
    times = measure._wider(made, make_model(made), "cpu", 2, measure._Measured(1e9, 1, 1.0, 0.0, 0))
    assert times.keys() == {"wide_sparse"} and times["wide_sparse"][0] > 1 and times["wide_sparse"][2] == 1.0
    trials = plan(made)
    wide, steps = ({"wide_sparse": Times(3.0, 2.0, 1.0)}, estimate(made, trials, 1000.0, (0.0, 0.0), 10, 1).steps)
    found = estimate(made, trials, 1000.0, (1.0, 0.0), 10, 1, None, wide)
    share = sum(trial.key.arm == "wide_sparse" for trial in trials) / len(trials)
    assert found.judging == pytest.approx(len(trials) * (1 + share))
    assert found.seconds - found.judging == pytest.approx(steps / 1000 * (1 + 2 * share))


def test_an_estimate_counts_evaluations_at_ends_and_validations_at_records() -> None:
    made = experiment()
    trials = plan(made)
    plain = estimate(made, trials, 1000.0, (0.0, 0.0), 10, 1)
    judged = estimate(made, trials, 1000.0, (2.0, 0.0), 10, 1)
    assert judged.seconds == pytest.approx(plain.seconds + 2.0 * len(trials)) and judged.judging == 2.0 * len(trials)
    validated = estimate(made, trials, 1000.0, (0.0, 3.0), 10, 1)
    assert validated.judging == pytest.approx(3.0 * plain.steps / made.training.record_every)
