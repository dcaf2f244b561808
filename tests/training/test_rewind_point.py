"""A rewind point between two updates: weights and schedule of tickets are of one moment, which is said."""

import pytest

from lth_core.errors import InputError
from lth_core.experiment import rules
from lth_core.experiment.lengths import all_trained
from lth_core.tickets import expected_schedule
from tests.small import Memory, experiment, stack_run, starts

OFF = {"weights": 100, "schedule": "rewind", "equal_training": True}
SHORT = {"length": 256, "record_every": 256, "evaluation_episodes": 1}  # updates of 32 steps


def test_tickets_go_on_where_their_weights_were_taken() -> None:
    own = experiment(arms=["winning", "random"], rewinding=OFF, training=SHORT)
    run = stack_run(own, starts(own, 1, density=1.0)[1], Memory())
    (dense,) = run.trials
    assert run.run() and dense.seen is not None
    taken, _ = dense.seen.noted["rewind"]
    assert taken == 128 and own.span("winning") == (taken, 256) and own.span("random") == (taken - taken, 256)
    for arm in own.arms:
        first, last = own.span(arm)
        assert (first, last - first) == (expected_schedule.start(own, arm), expected_schedule.length(own, arm))
    assert all_trained(own)["winning"][0] == 256


@pytest.mark.parametrize("weights", [96, 128])
def test_a_point_on_an_update_is_itself(weights: int) -> None:
    own = experiment(rewinding={"weights": weights, "schedule": "rewind"}, training=SHORT)
    assert own.span("winning") == (weights, 256) and expected_schedule.start(own, "winning") == weights


def test_games_end_where_they_end() -> None:
    own = experiment(rewinding={"weights": 5, "schedule": "rewind"}, training={**SHORT, "unit": "games", "length": 16})
    assert own.span("winning") == (5, 16) and expected_schedule.start(own, "winning") == 5


def test_a_point_in_the_last_update_leaves_nothing_to_train() -> None:
    rules.check_rewind_point(experiment(rewinding={"weights": 250}, training=SHORT))
    stored = experiment(rewinding={"weights": 250, "schedule": "rewind"}, training=SHORT)
    with pytest.raises(InputError, match=r"rewinding.weights 250: the first update that reaches it ends at 256"):
        rules.check_rewind_point(stored)
