"""Control from vector observations: the environments of a whole stack of tickets, stepped together.

Each ticket has its own environments and its own random stream for them, so that its trajectory does not depend
on what else is in the stack. Episodes that end are reset in the same step: no transition crosses an episode's
end, and the last observation of the old episode is handed out beside the first of the new one.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from lth_core.errors import InputError
from lth_core.randomness import stream, stream_seed
from lth_core.tasks import spaces
from lth_core.tasks.classic import STACKED, Classic
from lth_core.tasks.step import Step
from lth_core.text import did_you_mean, one_line

Array = npt.NDArray[Any]


def check(environment: str) -> None:
    """Raise InputError where there is no such environment, or `make` fails."""
    if environment not in gymnasium.registry:
        near, shown = did_you_mean(environment, gymnasium.registry), one_line(environment, 80)
        raise InputError(f'task.environment = "{shown}": accepted is what gymnasium has registered{near}')
    make(environment, [0], 1)


def make(environment: str, seeds: Sequence[int], count: int) -> "CartPole | Classic | OneByOne":
    """The environments of tickets with these chain seeds, `count` for each.

    Raises InputError for an environment that cannot be made (naming the extra to install where its package is
    missing), or whose spaces are not supported.
    """
    try:
        spec = gymnasium.spec(environment)
        if spec.entry_point == "gymnasium.envs.classic_control.cartpole:CartPoleEnv" and not spec.kwargs:
            return CartPole(environment, seeds, count)
        for stacked in STACKED:
            if stacked.serves(spec):
                return stacked(environment, seeds, count)
        return OneByOne(environment, seeds, count)
    except InputError:
        raise
    # Environments come from other packages and fail in their own ways when these are missing.
    except Exception as error:
        raise InputError(f'task.environment "{environment}" cannot be made: {_reason(environment, error)}') from error


def _reason(environment: str, error: Exception) -> str:
    """What is wrong, or what to install: gymnasium names its own extras, some of which need a compiler."""
    known = gymnasium.registry.get(environment)
    entry = known.entry_point if known else None
    if isinstance(error, (ImportError, gymnasium.error.DependencyNotInstalled)) and isinstance(entry, str):
        for extra in ("box2d", "mujoco"):
            if entry.startswith(f"gymnasium.envs.{extra}"):
                return f"its package is not installed: pip install 'lth-workbench[{extra}]'"
    return one_line(error)


class CartPole:
    """CartPole for a whole stack through gymnasium's own vector environment; only the resets are ours.

    gymnasium draws the start states of all its environments from one stream and resets a step later; here
    each ticket draws from its own, at once. The dynamics are untouched.
    """

    inputs, actions, continuous = 4, 2, False

    def __init__(self, environment: str, seeds: Sequence[int], count: int) -> None:
        self._name, self._count = environment, count
        self._streams = [stream(seed, "environments") for seed in seeds]
        self._vector = self._make()
        self.limit = int(self._vector.max_episode_steps)

    def _make(self) -> Any:
        total = len(self._streams) * self._count
        vector: Any = gymnasium.make_vec(self._name, num_envs=total, vectorization_mode="vector_entry_point").unwrapped
        vector.reset(seed=0)
        vector.action_space = _Unchecked()
        return vector

    def reset(self) -> Array:
        """See Environments."""
        starts = [rng.uniform(-0.05, 0.05, (self._count, 4)) for rng in self._streams]
        self._vector.state = np.ascontiguousarray(np.concatenate(starts).T)
        self._vector.steps[:] = 0
        return self._observations()

    def step(self, actions: Array) -> Step:
        """See Environments."""
        tickets, count = len(self._streams), self._count
        last, rewards, terminated, truncated, _ = self._vector.step(actions.reshape(-1))
        ended = np.flatnonzero(terminated | truncated)
        if ended.size == 0:
            observations, last_observations = last.reshape(tickets, count, 4), None
        else:
            self._start_again(ended)
            last_observations = last.reshape(tickets, count, 4)
            observations = self._observations()
        shape = (tickets, count)
        return Step(
            observations, last_observations, rewards.reshape(shape), terminated.reshape(shape),
            (truncated & ~terminated).reshape(shape),
        )  # fmt: skip

    def _start_again(self, ended: Array) -> None:
        vector, count = self._vector, self._count
        draws = [self._streams[i // count].uniform(-0.05, 0.05, 4) for i in ended.tolist()]
        vector.state[:, ended] = np.array(draws).T
        vector.steps[ended] = 0
        vector.prev_done[ended] = False

    def _observations(self) -> Array:
        state: Array = self._vector.state
        return state.T.astype(np.float32).reshape(len(self._streams), self._count, 4)

    def keep(self, tickets: Sequence[int]) -> None:
        """See Environments."""
        count = self._count
        columns = np.concatenate([np.arange(t * count, (t + 1) * count) for t in tickets])
        state, steps = self._vector.state[:, columns], self._vector.steps[columns]
        self._streams = [self._streams[t] for t in tickets]
        self._vector = self._make()
        self._vector.state, self._vector.steps = np.ascontiguousarray(state), steps

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """See Environments."""
        arrays = {"state": self._vector.state.copy(), "steps": self._vector.steps.copy()}
        return arrays, {"streams": [rng.bit_generator.state for rng in self._streams]}

    def restore(self, arrays: dict[str, Array], values: dict[str, Any]) -> Array:
        """See Environments."""
        self._vector.state, self._vector.steps = arrays["state"].copy(), arrays["steps"].copy()
        for rng, state in zip(self._streams, values["streams"], strict=True):
            rng.bit_generator.state = state
        return self._observations()

    def restart(self, step: int) -> Array:
        """See Environments."""
        raise TypeError("the state of CartPole can be saved")


class _Unchecked:
    """In place of the action space: what we pass in is sampled in range, and looking costs a sixth of a step."""

    def contains(self, _action: Array) -> bool:
        return True


class OneByOne:
    """Any other environment, each instance stepped by itself."""

    def __init__(self, environment: str, seeds: Sequence[int], count: int) -> None:
        self._seeds, self._count = list(seeds), count
        first = gymnasium.make(environment)
        self._observed = spaces.observations(environment, first.observation_space)
        self._acted = spaces.actions(environment, first.action_space)
        self._environments = [[gymnasium.make(environment) for _ in range(count)] for _ in seeds]
        self.inputs = self._observed.size
        self.actions, self.continuous = self._acted.count, self._acted.continuous
        limit = first.spec.max_episode_steps if first.spec else None
        self.limit = int(limit) if limit is not None else 2**31

    def reset(self) -> Array:
        """See Environments."""
        return self.restart(0)

    def restart(self, step: int) -> Array:
        """See Environments."""
        observations = [
            [self._observed.flat(env.reset(seed=self._seed(seed, step, i))[0]) for i, env in enumerate(own)]
            for seed, own in zip(self._seeds, self._environments, strict=True)
        ]
        return np.array(observations, np.float32)

    def _seed(self, seed: int, step: int, index: int) -> int:
        return stream_seed(seed, "environments", step, index) % 2**31

    def step(self, actions: Array) -> Step:
        """See Environments."""
        shape = actions.shape[:2]
        actions = self._acted.translated(actions).reshape(*shape, *self._acted.shape)
        observations = np.empty((*shape, self.inputs), np.float32)
        last = np.empty_like(observations)
        rewards, terminated, truncated = (
            np.zeros(shape, np.float32),
            np.zeros(shape, bool),
            np.zeros(shape, bool),
        )
        for t, own in enumerate(self._environments):
            for e, env in enumerate(own):
                seen, reward, ended, cut, _ = env.step(actions[t, e])
                last[t, e] = observations[t, e] = self._observed.flat(seen)
                rewards[t, e], terminated[t, e], truncated[t, e] = reward, ended, cut and not ended
                if ended or cut:
                    observations[t, e] = self._observed.flat(env.reset()[0])
        any_ended = bool((terminated | truncated).any())
        return Step(observations, last if any_ended else None, rewards, terminated, truncated)

    def keep(self, tickets: Sequence[int]) -> None:
        """See Environments."""
        self._seeds = [self._seeds[t] for t in tickets]
        self._environments = [self._environments[t] for t in tickets]

    def state(self) -> None:
        """See Environments: gymnasium has no way to save an environment."""

    def restore(self, arrays: dict[str, Array], values: dict[str, Any]) -> Array:
        """See Environments."""
        raise TypeError("these environments are restarted, not restored")
