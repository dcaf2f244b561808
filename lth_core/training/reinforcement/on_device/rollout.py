"""Collects transitions on a device: what `rollout.Collector` does, as operations on tensors that wait for nothing.

Values of states cut off by a time limit are computed once in as many steps as the limit has: no environment reaches it
twice before.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lth_core.settings.control import ControlTask
from lth_core.settings.minatar import MinAtarTask
from lth_core.settings.reinforcement import ActorCriticTraining
from lth_core.tasks.on_device import made
from lth_core.tasks.on_device.environments import DeviceStep
from lth_core.tasks.step import Step
from lth_core.training.drawn import Drawn
from lth_core.training.reinforcement import normalise
from lth_core.training.reinforcement.episodes import Episodes
from lth_core.training.reinforcement.on_device.episodes import Tally
from lth_core.training.reinforcement.on_device.moments import Observations, Returns
from lth_core.training.reinforcement.on_device.sampling import Numbers, chosen
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.reinforcement.rollout import Rollout, Steps
from lth_core.training.stack import Array, Arrays, under


class DeviceCollector:
    """T tickets with E environments each, on a device: see rollout.Collector."""

    def __init__(
        self, task: ControlTask | MinAtarTask, settings: ActorCriticTraining, seeds: Sequence[int],
        spans: Sequence[int], device: torch.device,
    ) -> None:  # fmt: skip
        """spans: how long each ticket is trained, in steps."""
        self._settings, tickets = settings, len(seeds)
        self.environments = made.make(task, seeds, settings.environments, device)
        reach = None if settings.score_window is None else [settings.score_window * span for span in spans]
        read = Episodes(tickets, settings.environments, settings.score_episodes, reach)
        self._tally = Tally(read, tickets, settings.environments, settings.score_episodes, device)
        self.clock = torch.zeros((), dtype=torch.int64, device=device)
        """Steps of each environment so far."""
        self.numbers, self.drawn = Numbers(seeds, device), Drawn(tickets)
        self.watched, self.found = False, None  # type: bool, Steps | None
        self._normal = self.environments.actions if self.environments.continuous else None
        normalised, inputs = settings.normalised, self.environments.inputs
        self._seen = Observations(tickets, inputs, device=device) if "observations" in normalised else None
        self._earned = None
        if "returns" in normalised:
            self._earned = Returns(tickets, settings.environments, settings.gamma, device)

    @property
    def episodes(self) -> Episodes:
        """The returns of training episodes so far. Waits for the device."""
        return self._tally.read()

    def noise(self) -> Tensor:
        """The random numbers (T, n, E) or (T, n, E, A) for the actions of the next rollout."""
        return self.numbers.noise(self.clock, self._settings.n_steps, self._settings.environments, self._normal)

    def orders(self, epochs: int) -> Tensor | None:
        """Orders (epochs, T, B) of the next rollout's transitions; None for its own order."""
        steps = self._settings.n_steps
        size = steps * self._settings.environments
        return self.numbers.orders(self.clock // steps, size, epochs) if epochs else None

    def note_drawn(self, epochs: int) -> None:
        """Note, before the first update, what environments begin with and the numbers that it draws."""
        if not self.drawn.wants("actions"):
            return
        seen = self.environments.observations().cpu().numpy()
        self.drawn.note("environments", zip(seen, self.environments.origins(), strict=True))
        self.drawn.note("actions", zip(self.noise().cpu().numpy()))
        orders = self.orders(epochs)
        if orders is not None:
            self.drawn.note("minibatches", zip(orders.transpose(0, 1).cpu().numpy()))

    def collect(self, parameters: Parameters, everything: bool) -> Rollout:
        """Act for n steps, then compute targets and advantages. everything: keep the activations of all layers."""
        s, env, network, layers = self._settings, self.environments, parameters.network, parameters.layers()
        log_std, noise = network.log_std(parameters.flat), self.noise()
        deviation = None if log_std is None else log_std.exp()[:, None]
        taken, kept, steps, rewards, last = [], list[list[Tensor]](), list[DeviceStep](), [], []
        seen = env.observations()
        for i in range(s.n_steps):
            if i % env.block == 0:
                given = env.ahead(self.clock + i, min(env.block, s.n_steps - i))
            if self._seen is not None:
                self._seen.add(seen)
            activations = network.forward(layers, self._normalised(seen))
            kept.append(activations if everything else [activations[0], activations[-1]])
            outputs, own = activations[-1][..., :-1], noise[:, i]
            taken.append(chosen(outputs, own) if deviation is None else outputs + deviation * own)
            step = env.step(taken[-1], given[i % env.block])
            steps.append(step)
            seen = step.observations
            rewards.append(step.rewards if self._earned is None else self._earned.normalised(step.rewards, step.ended))
            if step.last_observations is not None:
                last.append(self._normalised(step.last_observations))
        ends = torch.stack([step.ended for step in steps], 1)
        self._tally.add([step.rewards for step in steps], ends, self.clock)
        self.clock.add_(s.n_steps)
        after = self._normalised(seen)
        self.found = _on_host(steps, rewards, after, last) if self.watched else None

        def value(seen: Tensor) -> Tensor:
            return network.forward(layers, seen)[-1][..., -1]

        scaled = torch.stack(rewards, 1) * s.reward_scale
        if last:
            truncated = torch.stack([step.truncated for step in steps], 1)
            scaled = scaled + s.gamma * values_at_cuts(truncated, last, env.limit, value)
        known = torch.stack([one[-1][..., -1] for one in kept], 1)
        better = advantages(scaled, ends, known, value(after), s.gamma, s.gae_lambda).flatten(1)
        values = known.flatten(1)
        activations = [torch.stack(each, 1).flatten(1, 2) for each in zip(*kept, strict=True)]
        return Rollout(activations, torch.stack(taken, 1).flatten(1, 2), values, better + values, better)

    def _normalised(self, seen: Tensor) -> Tensor:
        return seen if self._seen is None else self._seen.normalised(seen)

    def _of_host(self) -> tuple[normalise.Observations | None, normalise.Returns | None]:
        """The statistics as the host has them."""
        tickets, inputs, seen, earned = len(self.numbers.actions), self.environments.inputs, None, None
        if self._seen is not None:
            seen = normalise.Observations(tickets, inputs)
            seen.restore(self._seen.state())
        if self._earned is not None:
            earned = normalise.Returns(tickets, self._settings.environments, self._settings.gamma)
            earned.restore(self._earned.state())
        return seen, earned

    def normalised(self, observations: Array, rows: Sequence[int] | None = None) -> Array:
        """See rollout.Collector."""
        seen, _ = self._of_host()
        return observations if seen is None else seen.normalised(observations, rows)

    def seen(self, row: int) -> Arrays:
        """See rollout.Collector."""
        seen, earned = self._of_host()
        own = {} if seen is None else seen.of(row)
        return own | ({} if earned is None else {f"earned_{name}": one for name, one in earned.of(row).items()})

    def know(self, row: int, statistics: Arrays) -> None:
        """The inverse of `seen`."""
        if not statistics:
            return
        for host, own, prefix in zip(self._of_host(), (self._seen, self._earned), ("", "earned_"), strict=True):
            if host is not None and own is not None and f"{prefix}mean" in statistics:
                host.know(row, {n: statistics[prefix + n] for n in host.of(row) if prefix + n in statistics})
                own.restore(host.state())

    def streams_of(self, row: int) -> dict[str, int]:
        """The keys of a ticket's streams by name."""
        keys = {
            "actions": self.numbers.actions, "minibatches": self.numbers.minibatches,
            "environments": self.environments.keys,
        }  # fmt: skip
        return {name: int(one[row]) for name, one in keys.items()}

    def restart(self, step: int) -> None:
        """See Player: never needed."""
        raise TypeError("the state of environments on a device can be saved")

    def keep(self, rows: Sequence[int]) -> None:
        """See Player; memory moves."""
        for part in (self.environments, self.numbers, self.drawn, self._tally, self._seen, self._earned):
            if part is not None:
                part.keep(rows)

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """See Player."""
        arrays: Arrays = {f"environments/{name}": one for name, one in self.environments.state()[0].items()}
        episodes, ended = self._tally.state()
        arrays |= {f"episodes/{name}": one for name, one in episodes.items()}
        for name, statistics in (("seen", self._seen), ("earned", self._earned)):
            if statistics is not None:
                arrays |= {f"{name}/{key}": one for key, one in statistics.state().items()}
        return arrays, {"clock": int(self.clock), "drawn": self.drawn.state(), "episodes": ended}

    def restore(self, arrays: Arrays, values: dict[str, Any], step: int) -> None:
        """See Player."""
        self.clock.fill_(values["clock"])
        self.drawn.restore(values["drawn"])
        self._tally.restore(under(arrays, "episodes/"), values["episodes"])
        self.environments.restore(under(arrays, "environments/"))
        for name, statistics in (("seen", self._seen), ("earned", self._earned)):
            if statistics is not None:
                statistics.restore(under(arrays, f"{name}/"))


def values_at_cuts(
    truncated: Tensor, last: Sequence[Tensor], limit: int, value: Callable[[Tensor], Tensor]
) -> Tensor:  # fmt: skip
    """Values (T, n, E) of the last states before time limits, zero elsewhere.

    truncated: (T, n, E). last: of each step the last observations (T, E, ...). value: from such observations to (T, E).
    """
    found = []
    for part, own in zip(truncated.split(limit, 1), _split(last, limit), strict=True):
        # The one step of this part at which each environment reaches its limit, or any.
        at = part.to(torch.uint8).argmax(1, keepdim=True)
        shape = (*at.shape, *own[0].shape[2:])
        place = at.view(*at.shape, *[1] * (len(shape) - at.ndim)).expand(shape)
        cut = value(torch.stack(list(own), 1).gather(1, place)[:, 0])
        found.append(cut[:, None].expand(part.shape).masked_fill(~part, 0.0))
    return torch.cat(found, 1)


def _split(steps: Sequence[Tensor], size: int) -> list[Sequence[Tensor]]:
    return [steps[i : i + size] for i in range(0, len(steps), size)]


def advantages(
    rewards: Tensor, ends: Tensor, values: Tensor, bootstrap: Tensor, gamma: float, gae_lambda: float
) -> Tensor:  # fmt: skip
    """See rollout.advantages."""
    alive = gamma * (~ends).to(torch.float32)
    following = torch.cat([values[:, 1:], bootstrap[:, None]], 1)
    deltas, kept, found = (rewards + alive * following - values).unbind(1), (alive * gae_lambda).unbind(1), []
    running = torch.zeros_like(bootstrap)
    for delta, share in zip(reversed(deltas), reversed(kept), strict=True):
        running = delta + share * running
        found.append(running)
    return torch.stack(found[::-1], 1)


def _on_host(steps: Sequence[DeviceStep], rewards: Sequence[Tensor], after: Tensor, cut: Sequence[Tensor]) -> Steps:
    """The steps for those who look at them again. Waits for the device."""
    found = []
    for step in steps:
        seen, given, terminated, truncated = (
            part.cpu().numpy() for part in (step.observations, step.rewards, step.terminated, step.truncated)
        )
        last = None if step.last_observations is None else step.last_observations.cpu().numpy()
        found.append(Step(seen, last, given, terminated, truncated))
    known = {i: cut[i].cpu().numpy() for i, step in enumerate(found) if np.any(step.truncated)}
    return Steps(found, torch.stack(list(rewards), 1).cpu().numpy(), after.cpu().numpy(), known)
