"""The games are those of the package, are saved, and do not depend on their stack."""

import json

import numpy as np
import pytest

from lth_core.settings.minatar import MinAtarTask
from lth_core.tasks.minatar.environments import MinAtar
from tests.tasks.minatar.played import CASES, GAMES, RECORDED, STEPS, Case, Ours, digest


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_games_are_those_of_the_package(case: Case) -> None:
    """State by state, as recorded; tests/slow compares 10,000 steps with the package itself."""
    assert digest(Ours(case), STEPS) == json.loads(RECORDED.read_text())[case.name]


@pytest.mark.parametrize("game", GAMES)
def test_a_game_goes_on_bit_for_bit_in_whatever_stack_and_after_it_was_saved(game: str) -> None:
    task, rng = MinAtarTask(game=game, time_limit=90), np.random.default_rng(0)
    actions = rng.integers(0, 6, (240, 3, 2))
    both, alone = MinAtar(task, [4, 7, 9], 2), MinAtar(task, [7], 2)
    assert np.array_equal(both.reset()[1:2], alone.reset())
    again, cut, now = MinAtar(task, [7], 2), 0, np.empty(0)
    for i, own in enumerate(actions):
        if i == 100:
            both.keep([1, 2])
        if i == 130:  # in the middle of a block of sticky actions, and of games
            assert np.array_equal(again.restore(*alone.state()), now)
        one, step = both.step(own if i < 100 else own[1:]), alone.step(own[1:2])
        now, row = step.observations, int(i < 100)
        for name in ("observations", "rewards", "terminated", "truncated"):
            assert np.array_equal(getattr(one, name)[row : row + 1], getattr(step, name))
        if i >= 130:
            more = again.step(own[1:2])
            assert np.array_equal(more.observations, now)
            assert np.array_equal(more.rewards, step.rewards)
        cut += int(step.truncated.sum())
    assert cut or game == "breakout"


def test_only_actions_that_do_something_are_offered_if_asked() -> None:
    task = MinAtarTask(game="freeway", full_action_set=False, sticky_action_prob=0)
    few, all_of_them = MinAtar(task, [1], 1), MinAtar(task.model_copy(update={"full_action_set": True}), [1], 1)
    assert (few.actions, all_of_them.actions) == (3, 6)
    few.reset(), all_of_them.reset()
    for one, of_six in ((1, 2), (2, 4), (0, 0)) * 8:
        step, other = few.step(np.array([[one]])), all_of_them.step(np.array([[of_six]]))
        assert np.array_equal(step.observations, other.observations)
