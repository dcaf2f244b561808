"""Classic control for a whole stack, stepped together in numpy.

The dynamics are gymnasium's, operation by operation. Start states are drawn from the ticket's random stream, and
episodes that end are reset in the same step.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from lth_core.randomness import stream
from lth_core.settings.action_parts import Parts
from lth_core.tasks import gym_spaces
from lth_core.tasks.maker import Maker
from lth_core.tasks.step import UNLIMITED, Array, Step


class Classic(ABC):
    """Resets, time limits and saved state of environments whose state is a few numbers: (S, N), N = T * E."""

    entry_point: ClassVar[str]
    """The arguments with which gymnasium registers this environment."""
    terminates: ClassVar[bool] = True
    """Whether an episode can end before the time limit."""
    on_device: ClassVar[bool] = False
    """Whether there is a form of it in torch: see `on_device.classic`."""
    inputs: int
    parts: Parts = None
    valid: Array | None = None

    def __init__(self, maker: Maker, seeds: Sequence[int], count: int) -> None:
        self._acted = gym_spaces.actions(maker.name, maker.make().action_space)
        self.actions, self.continuous = self._acted.count, self._acted.continuous
        self.bounded = self._acted.bounded
        self.limit = int(maker.spec.max_episode_steps or UNLIMITED)
        self._count = count
        self._streams = [stream(seed, "environments") for seed in seeds]
        self._state, self._steps = self._starts(range(len(seeds) * count)), np.zeros(len(seeds) * count, np.int64)

    @classmethod
    def serves(cls, maker: Maker) -> bool:
        """Whether this class is the requested environment, unchanged."""
        spec = maker.spec
        plain = maker.plain and not spec.kwargs and not spec.additional_wrappers
        return plain and spec.entry_point == cls.entry_point

    @abstractmethod
    def _start(self, rng: np.random.Generator) -> Array:
        """One start state (S,), in the precision in which gymnasium keeps it."""

    @abstractmethod
    def _advance(self, state: Array, actions: Array) -> tuple[Array, Array, Array]:
        """Next states (S, N), rewards (N,) and termination (N,); actions (N,), or (A, N) if continuous."""

    @abstractmethod
    def _observe(self, state: Array) -> Array:
        """Observations (N, D) float32 of states (S, N)."""

    def _starts(self, places: Sequence[int]) -> Array:
        return np.array([self._start(self._streams[i // self._count]) for i in places]).T

    def reset(self) -> Array:
        """See Environments."""
        starts = self._starts(range(self._steps.size))
        self._state, self._steps[:] = starts.astype(self._state.dtype), 0
        return self._shaped(self._observe(starts))

    def play_once(self) -> None:  # noqa: B027 nothing to do here
        """See Environments: all are stepped together, whether they count or not."""

    def step(self, actions: Array) -> Step:
        """See Environments."""
        moved = self._acted.translated(actions)
        moved = moved.reshape(-1, self.actions).T if self.continuous else moved.reshape(-1)
        self._state, rewards, terminated = self._advance(self._state, moved)
        self._steps += 1
        late = self._steps >= self.limit
        truncated = late > terminated
        seen, before = self._observe(self._state), None
        ended = (late | terminated).nonzero()[0]
        if ended.size:
            before = self._shaped(seen.copy())
            starts = self._starts(ended.tolist())
            self._state[:, ended], self._steps[ended] = starts, 0
            seen[ended] = self._observe(starts)
        shape = len(self._streams), self._count
        return Step(
            self._shaped(seen), before, rewards.astype(np.float32, copy=False).reshape(shape),
            terminated.reshape(shape), truncated.reshape(shape),
        )  # fmt: skip

    def _shaped(self, rows: Array) -> Array:
        return rows.reshape(len(self._streams), self._count, *rows.shape[1:])

    def keep(self, tickets: Sequence[int]) -> None:
        """See Environments."""
        columns = np.concatenate([np.arange(t * self._count, (t + 1) * self._count) for t in tickets])
        self._state, self._steps = np.ascontiguousarray(self._state[:, columns]), self._steps[columns]
        self._streams = [self._streams[t] for t in tickets]

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """See Environments."""
        arrays = {"state": self._state.copy(), "steps": self._steps.copy()}
        return arrays, {"streams": [rng.bit_generator.state for rng in self._streams]}

    def restore(self, arrays: dict[str, Array], values: dict[str, Any]) -> Array:
        """See Environments."""
        self._state, self._steps = arrays["state"].copy(), arrays["steps"].copy()
        for rng, state in zip(self._streams, values["streams"], strict=True):
            rng.bit_generator.state = state
        return self._shaped(self._observe(self._state))

    def restart(self, step: int) -> Array:
        """See Environments."""
        raise TypeError("the state of classic control can be saved")

    def origins(self) -> list[str]:
        """See Environments."""
        return [str(rng.bit_generator.state) for rng in self._streams]

    def faults(self) -> dict[int, str]:
        """See Environments; these have no faults."""
        return {}


_FORCES = np.array([-10.0, 10.0])
_BOUNDS = np.array([[2.4], [12 * 2 * np.pi / 360]])
"""Of the cart's place and the pole's angle."""


class CartPole(Classic):
    """A pole balanced on a cart that is pushed left or right; the state is position, angle and their velocities."""

    entry_point = "gymnasium.envs.classic_control.cartpole:CartPoleEnv"
    on_device = True
    inputs = 4

    def _start(self, rng: np.random.Generator) -> Array:
        return rng.uniform(-0.05, 0.05, 4)

    def _observe(self, state: Array) -> Array:
        return np.ascontiguousarray(state.T, np.float32)

    def _advance(self, state: Array, actions: Array) -> tuple[Array, Array, Array]:
        # Masses 1 and 0.1, half the pole's length 0.5, a force of 10 either way, 0.02 s a step. In place, in the order
        # of gymnasium's operations.
        angle, turning = state[2], state[3]
        cos, sin = np.cos(angle), np.sin(angle)
        push = np.square(turning)
        push *= 0.05
        push *= sin
        push += _FORCES[actions]
        push /= 1.1
        rates = np.empty_like(state)  # of place, speed, angle and turning
        rates[::2] = state[1::2]
        gain, turn = rates[1], rates[3]
        below = np.square(cos)
        below *= 0.1
        below /= 1.1
        np.subtract(4.0 / 3.0, below, out=below)
        below *= 0.5
        np.multiply(sin, 9.8, out=turn)
        turn -= cos * push
        turn /= below
        np.multiply(turn, 0.05, out=gain)
        gain *= cos
        gain /= 1.1
        np.subtract(push, gain, out=gain)
        rates *= 0.02
        rates += state
        left, fallen = np.abs(rates[::2]) > _BOUNDS
        return rates, np.ones(angle.shape, np.float32), left | fallen


class Acrobot(Classic):
    """Two links, of which the lower joint is driven; the state is two angles and their velocities."""

    entry_point = "gymnasium.envs.classic_control.acrobot:AcrobotEnv"
    on_device = True
    inputs = 6

    def _start(self, rng: np.random.Generator) -> Array:
        return rng.uniform(-0.1, 0.1, 4).astype(np.float32)

    def _observe(self, state: Array) -> Array:
        a, b, speed_a, speed_b = state
        return np.stack([np.cos(a), np.sin(a), np.cos(b), np.sin(b), speed_a, speed_b], axis=1).astype(np.float32)

    def _advance(self, state: Array, actions: Array) -> tuple[Array, Array, Array]:
        torque, dt = actions - 1.0, 0.2
        start = state.astype(np.float64)
        k1 = self._derivative(start, torque)
        k2 = self._derivative(start + dt / 2.0 * k1, torque)
        k3 = self._derivative(start + dt / 2.0 * k2, torque)
        k4 = self._derivative(start + dt * k3, torque)
        found: Array = start + dt / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)
        angles = found[:2]
        while (outside := angles > np.pi).any():
            angles[outside] -= 2 * np.pi
        while (outside := angles < -np.pi).any():
            angles[outside] += 2 * np.pi
        found[2].clip(-4 * np.pi, 4 * np.pi, out=found[2])
        found[3].clip(-9 * np.pi, 9 * np.pi, out=found[3])
        terminated = -np.cos(found[0]) - np.cos(found[1] + found[0]) > 1.0
        return found, np.where(terminated, 0.0, -1.0), terminated

    @staticmethod
    def _derivative(state: Array, torque: Array) -> Array:
        # Masses, lengths and moments of inertia are 1, centres of mass at 0.5; the book's equations.
        a, b, speed_a, speed_b = state
        cos_b, sin_b, g = np.cos(b), np.sin(b), 9.8
        d1 = 0.25 + (1.0 + 0.25 + cos_b) + 1.0 + 1.0
        d2 = (0.25 + 0.5 * cos_b) + 1.0
        phi2 = 0.5 * g * np.cos(a + b - np.pi / 2.0)
        phi1 = (
            -0.5 * speed_b**2 * sin_b
            - speed_b * speed_a * sin_b
            + 1.5 * g * np.cos(a - np.pi / 2)
            + phi2
        )  # fmt: skip
        faster_b = (torque + d2 / d1 * phi1 - 0.5 * speed_a**2 * sin_b - phi2) / (0.25 + 1.0 - d2**2 / d1)
        faster_a = -(d2 * faster_b + phi1) / d1
        return np.stack([speed_a, speed_b, faster_a, faster_b])


class MountainCar(Classic):
    """A car too weak for the hill, pushed left, not at all, or right; the state is position and speed."""

    entry_point = "gymnasium.envs.classic_control.mountain_car:MountainCarEnv"
    on_device = True
    inputs = 2

    def _start(self, rng: np.random.Generator) -> Array:
        return np.array([rng.uniform(-0.6, -0.4), 0.0])

    def _observe(self, state: Array) -> Array:
        return np.ascontiguousarray(state.T, np.float32)

    def _advance(self, state: Array, actions: Array) -> tuple[Array, Array, Array]:
        position, speed = state
        speed = np.clip(speed + ((actions - 1) * 0.001 + np.cos(3 * position) * -0.0025), -0.07, 0.07)
        position = np.clip(position + speed, -1.2, 0.6)
        speed = np.where((position == -1.2) & (speed < 0), 0.0, speed)
        terminated = (position >= 0.5) & (speed >= 0)
        return np.stack([position, speed]), np.full(position.shape, -1.0), terminated


class MountainCarContinuous(Classic):
    """The same car with a force of its own; gymnasium keeps this state in single precision."""

    entry_point = "gymnasium.envs.classic_control.continuous_mountain_car:Continuous_MountainCarEnv"
    inputs = 2

    def _start(self, rng: np.random.Generator) -> Array:
        return np.array([rng.uniform(-0.6, -0.4), 0.0], np.float32)

    def _observe(self, state: Array) -> Array:
        return np.ascontiguousarray(state.T)

    def _advance(self, state: Array, actions: Array) -> tuple[Array, Array, Array]:
        position, speed = state
        slope = (0.0025 * np.cos((3 * position).astype(np.float64))).astype(np.float32)
        speed = np.clip(speed + (actions[0] * np.float32(0.0015) - slope), np.float32(-0.07), np.float32(0.07))
        position = np.clip(position + speed, np.float32(-1.2), np.float32(0.6))
        speed = np.where((position == np.float32(-1.2)) & (speed < 0), np.float32(0), speed)
        terminated = (position >= np.float32(0.45)) & (speed >= 0)
        return np.stack([position, speed]), 100.0 * terminated - actions[0].astype(np.float64) ** 2 * 0.1, terminated


class Pendulum(Classic):
    """A pendulum to be swung up and held; the state is angle and speed, and it never terminates."""

    entry_point = "gymnasium.envs.classic_control.pendulum:PendulumEnv"
    on_device = True
    terminates = False
    inputs = 3

    def _start(self, rng: np.random.Generator) -> Array:
        return rng.uniform([-np.pi, -1.0], [np.pi, 1.0])

    def _observe(self, state: Array) -> Array:
        return np.stack([np.cos(state[0]), np.sin(state[0]), state[1]], axis=1).astype(np.float32)

    def _advance(self, state: Array, actions: Array) -> tuple[Array, Array, Array]:
        (angle, speed), torque = state, actions[0]
        off = ((angle + np.pi) % (2 * np.pi)) - np.pi
        costs = off**2 + 0.1 * speed**2 + 0.001 * torque**2
        speed = np.clip(speed + (15.0 * np.sin(angle) + 3.0 * torque) * 0.05, -8, 8)
        return np.stack([angle + speed * 0.05, speed]), -costs, np.zeros(angle.shape, bool)


STACKED: tuple[type[Classic], ...] = (CartPole, Acrobot, MountainCar, MountainCarContinuous, Pendulum)
