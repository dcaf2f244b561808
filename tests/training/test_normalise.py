"""Running statistics against numpy's over everything that was seen."""

import numpy as np

from lth_core.training.reinforcement.normalise import Moments, Observations, Returns


def test_moments_equal_those_of_everything_seen() -> None:
    rng = np.random.default_rng(0)
    seen = rng.normal([5, -1000, 0], [1, 0.01, 30], (2, 400, 3)).astype(np.float32)
    seen[1] *= 2
    one = Observations(2, 3)
    np.testing.assert_array_equal(one.normalised(np.ones((2, 4, 3), np.float32)), np.ones((2, 4, 3)))
    for part in np.split(seen, 100, axis=1):
        one.add(part)
    np.testing.assert_allclose(one.mean, seen.astype(np.float64).mean(1), rtol=1e-10)
    np.testing.assert_allclose(one.variance, seen.astype(np.float64).var(1), rtol=1e-6)
    assert one.count.tolist() == [400, 400]
    normalised = one.normalised(seen)
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised.mean(1), 0, atol=1e-4)
    np.testing.assert_allclose(normalised.std(1)[:, [0, 2]], 1, atol=1e-4)
    assert one.normalised(np.full((2, 1, 3), 1e9, np.float32)).tolist() == [[[10] * 3]] * 2


def test_rewards_are_divided_by_the_deviation_of_their_discounted_returns() -> None:
    rng = np.random.default_rng(1)
    rewards, ends = rng.normal(3, 2, (60, 2, 4)), rng.random((60, 2, 4)) < 0.1
    one, running, returns = Returns(2, 4, 0.9), np.zeros((2, 4)), []
    for reward, ended in zip(rewards, ends, strict=True):
        running = 0.9 * running + reward
        returns.append(running)
        found = one.normalised(reward, ended)
        deviation = np.concatenate(returns, axis=1).std(1, keepdims=True)
        np.testing.assert_allclose(found, np.clip(reward / np.sqrt(deviation**2 + 1e-8), -10, 10), rtol=1e-5)
        running = running * ~ended


def test_kept_and_restored_statistics_go_on_the_same() -> None:
    rng = np.random.default_rng(2)
    one, other = Returns(3, 2, 0.99), Returns(2, 2, 0.99)
    for _ in range(5):
        one.normalised(rng.normal(size=(3, 2)), np.zeros((3, 2), bool))
    one.keep([0, 2])
    other.restore({name: array.copy() for name, array in one.state().items()})
    rewards = rng.normal(size=(2, 2))
    a, b = (each.normalised(rewards, np.zeros((2, 2), bool)) for each in (one, other))
    np.testing.assert_array_equal(a, b)
    one.restart()
    assert not one.state()["running"].any()


def test_a_ticket_goes_on_from_statistics_that_it_is_given_and_its_neighbour_from_none() -> None:
    rng = np.random.default_rng(0)
    first, more = rng.normal(3, 2, (1, 50, 4)), rng.normal(1, 1, (2, 30, 4))
    known, pair, whole = Moments(1, 4), Moments(2, 4), Moments(1, 4)
    known.add(first)
    pair.know(0, known.of(0))
    pair.add(more)
    whole.add(np.concatenate([first[0], more[0]])[None])
    assert np.allclose(pair.mean[0], whole.mean[0]) and np.allclose(pair.variance[0], whole.variance[0])
    assert np.allclose(pair.mean[1], more[1].mean(0)) and pair.count.tolist() == [80, 30]
