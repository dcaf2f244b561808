"""Stacked classic control against gymnasium's own environments, from the same states and with the same actions."""

import copy
from typing import Any

import gymnasium
import numpy as np
import pytest

from lth_core.settings.code import Wrapper
from lth_core.settings.control import ControlTask
from lth_core.tasks import control
from lth_core.tasks.classic import STACKED, Classic, MountainCarContinuous
from lth_core.tasks.maker import Maker
from tests.thorough import pairs

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

NAMES = ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"]
STARTED = [*NAMES, "CartPole-v0"]
every = pytest.mark.parametrize("environment", NAMES)


def _drawn(one: Classic, rng: np.random.Generator, tickets: int, count: int) -> np.ndarray:
    if one.continuous:
        return (2 * rng.normal(size=(tickets, count, one.actions))).astype(np.float32)
    return rng.integers(0, one.actions, (tickets, count))


def _place(reference: Any, one: Classic, column: int) -> None:
    """A fresh episode of the reference in the state of ours."""
    reference.reset()
    state = one._state[:, column].copy()
    reference.unwrapped.state = state if state.dtype == np.float32 else state.astype(np.float64)


def test_every_class_serves_one_environment_and_no_variant_of_it() -> None:
    made = [type(control.make(ControlTask(environment=name), [0], 1)) for name in NAMES]
    assert set(made) == set(STACKED)
    changed = Maker(ControlTask(environment="Pendulum-v1"))
    changed.spec = copy.deepcopy(changed.spec)
    changed.spec.kwargs = {"g": 9.81}
    wrapped = [Wrapper(name="gymnasium.wrappers:ClipReward")]
    of_task = [
        ControlTask(environment="Pendulum-v1", arguments={"g": 10.0}),
        ControlTask(environment="Pendulum-v1", wrappers=tuple(wrapped)),
        ControlTask(environment="gymnasium:Pendulum-v1"),
    ]
    assert not any(one.serves(maker) for one in STACKED for maker in (changed, *map(Maker, of_task)))


@pytest.mark.parametrize(
    ("environment", "limit"), pairs(STARTED, [None, 37], ("CartPole-v1", 37), ("MountainCarContinuous-v0", None))
)
def test_a_thousand_random_steps_equal_gymnasiums(environment: str, limit: int | None) -> None:
    one = control.make(ControlTask(environment=environment, time_limit=limit), [3], 3)
    assert isinstance(one, Classic)
    first = one.reset()
    references = [gymnasium.make(environment, max_episode_steps=limit) for _ in range(3)]
    assert one.limit == (limit or references[0].spec.max_episode_steps)
    for index, reference in enumerate(references):
        _place(reference, one, index)
    rng, ends = np.random.default_rng(0), 0
    seen = first
    for number in range(1100):
        actions = _drawn(one, rng, 1, 3)
        if environment.startswith("MountainCar") and number > 400:  # a rule that reaches the goal
            right = (seen[..., 1] >= 0)[..., None]
            actions = np.where(right, 1, -1).astype(np.float32) if one.continuous else 2 * right[..., 0]
        step = one.step(actions)
        last = step.observations if step.last_observations is None else step.last_observations
        for index, reference in enumerate(references):
            theirs = one._acted.translated(actions)[0, index]
            found, reward, terminated, truncated, _ = reference.step(theirs)
            np.testing.assert_allclose(last[0, index], found, rtol=0, atol=1e-12)
            assert step.rewards[0, index] == np.float32(reward)
            assert (bool(step.terminated[0, index]), bool(step.truncated[0, index])) == (
                terminated, truncated and not terminated,
            )  # fmt: skip
            if terminated or truncated:
                ends += 1
                _place(reference, one, index)
            else:
                np.testing.assert_allclose(one._state[:, index], reference.unwrapped.state, rtol=0, atol=1e-12)
        seen = step.observations
    assert ends >= (3 if environment != "MountainCar-v0" else 12)


@every
def test_start_states_are_where_gymnasiums_are(environment: str) -> None:
    one, reference = control.make(ControlTask(environment=environment), [0], 2000), gymnasium.make(environment)
    assert isinstance(one, Classic)
    one.reset()
    theirs = np.array([reference.reset(seed=seed) and reference.unwrapped.state for seed in range(2000)])
    np.testing.assert_allclose(one._state.min(1), theirs.min(0), atol=0.01)
    np.testing.assert_allclose(one._state.max(1), theirs.max(0), atol=0.01)
    np.testing.assert_allclose(one._state.mean(1), theirs.mean(0), atol=0.15)


def test_reaching_the_goal_terminates_with_its_reward() -> None:
    one = control.make(ControlTask(environment="MountainCarContinuous-v0"), [0], 2)
    assert isinstance(one, MountainCarContinuous)
    one.reset()
    one._state[:, 0] = 0.44, 0.06
    one._steps[:] = [one.limit - 1, one.limit - 1]
    step = one.step(np.array([[[1.0], [0.5]]], np.float32))
    assert step.terminated.tolist() == [[True, False]]
    assert step.truncated.tolist() == [[False, True]]
    assert step.rewards[0].tolist() == pytest.approx([99.9, -0.025])
    assert step.last_observations is not None
    assert step.last_observations[0, 0, 0] > 0.45
    assert (step.observations[0, :, 0] < -0.39).all()
    assert one._steps.tolist() == [0, 0]


@every
def test_a_tickets_trajectory_does_not_depend_on_its_neighbours(environment: str) -> None:
    together, alone = (
        control.make(ControlTask(environment=environment), [5, 6, 7], 2),
        control.make(ControlTask(environment=environment), [6], 2),
    )
    first, own = together.reset(), alone.reset()
    np.testing.assert_array_equal(first[1], own[0])
    assert not np.array_equal(first[0], first[1])
    rng = np.random.default_rng(2)
    for number in range(450):
        if number == 250:
            together.keep([1, 2])
        now = _drawn(together, rng, 3, 2)
        place = 1 if number < 250 else 0
        a, b = together.step(now if number < 250 else now[1:]), alone.step(now[1:2])
        for part in ("observations", "rewards", "terminated", "truncated"):
            np.testing.assert_array_equal(getattr(a, part)[place], getattr(b, part)[0])


@every
def test_saved_environments_go_on_the_same(environment: str) -> None:
    one, other = (control.make(ControlTask(environment=environment), [1, 2], 3) for _ in range(2))
    one.reset()
    rng = np.random.default_rng(3)
    for _ in range(150):
        step = one.step(_drawn(one, rng, 2, 3))
    saved = one.state()
    assert saved is not None
    other.reset()
    np.testing.assert_array_equal(other.restore(*saved), step.observations)
    for _ in range(400):
        now = _drawn(one, rng, 2, 3)
        a, b = one.step(now), other.step(now)
        np.testing.assert_array_equal(a.observations, b.observations)
        np.testing.assert_array_equal(a.truncated, b.truncated)


@pytest.mark.parametrize(("environment", "limit"), [("CartPole-v1", 500), ("CartPole-v0", 200)])
def test_episodes_are_cut_at_the_limit_and_start_again_at_once(environment: str, limit: int) -> None:
    one = control.make(ControlTask(environment=environment), [0], 2)
    assert isinstance(one, Classic)
    assert one.limit == limit
    one.reset()
    for number in range(1, 2 * limit + 1):
        one._state[:, 0] = 0.001  # held upright by hand; the second environment falls
        step = one.step(np.array([[number % 2, 1]]))
        assert bool(step.truncated[0, 0]) == (number % limit == 0), number
        assert not step.terminated[0, 0]
        assert not step.truncated[0, 1]
        if number % limit == 0:
            assert step.last_observations is not None
            assert np.abs(step.observations[0, 0]).max() <= 0.05
            assert not np.array_equal(step.last_observations[0, 0], step.observations[0, 0])


def test_no_transition_of_cartpole_crosses_the_end_of_an_episode() -> None:
    one = control.make(ControlTask(environment="CartPole-v1"), [0, 1], 3)
    before = one.reset()
    rng, ends = np.random.default_rng(1), 0
    for _ in range(300):
        step = one.step(rng.integers(0, 2, (2, 3)))
        last = step.observations if step.last_observations is None else step.last_observations
        # Within one step the cart's position moves by its speed times 0.02 s, whatever the action.
        np.testing.assert_allclose(last[..., 0], before[..., 0] + 0.02 * before[..., 1], atol=1e-6)
        np.testing.assert_allclose(last[..., 2], before[..., 2] + 0.02 * before[..., 3], atol=1e-6)
        ended = step.terminated | step.truncated
        assert not (step.terminated & step.truncated).any()
        assert (np.abs(step.observations[ended]) <= 0.05).all()
        assert (step.rewards == 1.0).all()
        if step.last_observations is not None:
            np.testing.assert_array_equal(step.observations[~ended], last[~ended])
            assert ended.any()
        ends += int(ended.sum())
        before = step.observations
    assert ends > 20
