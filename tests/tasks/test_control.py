"""The stacked CartPole against gymnasium's own, and any other environment one by one."""

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

from lth_core.errors import InputError
from lth_core.tasks import control
from lth_core.tasks.control import CartPole, OneByOne

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


OTHER = "AcrobotOneByOne-v0"
"""An Acrobot that is not recognised as gymnasium's own, because it has an argument."""
gymnasium.register(
    OTHER, "gymnasium.envs.classic_control.acrobot:AcrobotEnv", kwargs={"render_mode": None}, max_episode_steps=500
)


def _state(one: CartPole, index: int) -> np.ndarray:
    return one._vector.state[:, index]


@pytest.mark.parametrize("environment", ["CartPole-v1", "CartPole-v0"])
def test_a_thousand_random_steps_equal_gymnasiums_cartpole(environment: str) -> None:
    one = control.make(environment, [3], 2)
    assert isinstance(one, CartPole)
    one.reset()
    references = [gymnasium.make(environment) for _ in range(2)]
    for index, reference in enumerate(references):
        reference.reset(seed=0)
        reference.unwrapped.state = _state(one, index).copy()
    rng, ends = np.random.default_rng(0), 0
    for _ in range(1000):
        actions = rng.integers(0, 2, (1, 2))
        step = one.step(actions)
        for index, reference in enumerate(references):
            seen, reward, terminated, truncated, _ = reference.step(int(actions[0, index]))
            last = step.observations if step.last_observations is None else step.last_observations
            np.testing.assert_allclose(last[0, index], seen, rtol=0, atol=0)
            assert (reward, terminated, truncated) == (
                step.rewards[0, index], step.terminated[0, index], step.truncated[0, index],
            )  # fmt: skip
            if terminated or truncated:
                ends += 1
                reference.reset()
                reference.unwrapped.state = _state(one, index).copy()
            else:
                np.testing.assert_allclose(_state(one, index), reference.unwrapped.state, rtol=0, atol=1e-12)
    assert ends > 40


@pytest.mark.parametrize(("environment", "limit"), [("CartPole-v1", 500), ("CartPole-v0", 200)])
def test_episodes_are_cut_at_the_limit_and_start_again_at_once(environment: str, limit: int) -> None:
    one = control.make(environment, [0], 2)
    assert one.limit == limit
    one.reset()
    for number in range(1, 2 * limit + 1):
        one._vector.state[:, 0] = 0.001  # held upright by hand; the second environment falls
        step = one.step(np.array([[number % 2, 1]]))
        assert bool(step.truncated[0, 0]) == (number % limit == 0), number
        assert not step.terminated[0, 0]
        assert not step.truncated[0, 1]
        if number % limit == 0:
            assert step.last_observations is not None
            assert np.abs(step.observations[0, 0]).max() <= 0.05
            assert not np.array_equal(step.last_observations[0, 0], step.observations[0, 0])


def test_no_transition_crosses_the_end_of_an_episode() -> None:
    one = control.make("CartPole-v1", [0, 1], 3)
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


@pytest.mark.parametrize("environment", ["CartPole-v1", OTHER])
def test_a_tickets_trajectory_does_not_depend_on_its_neighbours(environment: str) -> None:
    actions = np.random.default_rng(2).integers(0, 2, (150, 3, 2))
    together = control.make(environment, [5, 6, 7], 2)
    alone = control.make(environment, [6], 2)
    first, own = together.reset(), alone.reset()
    np.testing.assert_array_equal(first[1], own[0])
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0, 0], first[0, 1])
    for number, now in enumerate(actions):
        if number == 70:
            together.keep([1, 2])
        rows = now if number < 70 else now[1:]
        place = 1 if number < 70 else 0
        a, b = together.step(rows), alone.step(now[1:2])
        for part in ("observations", "rewards", "terminated", "truncated"):
            np.testing.assert_array_equal(getattr(a, part)[place], getattr(b, part)[0])


def test_saved_cartpoles_go_on_the_same() -> None:
    one, other = (control.make("CartPole-v1", [1, 2], 3) for _ in range(2))
    one.reset()
    actions = np.random.default_rng(3).integers(0, 2, (200, 2, 3))
    for now in actions[:50]:
        step = one.step(now)
    saved = one.state()
    assert saved is not None
    other.reset()
    np.testing.assert_array_equal(other.restore(*saved), step.observations)
    for now in actions[50:]:
        a, b = one.step(now), other.step(now)
        np.testing.assert_array_equal(a.observations, b.observations)
        np.testing.assert_array_equal(a.truncated, b.truncated)
    with pytest.raises(TypeError, match="can be saved"):
        one.restart(0)


def test_other_environments_go_one_by_one_and_equal_gymnasiums() -> None:
    one = control.make(OTHER, [4], 2)
    assert isinstance(one, OneByOne)
    assert (one.inputs, one.actions, one.limit) == (6, 3, 500)
    assert one.state() is None
    observations = one.reset()
    assert observations.dtype == np.float32
    references = [gymnasium.make(OTHER) for _ in range(2)]
    for index, reference in enumerate(references):
        seen, _ = reference.reset(seed=one._seed(4, 0, index))
        np.testing.assert_array_equal(observations[0, index], seen)
    rng, cut = np.random.default_rng(0), 0
    for _ in range(1100):
        actions = rng.integers(0, 3, (1, 2))
        step = one.step(actions)
        for index, reference in enumerate(references):
            seen, reward, terminated, truncated, _ = reference.step(int(actions[0, index]))
            last = step.observations if step.last_observations is None else step.last_observations
            np.testing.assert_array_equal(last[0, index], seen)
            assert (reward, terminated, truncated and not terminated) == (
                step.rewards[0, index], step.terminated[0, index], step.truncated[0, index],
            )  # fmt: skip
            cut += truncated
            if terminated or truncated:
                seen, _ = reference.reset()
            np.testing.assert_array_equal(step.observations[0, index], seen)
    assert cut >= 2


def test_restarts_depend_on_seed_step_and_place() -> None:
    one = control.make(OTHER, [4, 5], 2)
    first, again, later = one.restart(0), one.restart(0), one.restart(100)
    np.testing.assert_array_equal(first, again)
    assert len({tuple(row) for part in (first, later) for row in part.reshape(-1, 6)}) == 8
    with pytest.raises(TypeError, match="restarted"):
        one.restore({}, {})


def test_an_environment_that_gymnasium_cannot_make_is_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match=r'task.environment "NoSuchThing-v1"'):
        control.make("NoSuchThing-v1", [0], 1)


def test_an_environment_whose_package_is_missing_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = EnvSpec("Missing-v0", entry_point="a_package_that_is_not_installed:Environment")
    monkeypatch.setitem(gymnasium.registry, "Missing-v0", spec)
    with pytest.raises(InputError, match="Missing-v0"):
        control.make("Missing-v0", [0], 1)


@pytest.mark.parametrize(("package", "extra"), [("box2d", "box2d"), ("mujoco", "mujoco")])
def test_a_missing_extra_is_named(package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "Missing-v1"
    spec = EnvSpec(name, entry_point=f"gymnasium.envs.{package}:NoSuchEnvironment")
    monkeypatch.setitem(gymnasium.registry, name, spec)

    def missing(*_: object, **__: object) -> None:
        raise gymnasium.error.DependencyNotInstalled("some package is not installed, run `pip install some`")

    monkeypatch.setattr(gymnasium, "make", missing)
    with pytest.raises(InputError) as caught:
        control.make(name, [0], 1)
    assert str(caught.value).endswith(f"its package is not installed: pip install 'lth-workbench[{extra}]'")
