"""Classic control in torch, in double precision like `tasks.classic`, operation by operation."""

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from lth_core.settings.control import ControlTask
from lth_core.tasks import classic, control
from lth_core.tasks.on_device.environments import DeviceEnvironments, DeviceStep


class DeviceClassic(DeviceEnvironments):
    """Environments whose state is S numbers: current (S, T, E) float64, changed in place.

    Each step is given start states (S, T, E) of the episodes that may begin after it.
    """

    size: int
    """S."""

    def __init__(self, like: classic.Classic, seeds: Sequence[int], count: int, device: torch.device) -> None:
        """See DeviceEnvironments."""
        super().__init__(like, seeds, count, device, self.size)
        self.current = self.ahead(torch.tensor(-1, device=device), 1)[0]

    @abstractmethod
    def start(self, drawn: Tensor) -> Tensor:
        """Start states (n, S, T, E) float64 from uniform numbers of this shape."""

    @abstractmethod
    def advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Next states (S, T, E), rewards (T, E) float32 and termination (T, E) bool.

        actions: (T, E) float64 choices, or (T, E, A) float32.
        """

    @abstractmethod
    def observe(self, state: Tensor) -> Tensor:
        """Observations (T, E, D) float32 of states (S, T, E)."""

    def ahead(self, first: Tensor, count: int) -> Tensor:
        """See DeviceEnvironments: start states (n, S, T, E)."""
        return self.start(super().ahead(first, count))

    def observations(self) -> Tensor:
        """See DeviceEnvironments."""
        return self.observe(self.current)

    def step(self, actions: Tensor, given: Tensor) -> DeviceStep:
        """See DeviceEnvironments."""
        # Whole numbers times fractions would be single precision.
        chosen = actions if self.continuous else actions.to(torch.float64)
        moved, rewards, terminated = self.advance(self.current, chosen)
        late = self.steps.add_(1) >= self.limit
        ended = late | terminated
        torch.where(ended, given, moved, out=self.current)
        self.steps.masked_fill_(ended, 0)
        return DeviceStep(
            self.observations(), self.observe(moved), rewards, terminated, late & ~terminated, ended
        )  # fmt: skip

    def tensors(self) -> dict[str, Tensor]:
        """See DeviceEnvironments."""
        return {"state": self.current}

    def keep(self, tickets: Sequence[int]) -> None:
        """See Environments; the memory of the state moves."""
        super().keep(tickets)
        self.current = self.current[:, torch.tensor(list(tickets), device=self._device)].contiguous()


class CartPole(DeviceClassic):
    """See classic.CartPole."""

    size = 4

    def start(self, drawn: Tensor) -> Tensor:
        """See DeviceClassic."""
        return drawn * 0.1 - 0.05

    def observe(self, state: Tensor) -> Tensor:
        """See DeviceClassic."""
        return state.to(torch.float32).movedim(0, -1).contiguous()

    def advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See DeviceClassic."""
        _, speed, angle, turning = state
        cos, sin = torch.cos(angle), torch.sin(angle)
        push = (20.0 * actions - 10.0 + 0.05 * (turning * turning) * sin) / 1.1
        turn = (9.8 * sin - cos * push) / (0.5 * (4.0 / 3.0 - 0.1 * (cos * cos) / 1.1))
        gain = push - 0.05 * turn * cos / 1.1
        moved = state + 0.02 * torch.stack([speed, gain, turning, turn])
        terminated = (moved[0].abs() > 2.4) | (moved[2].abs() > 12 * 2 * math.pi / 360)
        return moved, torch.ones(actions.shape, device=state.device), terminated


class Acrobot(DeviceClassic):
    """See classic.Acrobot."""

    size = 4

    def start(self, drawn: Tensor) -> Tensor:
        """See DeviceClassic."""
        return drawn * 0.2 - 0.1

    def observe(self, state: Tensor) -> Tensor:
        """See DeviceClassic."""
        cos, sin = torch.cos(state[:2]), torch.sin(state[:2])
        return torch.stack([cos[0], sin[0], cos[1], sin[1], state[2], state[3]], -1).to(torch.float32)

    def advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See DeviceClassic."""
        torque, dt = actions - 1.0, 0.2
        k1 = _derivative(state, torque)
        k2 = _derivative(state + dt / 2.0 * k1, torque)
        k3 = _derivative(state + dt / 2.0 * k2, torque)
        k4 = _derivative(state + dt * k3, torque)
        found = state + dt / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)
        angles = found[:2] - 2 * math.pi * torch.floor((found[:2] + math.pi) / (2 * math.pi))
        a, b = angles
        slow, fast = found[2].clamp(-4 * math.pi, 4 * math.pi), found[3].clamp(-9 * math.pi, 9 * math.pi)
        terminated = -torch.cos(a) - torch.cos(b + a) > 1.0
        return torch.stack([a, b, slow, fast]), terminated.to(torch.float32) - 1.0, terminated


def _derivative(state: Tensor, torque: Tensor) -> Tensor:
    a, b, speed_a, speed_b = state
    cos_b, sin_b, g = torch.cos(b), torch.sin(b), 9.8
    d1 = 0.25 + (1.0 + 0.25 + cos_b) + 1.0 + 1.0
    d2 = (0.25 + 0.5 * cos_b) + 1.0
    phi2 = 0.5 * g * torch.cos(a + b - math.pi / 2.0)
    phi1 = (
        -0.5 * (speed_b * speed_b) * sin_b
        - speed_b * speed_a * sin_b
        + 1.5 * g * torch.cos(a - math.pi / 2)
        + phi2
    )  # fmt: skip
    faster_b = (torque + d2 / d1 * phi1 - 0.5 * (speed_a * speed_a) * sin_b - phi2) / (0.25 + 1.0 - d2 * d2 / d1)
    faster_a = -(d2 * faster_b + phi1) / d1
    return torch.stack([speed_a, speed_b, faster_a, faster_b])


class MountainCar(DeviceClassic):
    """See classic.MountainCar."""

    size = 2

    def start(self, drawn: Tensor) -> Tensor:
        """See DeviceClassic: at rest."""
        return torch.stack([drawn[:, 0] * 0.2 - 0.6, torch.zeros_like(drawn[:, 1])], 1)

    def observe(self, state: Tensor) -> Tensor:
        """See DeviceClassic."""
        return state.to(torch.float32).movedim(0, -1).contiguous()

    def advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See DeviceClassic."""
        position, speed = state
        speed = (speed + ((actions - 1) * 0.001 + torch.cos(3 * position) * -0.0025)).clamp(-0.07, 0.07)
        position = (position + speed).clamp(-1.2, 0.6)
        speed = speed.masked_fill((position == -1.2) & (speed < 0), 0.0)
        terminated = (position >= 0.5) & (speed >= 0)
        return torch.stack([position, speed]), torch.full(actions.shape, -1.0, device=state.device), terminated


class Pendulum(DeviceClassic):
    """See classic.Pendulum."""

    size, terminates = 2, False

    def start(self, drawn: Tensor) -> Tensor:
        """See DeviceClassic."""
        return torch.stack([drawn[:, 0] * (2 * math.pi) - math.pi, drawn[:, 1] * 2 - 1], 1)

    def observe(self, state: Tensor) -> Tensor:
        """See DeviceClassic."""
        return torch.stack([torch.cos(state[0]), torch.sin(state[0]), state[1]], -1).to(torch.float32)

    def advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See DeviceClassic: a torque of 2 times the action, which is limited to [-1, 1]."""
        angle, speed = state
        torque = (torch.nan_to_num(actions[..., 0], nan=0.0) * 2.0).clamp(-2.0, 2.0)
        off = torch.remainder(angle + math.pi, 2 * math.pi) - math.pi
        costs = off * off + 0.1 * (speed * speed) + 0.001 * (torque * torque)
        speed = (speed + (15.0 * torch.sin(angle) + 3.0 * torque) * 0.05).clamp(-8.0, 8.0)
        ended = torch.zeros(angle.shape, dtype=torch.bool, device=state.device)
        return torch.stack([angle + speed * 0.05, speed]), -costs.to(torch.float32), ended


OF: dict[type[classic.Classic], type[DeviceClassic]] = {
    classic.CartPole: CartPole,
    classic.Acrobot: Acrobot,
    classic.MountainCar: MountainCar,
    classic.Pendulum: Pendulum,
}
"""The form on a device of what the host steps; `Classic.on_device` says which have one."""


def make(task: ControlTask, seeds: Sequence[int], count: int, device: torch.device) -> DeviceClassic:
    """The environments of tickets with these chain seeds, `count` for each; raises TypeError for one without a form."""
    like = control.make(task, [0], 1)
    if not isinstance(like, classic.Classic) or not like.on_device:
        raise TypeError(f"{task.subject} has no form on a device")
    return OF[type(like)](like, seeds, count, device)
