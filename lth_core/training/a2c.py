"""A2C on a stack: many tickets of one shape trained together, each exactly as if it were alone.

All parameters of the stack are one tensor (T, P), a row per ticket; so are masks, gradients and optimizer state.
Gradients are masked before they are clipped and before the optimizer sees them, weights at the start and after
every step. Nothing in the network itself knows of masks.
"""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lth_core.experiment import Experiment
from lth_core.models.mlp import ActorCritic, Layer, flatten, unflatten
from lth_core.randomness import stream
from lth_core.tasks import control
from lth_core.tickets.mask import Mask, Weights
from lth_core.training import optimizer
from lth_core.training.episodes import Episodes

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Start:
    """What one ticket of a stack starts from; first and last bound its counter, in `training.unit`."""

    seed: int
    weights: Weights
    mask: Mask
    first: int
    last: int
    optimizer: dict[str, Weights] | None = None


@dataclass(frozen=True)
class Rollout:
    """n steps of T tickets in E environments, flattened to B = n * E.

    activations: of every layer, (T, B, width), the observations first; actions, targets, advantages (T, B).
    """

    activations: list[Tensor]
    actions: Tensor
    targets: Tensor
    advantages: Tensor


def make_model(experiment: Experiment) -> ActorCritic:
    """The experiment's network, with the sizes that its environment asks for."""
    probe = control.make(experiment.task.environment, [0], 1)
    return ActorCritic(experiment.model, probe.inputs, probe.actions)


class StackedA2C:
    """The training of a stack. `update` is one turn; `keep` drops tickets; `state` and `restore` are exact."""

    def __init__(self, experiment: Experiment, model: ActorCritic, starts: Sequence[Start], device: str) -> None:
        self.settings, self.model = experiment.training, model
        self.device = torch.device(device)
        self.environments = control.make(
            experiment.task.environment, [s.seed for s in starts], self.settings.environments
        )
        if self.settings.n_steps > self.environments.limit:
            raise ValueError(f"n_steps {self.settings.n_steps} exceeds the episode limit {self.environments.limit}")
        self._actions = [stream(start.seed, "actions") for start in starts]
        self.episodes = Episodes(len(starts), self.settings.environments, self.settings.score_episodes)
        self.first = np.array([start.first for start in starts])
        self.last = np.array([start.last for start in starts])
        self.trained = 0
        """Environment steps of each ticket since its start."""
        self._outputs: tuple[Tensor, Tensor, Tensor] | None = None
        self._losses: dict[str, npt.NDArray[Any]] | None = None
        self._load(starts)
        self._observations = self.environments.reset()

    def _load(self, starts: Sequence[Start]) -> None:
        shapes = self.model.shapes()
        alive = [{n: s.mask.get(n, torch.ones(shape)).float() for n, shape in shapes.items()} for s in starts]
        self._mask = torch.stack([flatten(a, shapes) for a in alive]).to(self.device)
        flat = torch.stack([flatten(s.weights, shapes) for s in starts]).to(self.device)
        self._flat = flat * self._mask
        self._optimizer = optimizer.new_state(self.settings, self._flat)
        for row, start in enumerate(starts):
            for entry, weights in (start.optimizer or {}).items():
                self._optimizer[entry][row] = _row(weights, shapes).to(self.device)
        for entry in self._optimizer.keys() - {"count"}:
            self._optimizer[entry] *= self._mask

    @property
    def tickets(self) -> int:
        """How many tickets are in the stack."""
        return len(self.first)

    @property
    def counter(self) -> npt.NDArray[np.int64]:
        """(T,) where each ticket stands between `first` and `last`."""
        done = self.episodes.finished if self.settings.unit == "games" else self.trained
        counter: npt.NDArray[np.int64] = (self.first + done).astype(np.int64)
        return counter

    def weights(self, ticket: int) -> Weights:
        """Copies of one ticket's parameters, as they stand in the stack."""
        return unflatten(self._flat[ticket].cpu(), self.model.shapes())

    def optimizer_state(self, ticket: int) -> dict[str, Weights]:
        """Copies of one ticket's optimizer entries; `count` under the name "count"."""
        shapes = self.model.shapes()
        return {
            entry: {"count": rows[ticket].cpu().clone()} if entry == "count" else unflatten(rows[ticket].cpu(), shapes)
            for entry, rows in self._optimizer.items()
        }

    def broken(self) -> list[int]:
        """Tickets with a parameter that is not finite."""
        finite = torch.isfinite(self._flat).all(dim=1).cpu().numpy()
        return [int(t) for t in np.flatnonzero(~finite)]

    @torch.no_grad()
    def update(self) -> None:
        """One rollout of n steps in every environment, and one optimizer step."""
        layers = self.model.layers(self._flat)
        self._rollout = self._collect(layers)
        self.trained += self.settings.n_steps * self.settings.environments
        gradient = self._gradient(layers, self._rollout)
        gradient *= self._mask
        self._clip(gradient)
        optimizer.step(self.settings, self._flat, gradient, self._optimizer, self._rate())
        self._flat *= self._mask

    def _rate(self) -> Tensor:
        """Learning rate (T, 1) of each ticket, from where its schedule stands."""
        rate = np.full(self.tickets, self.settings.learning_rate)
        if self.settings.learning_rate_schedule == "linear":
            passed = np.clip(self.counter / self.settings.length, 0.0, 1.0)
            rate *= 1.0 - passed * (1.0 - self.settings.learning_rate_end)
        return torch.from_numpy(rate).float().unsqueeze(1).to(self.device)

    def _clip(self, gradient: Tensor) -> None:
        limit = self.settings.max_gradient_norm
        if limit is not None:
            norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
            gradient *= torch.clamp(limit / (norm + 1e-6), max=1.0)

    def _collect(self, layers: Sequence[Layer]) -> Rollout:
        """Act for n steps, then targets and advantages."""
        s, env = self.settings, self.environments
        shape = (self.tickets, s.n_steps, s.environments)
        activations: list[list[Tensor]] = []
        actions, values = np.empty(shape, np.int64), np.empty(shape, np.float32)
        rewards, ends = np.empty(shape, np.float32), np.empty(shape, bool)
        uniform = np.stack([rng.random((s.n_steps, s.environments), np.float32) for rng in self._actions])
        # An episode cannot be cut twice within n_steps (see __init__): one slot per environment is enough.
        cut_at, cut_observations = np.full((self.tickets, s.environments), -1), np.zeros_like(self._observations)
        for i in range(s.n_steps):
            activations.append(self.model.forward(layers, self._tensor(self._observations)))
            heads = activations[-1][-1].cpu().numpy()
            actions[:, i], values[:, i] = _sample(heads[..., :-1], uniform[:, i]), heads[..., -1]
            step = env.step(actions[:, i])
            self._observations, rewards[:, i] = step.observations, step.rewards
            ends[:, i] = step.terminated | step.truncated
            self.episodes.add(step.rewards, ends[:, i])
            if step.last_observations is not None:
                cut_at[step.truncated] = i
                cut_observations[step.truncated] = step.last_observations[step.truncated]
        last = self._tensor(np.concatenate([self._observations, cut_observations], axis=1))
        bootstrap = self.model.forward(layers, last)[-1][..., -1].cpu().numpy()
        rewards *= np.float32(s.reward_scale)
        tickets, environments = np.nonzero(cut_at >= 0)
        # A time limit is no end of the world: the value of the state it cut off belongs to the return.
        rewards[tickets, cut_at[tickets, environments], environments] += (
            np.float32(s.gamma) * bootstrap[:, s.environments :][tickets, environments]
        )
        advantages = _advantages(rewards, ends, values, bootstrap[:, : s.environments], s.gamma, s.gae_lambda)
        return Rollout(
            [torch.stack(steps, dim=1).flatten(1, 2) for steps in zip(*activations, strict=True)],
            self._tensor(actions).flatten(1, 2),
            self._tensor(advantages + values).flatten(1, 2),
            self._tensor(advantages).flatten(1, 2),
        )

    def _gradient(self, layers: Sequence[Layer], rollout: Rollout) -> Tensor:
        """Gradients (T, P) of policy loss + value_weight * value loss - entropy_weight * entropy.

        With p the softmax of the logits, A the advantage and H the entropy, the loss -A log p[a] has the
        gradient A (p - onehot(a)) with respect to the logits, and -H has p (log p + H).
        """
        s = self.settings
        heads = rollout.activations[-1]
        logits, values = heads[..., :-1], heads[..., -1:]
        log_p = logits.log_softmax(-1)
        p = log_p.exp()
        entropy = -(p * log_p).sum(-1, keepdim=True)
        gradient = torch.empty_like(heads)
        policy = p.scatter_add(-1, rollout.actions.unsqueeze(-1), torch.full_like(values, -1.0))
        policy *= rollout.advantages.unsqueeze(-1)
        gradient[..., :-1] = policy.add_(p * (log_p + entropy), alpha=s.entropy_weight)
        gradient[..., -1:] = 2 * s.value_weight * (values - rollout.targets.unsqueeze(-1))
        if s.loss_reduction == "mean":
            gradient /= gradient.shape[1]
        self._outputs, self._losses = (log_p, entropy, values), None
        return self.model.backward(layers, rollout.activations, gradient)

    def losses(self) -> dict[str, npt.NDArray[Any]]:
        """Mean losses and entropy (T,) of the last update."""
        if self._losses is not None:
            return self._losses
        assert self._outputs is not None  # noqa: S101 there was an update
        log_p, entropy, values = self._outputs
        chosen = log_p.gather(-1, self._rollout.actions.unsqueeze(-1)).squeeze(-1)
        parts = {
            "loss/policy": -(chosen * self._rollout.advantages).mean(1),
            "loss/value": (values.squeeze(-1) - self._rollout.targets).square().mean(1),
            "entropy": entropy.mean((1, 2)),
        }
        self._losses = {name: part.cpu().numpy() for name, part in parts.items()}
        return self._losses

    def _tensor(self, array: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these; the others go on as if nothing had happened."""
        rows = list(tickets)
        if self._outputs is not None:
            self._losses = {name: values[rows] for name, values in self.losses().items()}
        self._flat = self._flat[rows]
        self._mask = self._mask[rows]
        self._optimizer = {entry: values[rows] for entry, values in self._optimizer.items()}
        self.first, self.last = self.first[rows], self.last[rows]
        self._actions = [self._actions[t] for t in rows]
        self._observations = self._observations[rows]
        self.environments.keep(rows)
        self.episodes.keep(rows)

    @property
    def saves_environments(self) -> bool:
        """Whether the state can be saved at any update; else only where `restart` was called."""
        return self.environments.state() is not None

    def restart(self) -> None:
        """Start new episodes everywhere, seeded by the step: what stands in for saving environments."""
        self._observations = self.environments.restart(self.trained)
        self.episodes.restart()

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """Everything that the future depends on, as arrays and JSON values."""
        arrays: Arrays = {
            "flat": self._flat.cpu().numpy().copy(),
            "observations": self._observations.copy(),
        }
        arrays |= {f"optimizer/{entry}": values.cpu().numpy().copy() for entry, values in self._optimizer.items()}
        values: dict[str, Any] = {
            "trained": self.trained,
            "actions": [rng.bit_generator.state for rng in self._actions],
        }
        for name, part in (("environments", self.environments.state()), ("episodes", self.episodes.state())):
            if part is not None:
                arrays |= {f"{name}/{key}": array for key, array in part[0].items()}
                values[name] = part[1]
        return arrays, values

    def restore(self, arrays: Arrays, values: dict[str, Any]) -> None:
        """The inverse of `state`, on a stack of the same tickets."""
        self._flat = self._tensor(arrays["flat"].copy())
        for entry in self._optimizer:
            self._optimizer[entry] = self._tensor(arrays[f"optimizer/{entry}"].copy())
        self.trained = values["trained"]
        for rng, state in zip(self._actions, values["actions"], strict=True):
            rng.bit_generator.state = state
        self.episodes.restore(_under(arrays, "episodes/"), values["episodes"])
        self._observations = arrays["observations"].copy()
        if "environments" in values:
            self.environments.restore(_under(arrays, "environments/"), values["environments"])
        else:  # checkpointed right after `restart`
            self.environments.restart(self.trained)


def _sample(logits: npt.NDArray[Any], uniform: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Actions (T, E) by inverting the cumulative distribution of logits (T, E, A) at uniform numbers (T, E)."""
    # By slices of the last axis: numpy is slow at reducing short axes.
    columns = [logits[..., action] for action in range(logits.shape[-1])]
    peak = functools.reduce(np.maximum, columns)
    cumulated = list(itertools.accumulate(np.exp(column - peak) for column in columns))
    threshold = uniform * cumulated[-1]
    actions = np.zeros(uniform.shape, np.int64)
    for below in cumulated[:-1]:
        actions += below < threshold
    return actions


def _advantages(
    rewards: npt.NDArray[Any], ends: npt.NDArray[Any], values: npt.NDArray[Any], bootstrap: npt.NDArray[Any],
    gamma: float, gae_lambda: float,
) -> npt.NDArray[Any]:  # fmt: skip
    """Generalised advantages (T, n, E), cut at the ends of episodes; lambda 1 gives n-step returns."""
    advantages = np.empty_like(rewards)
    following, running = bootstrap, np.zeros_like(bootstrap)
    alive = np.float32(gamma) * ~ends
    for i in reversed(range(rewards.shape[1])):
        delta = rewards[:, i] + alive[:, i] * following - values[:, i]
        running = delta + alive[:, i] * np.float32(gae_lambda) * running
        advantages[:, i], following = running, values[:, i]
    return advantages


def _row(weights: Weights, shapes: dict[str, torch.Size]) -> Tensor:
    return weights["count"] if "count" in weights else flatten(weights, shapes)


def _under(arrays: Arrays, prefix: str) -> Arrays:
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
