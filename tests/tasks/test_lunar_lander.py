"""LunarLander stepped without gymnasium's overhead gives gymnasium's bits, also where it lands and where it is late."""

import gymnasium
import numpy as np
import pytest

pytest.importorskip("Box2D", reason="needs the extra box2d")

from gymnasium.envs.box2d.lunar_lander import heuristic

from lth_core.tasks.lunar_lander import Lander

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def _same_episode(ours: Lander, theirs: gymnasium.Env, seed: int, noise: float) -> tuple[float, bool]:
    """Play one episode in both by gymnasium's own rule of thumb; its last reward, and whether it was cut."""
    rng = np.random.default_rng(seed)
    seen, expected = ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0]
    while True:
        np.testing.assert_array_equal(seen, expected)
        action = heuristic(theirs.unwrapped, expected)
        if rng.random() < noise:
            action = theirs.action_space.sample()
        seen, reward, terminated, truncated, _ = ours.step(action)
        expected, *judged, _ = theirs.step(action)
        assert [reward, terminated, truncated and not terminated] == [
            judged[0], judged[1], judged[2] and not judged[1],
        ]  # fmt: skip
        assert seen.dtype == np.float32
        if terminated or truncated:
            np.testing.assert_array_equal(seen, expected)
            return reward, truncated and not terminated


@pytest.mark.parametrize("continuous", [False, True])
def test_landings_and_crashes_are_gymnasiums_to_the_bit(continuous: bool) -> None:
    theirs = gymnasium.make("LunarLander-v3", continuous=continuous)
    theirs.action_space.seed(0)
    ours = Lander(1000, continuous)
    ends = [_same_episode(ours, theirs, seed, noise)[0] for seed, noise in enumerate([0.0] * 4 + [0.7] * 4)]
    assert {100.0, -100.0} <= set(ends)


def test_an_episode_that_takes_too_long_is_cut_where_gymnasium_cuts_it() -> None:
    theirs = gymnasium.make("LunarLander-v3", max_episode_steps=40)
    assert _same_episode(Lander(40, False), theirs, 0, 0.0)[1]
