"""Time left: from stacks of the size that is to come, and nothing before one is measured."""

from dataclasses import replace

import pytest

from lth_core.time_left import BatchTime, seconds_left


def test_nothing_is_said_until_a_stack_of_the_coming_size_is_measured() -> None:
    dense = [BatchTime(4, 0.0, 27.0, 1.0), BatchTime(4, 0.0, 27.0, 1.0)]
    coming = dict.fromkeys(range(2, 9), 32)
    assert seconds_left([], coming, 0.0) is None
    assert seconds_left(dense, {1: 32, **coming}, 28.0) is None
    started = [BatchTime(16, 28.0, None, 0.01, 100.0, 2_500.0)] * 2
    assert seconds_left([*dense, *started], coming, 33.0) is None
    under_way = [BatchTime(16, 28.0, None, 0.2, 100.0, 2_500.0)] * 2
    assert seconds_left([*dense, *under_way], coming, 37.0) == pytest.approx(20 + 7 * 29)


def test_single_tickets_go_one_after_the_other_on_the_slots() -> None:
    ones = [BatchTime(1, at, at + 10.0, 1.0) for at in (0.0, 0.0, 10.0, 10.0)]
    assert seconds_left(ones, {2: 6}, 20.0) == pytest.approx(30.0)


def test_the_last_round_that_runs_is_all_that_is_left() -> None:
    assert seconds_left([BatchTime(2, 0.0, None, 0.5)], {}, 10.0) == pytest.approx(10.0)


def test_a_size_between_two_that_are_measured_is_known() -> None:
    known = [BatchTime(4, 0.0, 20.0, 1.0), BatchTime(16, 20.0, 60.0, 1.0)]
    assert seconds_left(known, {3: 10}, 60.0) == pytest.approx(30.0)


def test_a_batch_that_stood_still_in_between_is_counted_by_what_is_left_of_it() -> None:
    whole = BatchTime(4, 0.0, 100.0, 1.0)
    resumed = BatchTime(4, 100.0, None, 0.75, rate=10.0, steps=1000.0, resumed=True)
    assert seconds_left([whole, resumed], {}, 9_000.0) == pytest.approx(25.0)
    without_rate = replace(resumed, rate=None)
    assert seconds_left([whole, without_rate], {}, 9_000.0) == pytest.approx(25.0)
    assert seconds_left([without_rate], {}, 9_000.0) is None
    ended = replace(resumed, finished=8_000.0)
    assert seconds_left([whole, ended], {1: 4}, 9_000.0) == pytest.approx(100.0)
