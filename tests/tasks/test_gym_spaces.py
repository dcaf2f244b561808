"""Observations as vectors and actions as environments take them; environments of every kind, stepped."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces as gym_spaces
from gymnasium.envs.registration import EnvSpec

from lth_core.errors import InputError
from lth_core.settings.control import ControlTask
from lth_core.tasks import control
from lth_core.tasks import gym_spaces as spaces

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

OBSERVATIONS = {
    "box of any shape": (gym_spaces.Box(-1, 1, (2, 3)), 6),
    "discrete": (gym_spaces.Discrete(5, start=2), 5),
    "dict": (gym_spaces.Dict({"a": gym_spaces.Box(0, 1, (2,)), "b": gym_spaces.Discrete(3)}), 5),
    "tuple": (gym_spaces.Tuple([gym_spaces.MultiBinary(4), gym_spaces.Box(0, 1, (1, 2), np.float64)]), 6),
    "nested": (gym_spaces.Dict({"a": gym_spaces.Tuple([gym_spaces.MultiDiscrete([2, 3])])}), 5),
}


@pytest.mark.parametrize(("space", "size"), OBSERVATIONS.values(), ids=OBSERVATIONS.keys())
def test_observations_are_flattened_as_gymnasium_does(space: gymnasium.Space, size: int) -> None:
    found = spaces.observations("E", space)
    assert found.size == size
    space.seed(0)
    for _ in range(5):
        sample = space.sample()
        flat = found.flat(sample)
        assert flat.dtype == np.float32
        assert flat.shape == (size,)
        np.testing.assert_array_equal(flat, np.asarray(gym_spaces.flatten(space, sample), np.float32))


@pytest.mark.parametrize("name", ["box of any shape", "dict"])
def test_an_observation_of_another_size_is_refused(name: str) -> None:
    found = spaces.observations("E", OBSERVATIONS[name][0])
    wrong = np.zeros((3, 3)) if name != "dict" else {"a": np.zeros(3), "b": 0}
    with pytest.raises(ValueError, match=r"an observation of (shape \(3, 3\), not \(2, 3\)|6 numbers, not 5)"):
        found.flat(wrong)


def test_choices_that_start_elsewhere_are_shifted() -> None:
    found = spaces.actions("E", gym_spaces.Discrete(3, start=-1))
    assert (found.count, found.continuous) == (3, False)
    assert found.translated(np.array([[0, 1, 2]])).tolist() == [[-1, 0, 1]]


def test_finite_boxes_are_filled_by_minus_one_to_one_and_actions_clipped() -> None:
    space = gym_spaces.Box(np.array([-2, 0, -np.inf, 1]), np.array([2, 10, np.inf, np.inf]), dtype=np.float32)
    found = spaces.actions("E", space)
    assert (found.count, found.continuous) == (4, True)
    actions = np.array([[[-1, -1, -5, 3], [0, 0, 0, 0], [1, 1, 7, 2], [9, -9, 9, 9]]], np.float32)
    expected = [[-2, 0, -5, 3], [0, 5, 0, 1], [2, 10, 7, 2], [2, 0, 9, 9]]
    translated = found.translated(actions)
    assert translated.dtype == np.float32
    assert translated[0].tolist() == expected


def test_the_largest_float_is_no_bound() -> None:
    found = spaces.actions("E", gym_spaces.Box(-np.finfo(np.float32).max, np.finfo(np.float32).max, (1,)))
    assert found.translated(np.array([0.5], np.float32)).tolist() == [0.5]


@pytest.mark.parametrize(
    "space",
    [gym_spaces.Dict({"a": gym_spaces.Discrete(2)}), gym_spaces.Tuple([gym_spaces.Discrete(2)]), gym_spaces.Text(3)],
)
def test_other_actions_are_refused_in_a_sentence(space: gymnasium.Space) -> None:
    with pytest.raises(
        InputError,
        match=r'task.environment "E": action .*: expected Discrete, MultiDiscrete, MultiBinary, and a Box',
    ):
        spaces.actions("E", space)


class OfOnesOwn(gymnasium.Space):
    """A kind of space that gymnasium does not know."""

    def __init__(self) -> None:
        super().__init__()


@pytest.mark.parametrize("space", [
    gym_spaces.Sequence(gym_spaces.Discrete(2)), gym_spaces.Dict({}), gym_spaces.Text(3), OfOnesOwn(),
])  # fmt: skip
def test_other_observations_are_refused_in_a_sentence(space: gymnasium.Space) -> None:
    with pytest.raises(InputError, match=r'task.environment "E": observation .*: expected spaces of a fixed size'):
        spaces.observations("E", space)


WITH_TEXT = gym_spaces.Dict(
    {"seen": gym_spaces.Discrete(2), "mission": gym_spaces.Text(9), "said": gym_spaces.Tuple([gym_spaces.Text(3)])}
)


def test_entries_of_a_dict_are_left_out_where_asked() -> None:
    found = spaces.observations("E", WITH_TEXT, ["mission", "said"])
    assert found.size == 2
    assert found.flat({"seen": 1, "mission": "go", "said": ("a",)}).tolist() == [0, 1]
    with pytest.raises(ValueError, match="an observation lacks its entry seen"):
        found.flat({"mission": "go"})


@pytest.mark.parametrize(("space", "left_out", "said"), [
    (WITH_TEXT, ["mission"], r'cannot see said = .*: leave .* task.leave_out = \["said"\]'),
    (WITH_TEXT, [], r'see mission = Text\(.* task.leave_out = \["mission", "said"\]'),
    (WITH_TEXT, ["misson"], r'task.leave_out = \["misson"\]: the observation has no misson: .*did you mean "mission"'),
    (gym_spaces.Discrete(3), ["seen"], r'task.leave_out = \["seen"\]: observation Discrete\(3\) is not a Dict'),
    (WITH_TEXT, ["seen", "mission", "said"], r"observation Dict\(\): expected spaces of a fixed size"),
])  # fmt: skip
def test_text_that_is_not_left_out_and_entries_that_are_not_there_are_refused(
    space: gymnasium.Space, left_out: list[str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        spaces.observations("E", space, left_out)


@pytest.mark.parametrize(("space", "value", "said"), [
    (gym_spaces.Dict({"n": gym_spaces.Discrete(3, start=-1)}), {"n": -2},
     r"an observation -2 of its entry n outside Discrete\(3, start=-1\)"),
    (gym_spaces.Tuple([gym_spaces.Discrete(2), gym_spaces.MultiDiscrete([2, 3])]), (0, np.array([2, 0])),
     r"an observation \[2 0\] of its entry 1 outside MultiDiscrete\(\[2 3\]\)"),
    (gym_spaces.MultiDiscrete([2, 2], start=[-1, 0]), np.array([0, -1]), r"an observation \[ 0 -1\] outside MultiD"),
    (gym_spaces.Tuple([gym_spaces.Discrete(2)]), (), "an observation of 0 parts, not 1"),
    (gym_spaces.Discrete(3), 0.5, r"an observation 0.5 outside Discrete\(3\)"),
])  # fmt: skip
def test_a_part_outside_its_space_is_named_with_its_value(space: gymnasium.Space, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        spaces.observations("X", space).flat(value)


class Odd(gymnasium.Env):
    """Dict observations and choices that start at 5; remembers what it was asked to do."""

    observation_space = gym_spaces.Dict({"x": gym_spaces.Box(-1, 1, (2, 2)), "n": gym_spaces.Discrete(3)})
    action_space = gym_spaces.Discrete(2, start=5)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return {"x": np.zeros((2, 2), np.float32), "n": 1}, {}

    def step(self, action):
        assert self.action_space.contains(action)
        return {"x": np.full((2, 2), float(action), np.float32), "n": 2}, 1.0, False, False, {}


def test_an_environment_of_ones_own_with_a_dict_and_shifted_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gymnasium.registry, "Odd-v0", EnvSpec("Odd-v0", entry_point=Odd, disable_env_checker=True))
    one = control.make(ControlTask(environment="Odd-v0"), [0], 2)
    assert (one.inputs, one.actions, one.continuous) == (7, 2, False)
    assert one.reset()[0, 0].tolist() == [0, 1, 0, 0, 0, 0, 0]
    assert one.step(np.array([[0, 1]])).observations[0, :, 3:].tolist() == [[5] * 4, [6] * 4]


ENVIRONMENTS = [
    ("CartPole-v1", 4, 2, False, 500),
    ("CartPole-v0", 4, 2, False, 200),
    ("Acrobot-v1", 6, 3, False, 500),
    ("MountainCar-v0", 2, 3, False, 200),
    ("Pendulum-v1", 3, 1, True, 200),
    ("MountainCarContinuous-v0", 2, 1, True, 999),
    ("FrozenLake-v1", 16, 4, False, 100),
    ("LunarLander-v3", 8, 4, False, 1000),
    ("LunarLanderContinuous-v3", 8, 2, True, 1000),
    ("HalfCheetah-v5", 17, 6, True, 1000),
    ("Hopper-v5", 11, 3, True, 1000),
]


@pytest.mark.parametrize(("environment", "inputs", "actions", "continuous", "limit"), ENVIRONMENTS)
def test_environments_of_every_kind_are_stepped(
    environment: str, inputs: int, actions: int, continuous: bool, limit: int
) -> None:
    try:
        one = control.make(ControlTask(environment=environment), [0, 1], 2)
    except InputError as error:
        if "lth-workbench[" not in str(error):
            raise
        pytest.skip(str(error))
    assert (one.inputs, one.actions, one.continuous, one.limit) == (inputs, actions, continuous, limit)
    assert one.reset().shape == (2, 2, inputs)
    rng = np.random.default_rng(0)
    for _ in range(5):
        drawn = rng.normal(size=(2, 2, actions)).astype(np.float32) if continuous else rng.integers(0, actions, (2, 2))
        step = one.step(drawn)
        assert step.observations.shape == (2, 2, inputs)
        assert step.observations.dtype == np.float32
        assert np.isfinite(step.observations).all()
        assert step.rewards.shape == step.truncated.shape == (2, 2)


def test_several_choices_bits_and_whole_numbers_are_what_their_space_holds() -> None:
    rng = np.random.default_rng(0)
    choices = gym_spaces.MultiDiscrete([[2, 3], [1, 4]], start=[[0, -1], [5, 2]])
    bits, whole = gym_spaces.MultiBinary([2, 3]), gym_spaces.Box(-2, 2, (2, 2), np.int8)
    cases = [
        (choices, 4, rng.integers(0, [2, 3, 1, 4], (200, 4))), (bits, 2, rng.integers(0, 2, (200, 6))),
        (whole, 5, 3 * rng.normal(size=(200, 4)).astype(np.float32)),
    ]  # fmt: skip
    for space, values, drawn in cases:
        own = spaces.actions("E", space)
        assert own.drawn_shape == drawn.shape[1:]
        told = own.translated(drawn)
        assert all(space.contains(one.reshape(own.shape)) for one in told)
        assert len(np.unique(told[:, 3])) == values
    evenly = spaces.actions("E", gym_spaces.Box(-2, 2, (1,), np.int64)).translated(np.linspace(-1, 1, 1000)[:, None])
    assert np.unique(evenly, return_counts=True)[1].tolist() == [200] * 5
    unbounded = spaces.actions("E", gym_spaces.Box(np.iinfo(np.int64).min, np.iinfo(np.int64).max, (1,), np.int64))
    assert unbounded.translated(np.array([2.6, -1e30, 1e30, np.nan], np.float32)[:, None]).flatten().tolist() == [
        3, -(2**63), 2**63 - 1024, 0
    ]  # fmt: skip


def test_action_masks_fit_and_leave_every_part_a_value() -> None:
    choices = spaces.actions("E", gym_spaces.MultiDiscrete([2, 3]))
    assert choices.valid((np.array([1, 0]), [True, False, True])).tolist() == [True, False, True, False, True]
    assert choices.valid(np.array([1, 1, 0, 0, 1], np.int8)).tolist() == [True, True, False, False, True]
    for mask, said in (
        ([1, 1], "an action mask of 2 entries, not 5"),
        ([1, 1, 0, 0.5, 0], "other than 0 and 1"),
        ([1, 1, 0, 0, 0], "no valid action in part 1 of the action"),
    ):
        with pytest.raises(spaces.ActionMaskError, match=said):
            choices.valid(mask)
    with pytest.raises(spaces.ActionMaskError, match=r"no valid action$"):
        spaces.actions("E", gym_spaces.Discrete(3)).valid(np.zeros(3))


def test_an_observation_of_another_shape_is_read_in_order_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    observed = spaces.observations("X", gymnasium.spaces.Box(-1, 1, (4,)))
    for _ in range(3):
        assert observed.flat(np.full((1, 4), 0.5)).tolist() == [0.5] * 4
    assert caplog.messages == ["observations of shape (1, 4) are read as (4,), in order"]
    with pytest.raises(ValueError, match=r"an observation of shape \(5,\), not \(4,\)"):
        observed.flat(np.zeros(5))


@pytest.mark.parametrize("value", [-1, 4])
def test_an_observation_outside_its_discrete_space_names_both(value: int) -> None:
    observed = spaces.observations("X", gymnasium.spaces.Discrete(4))
    with pytest.raises(ValueError, match=rf"an observation {value} outside Discrete\(4\)"):
        observed.flat(np.int64(value))


def test_a_reward_is_one_number_whatever_its_shape() -> None:
    assert spaces.one_number(np.array([1.5])) == spaces.one_number(1.5) == 1.5
    with pytest.raises(ValueError, match=r"a reward of shape \(2,\), not one number"):
        spaces.one_number(np.zeros(2))
