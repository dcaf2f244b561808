"""Any other environment one by one: gymnasium's trajectories, episodes lived again, and what ends a ticket."""

import gymnasium
import numpy as np
import pytest

from lth_core.randomness import stream_seed
from lth_core.settings.control import ControlTask
from lth_core.tasks import control
from lth_core.tasks.one_by_one import SAME_EPISODES, OneByOne
from tests.tasks import odd_environments
from tests.thorough import pairs

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

OTHER = "AcrobotOneByOne-v0"
"""An Acrobot that is not recognised as gymnasium's own, because it has an argument."""
gymnasium.register(
    OTHER, "gymnasium.envs.classic_control.acrobot:AcrobotEnv", kwargs={"render_mode": None}, max_episode_steps=500
)
LANDERS = ["LunarLander-v3", "LunarLanderContinuous-v3"]
WALKS = ["Walk-v0", "Pair-v0"]
SAVED = ["FrozenLake-v1", *WALKS, OTHER, *LANDERS, "Hopper-v5"]


@pytest.fixture(autouse=True)
def _odd_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, spec in odd_environments.ODD.items():
        monkeypatch.setitem(gymnasium.registry, name, spec)


def _made(environment: str, seeds: list[int], count: int, limit: int | None = None) -> OneByOne:
    if environment.startswith("LunarLander"):
        pytest.importorskip("Box2D", reason="needs the extra box2d")
    one = control.make(ControlTask(environment=environment, time_limit=limit), seeds, count)
    assert isinstance(one, OneByOne)
    return one


def _drawn(one: OneByOne, rng: np.random.Generator, tickets: int, count: int) -> np.ndarray:
    if one.continuous:
        return rng.normal(size=(tickets, count, one.actions)).astype(np.float32)
    return rng.integers(0, one.actions, (tickets, count))


@pytest.mark.parametrize(("environment", "limit"), pairs([OTHER, *LANDERS], [None, 23], (OTHER, 23)))
def test_trajectories_are_gymnasiums_with_a_derived_seed_for_every_episode(environment: str, limit: int | None) -> None:
    one = _made(environment, [4], 2, limit)
    seen = one.reset()
    assert seen.dtype == np.float32
    references = [gymnasium.make(environment, max_episode_steps=limit) for _ in range(2)]
    episodes, cut = [0, 0], 0

    def begin(index: int) -> np.ndarray:
        seed = stream_seed(4, "environments", index, episodes[index]) % 2**31
        episodes[index] += 1
        return references[index].reset(seed=seed)[0]

    for index in (0, 1):
        np.testing.assert_array_equal(seen[0, index], begin(index))
    rng = np.random.default_rng(0)
    for _ in range(1100):
        actions = _drawn(one, rng, 1, 2)
        step = one.step(actions)
        for index, reference in enumerate(references):
            action = one._acted.translated(actions)[0, index]
            found, reward, terminated, truncated, _ = reference.step(action)
            last = step.observations if step.last_observations is None else step.last_observations
            np.testing.assert_array_equal(last[0, index], found)
            assert (np.float32(reward), terminated, truncated and not terminated) == (
                step.rewards[0, index], step.terminated[0, index], step.truncated[0, index],
            )  # fmt: skip
            cut += terminated or truncated
            np.testing.assert_array_equal(
                step.observations[0, index], begin(index) if terminated or truncated else found
            )
    assert cut >= 2


@pytest.mark.parametrize("environment", [OTHER, *WALKS])
def test_a_tickets_trajectory_does_not_depend_on_its_neighbours(environment: str) -> None:
    together, alone = _made(environment, [5, 6, 7], 2), _made(environment, [6], 2)
    first, own = together.reset(), alone.reset()
    np.testing.assert_array_equal(first[1], own[0])
    assert len({tuple(row) for row in first.reshape(6, -1)}) == 6
    rng = np.random.default_rng(2)
    for number in range(150):
        if number == 70:
            together.keep([1, 2])
        now = _drawn(together, rng, 3, 2)
        place = 1 if number < 70 else 0
        a, b = together.step(now if number < 70 else now[1:]), alone.step(now[1:2])
        for part in ("observations", "rewards", "terminated", "truncated"):
            np.testing.assert_array_equal(getattr(a, part)[place], getattr(b, part)[0])


@pytest.mark.parametrize(
    ("environment", "at"), pairs(SAVED, [33, 237, 0, 1], (OTHER, 33), ("FrozenLake-v1", 237), ("Walk-v0", 33))
)
def test_saved_in_the_middle_of_episodes_they_go_on_the_same(environment: str, at: int) -> None:
    if environment == "Hopper-v5":
        pytest.importorskip("mujoco", reason="needs the extra mujoco")
    one, other = (_made(environment, [1, 2, 3], 2) for _ in range(2))
    seen, rng, ended = one.reset(), np.random.default_rng(3), 0
    for number in range(at):
        if number == 20:
            one.keep([0, 2])
            other.keep([0, 2])
        tickets = 3 if number < 20 else 2
        step = one.step(_drawn(one, rng, tickets, 2))
        seen, ended = step.observations, ended + int((step.terminated | step.truncated).sum())
    saved, values = one.state()
    np.testing.assert_array_equal(other.restore({n: a.copy() for n, a in saved.items()}, values), seen)
    assert other.faults() == {}
    if at == 237:
        assert ended or environment == OTHER  # an Acrobot seldom gets there by chance
        assert one._log.ages.any(), "all at the start of an episode: nothing was to be lived again"
    for _ in range(300):
        now = _drawn(one, rng, len(seen), 2)
        a, b = one.step(now), other.step(now)
        for part in ("observations", "rewards", "terminated", "truncated"):
            np.testing.assert_array_equal(getattr(a, part), getattr(b, part))
        assert (a.last_observations is None) == (b.last_observations is None)


def test_what_cannot_be_lived_again_ends_its_ticket_with_the_cause() -> None:
    one, other = _made("Forgetful-v0", [1], 1), _made("Forgetful-v0", [1], 1)
    one.reset()
    for _ in range(4):
        one.step(np.array([[0]]))
    other.restore(*one.state())
    assert other.faults() == {
        0: "Forgetful-v0, environment 0, episode 0, step 4: it cannot be resumed, because the same seed and actions "
        "gave another observation than before"
    }


def test_an_episode_that_ends_while_it_is_lived_again_is_noticed() -> None:
    one, other = _made("Walk-v0", [1], 1), _made("Walk-v0", [1], 1)
    one.reset()
    for _ in range(6):
        one.step(np.array([[1]]))
    arrays, values = one.state()
    arrays["actions"] = np.full((25, 1, 1), 2, np.uint8)
    other.restore(arrays, values)
    assert "cannot be resumed" in other.faults()[0]


# What an environment does wrong

WRONG = {
    "RaisesInStep-v0": "step raised OSError: the wheel came off",
    "SysExits-v0": "step raised SystemExit: the wheel came off",
    "RaisesInLaterReset-v0": "reset raised RuntimeError: no power",
    "RewardNaN-v0": "a reward was not a finite number",
    "ObservesInfinity-v0": "an observation was not a finite number",
    "GrowsAnObservation-v0": "step raised ValueError: an observation of shape (2,), not (1,)",
}


@pytest.mark.parametrize(("environment", "cause"), WRONG.items())
def test_what_an_environment_does_wrong_ends_its_ticket_and_no_other(environment: str, cause: str) -> None:
    one, healthy = _made(environment, [0, 1], 2), _made("Plain-v0", [1], 2)
    np.testing.assert_array_equal(one.reset()[1], healthy.reset()[0])
    number = 0
    while not one.faults() and number < 40:
        number += 1
        # The first ticket walks to the right, the second stays where it is.
        step = one.step(np.array([[2, 2], [1, 1]]))
        expected = healthy.step(np.array([[1, 1]]))
        np.testing.assert_array_equal(step.observations[1], expected.observations[0])
    assert set(one.faults()) == {0}
    said = one.faults()[0]
    place, _, reason = said.partition(": ")
    assert place.startswith(f"{environment}, environment ")
    assert place.endswith(", episode 1, step 0" if "LaterReset" in environment else f", episode 0, step {number}")
    assert reason == cause
    assert not step.observations[0].any()
    one.step(np.array([[2, 2], [1, 1]]))
    assert one.faults() == {0: said}
    one.keep([1])
    assert one.faults() == {}
    np.testing.assert_array_equal(
        one.step(np.array([[1, 1]])).observations,
        (healthy.step(np.array([[1, 1]])), healthy.step(np.array([[1, 1]])))[1].observations,
    )


def test_an_environment_that_cannot_be_reset_is_a_clean_sentence() -> None:
    one = _made("RaisesInReset-v0", [0], 1)
    one.reset()
    assert one.faults() == {
        0: "RaisesInReset-v0, environment 0, episode 0, step 0: reset raised RuntimeError: no power"
    }


def test_episodes_without_a_step_to_learn_from_end_the_ticket() -> None:
    one, bandit = _made("EndsAtOnce-v0", [0], 4), _made("Bandit-v0", [0], 4)
    one.reset(), bandit.reset()
    rng = np.random.default_rng(0)
    for _ in range(SAME_EPISODES // 4):
        assert one.faults() == {}
        one.step(rng.integers(0, 3, (1, 4)))
        bandit.step(rng.integers(0, 3, (1, 4)))
    assert one.faults()[0].endswith("every episode so far ended at its first step with a reward of 0")
    assert bandit.faults() == {}
