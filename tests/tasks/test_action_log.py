"""The log of actions against lists, one for each environment."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lth_core.tasks.action_log import ActionLog

TICKETS, COUNT = 2, 3
TURNS = st.lists(st.tuples(st.integers(0, 255), st.lists(st.booleans(), min_size=6, max_size=6)), max_size=80)


@given(TURNS, st.integers(0, 79))
def test_a_log_holds_the_actions_since_each_episode_began(turns: list, saved_at: int) -> None:
    log = ActionLog(TICKETS, COUNT, (), np.uint8)
    expected: dict = {(t, e): [] for t in range(TICKETS) for e in range(COUNT)}
    for number, (action, ends) in enumerate(turns):
        taken = (action + np.arange(6).reshape(TICKETS, COUNT)) % 256
        log.add(taken)
        ended = np.array(ends).reshape(TICKETS, COUNT)
        log.begin(ended)
        for (t, e), own in expected.items():
            own.append(int(taken[t, e]))
            if ended[t, e]:
                own.clear()
        if number == saved_at:
            other = ActionLog(TICKETS, COUNT, (), np.uint8)
            other.restore(log.state())
            log = other
        assert {place: log.of(*place).tolist() for place in expected} == expected
        assert log.ages.tolist() == [[len(expected[t, e]) for e in range(COUNT)] for t in range(TICKETS)]
    log.keep([1])
    assert log.of(0, 2).tolist() == expected[1, 2]


def test_what_is_kept_is_no_longer_than_the_oldest_episode() -> None:
    log = ActionLog(1, 2, (3,), np.float32)
    for number in range(1, 5_001):
        log.add(np.full((1, 2, 3), number, np.float32))
        log.begin(np.array([[number % 10 == 0, number % 7 == 0]]))
    assert log.state()["actions"].shape[0] < 10
    assert log._taken.shape[0] <= 32
