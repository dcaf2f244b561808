"""How long an evaluation takes, from a measurement that is cut short, and that an estimate counts it."""

import itertools
from collections.abc import Callable

import pytest

from lth_core.cli.check import estimate
from lth_core.experiment.plan import plan
from lth_core.training.stack import Calls, Interrupted
from lth_core.worker import measure
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


def test_an_estimate_counts_evaluations_at_ends_and_validations_at_records() -> None:
    made = experiment()
    trials = plan(made)
    plain = estimate(made, trials, 1000.0, (0.0, 0.0), 10, 1)
    judged = estimate(made, trials, 1000.0, (2.0, 0.0), 10, 1)
    assert judged.seconds == pytest.approx(plain.seconds + 2.0 * len(trials)) and judged.judging == 2.0 * len(trials)
    validated = estimate(made, trials, 1000.0, (0.0, 3.0), 10, 1)
    assert validated.judging == pytest.approx(3.0 * plain.steps / made.training.record_every)
