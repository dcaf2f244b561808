"""A stack of actors and critics: all parameters of the stack are one tensor (T, P), a row per ticket.

So are masks, gradients and optimizer state. Nothing in the network itself knows of masks. What is learnt from a
rollout is an algorithm's.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lth_core.experiment import Experiment
from lth_core.models.actor_critic import ActorCriticNetwork
from lth_core.models.mlp import flatten, unflatten
from lth_core.settings.reinforcement import ActorCriticTraining
from lth_core.tickets.mask import Mask, Weights
from lth_core.training import optimizer
from lth_core.training.episodes import Episodes
from lth_core.training.evaluation import evaluate
from lth_core.training.policy import Policy, Terms, policy
from lth_core.training.rollout import Collector, Rollout, under
from lth_core.training.stack import Arrays, Stack, Start


class ActorCriticStack(Stack):
    """Rollouts in the environments of all tickets, and what an algorithm makes of them."""

    def __init__(self, experiment: Experiment, model: ActorCriticNetwork, starts: Sequence[Start], device: str) -> None:
        super().__init__(starts)
        assert isinstance(experiment.training, ActorCriticTraining)  # noqa: S101 see build
        self.training, self.model = experiment.training, model
        self.device = torch.device(device)
        self._task = experiment.task
        self.collector = Collector(self._task, self.training, [start.seed for start in starts], self.device)
        self._losses: dict[str, npt.NDArray[Any]] = {}
        self._evaluation_faults: dict[int, str] = {}
        self._load(starts)

    def _load(self, starts: Sequence[Start]) -> None:
        shapes = self.model.shapes()
        alive = [{n: s.mask.get(n, torch.ones(shape)).float() for n, shape in shapes.items()} for s in starts]
        self._mask = torch.stack([flatten(a, shapes) for a in alive]).to(self.device)
        flat = torch.stack([flatten(s.weights, shapes) for s in starts]).to(self.device)
        self._flat = flat * self._mask
        self._optimizer = optimizer.new_state(self.training, self._flat)
        for row, start in enumerate(starts):
            for entry, weights in (start.optimizer or {}).items():
                self._optimizer[entry][row] = _row(weights, shapes).to(self.device)
        for entry in self._optimizer.keys() - {"count"}:
            self._optimizer[entry] *= self._mask

    @property
    def episodes(self) -> Episodes:
        """The returns of training episodes."""
        return self.collector.episodes

    @property
    def steps_per_unit(self) -> int:
        """See Stack: a game has as many steps as its time limit allows."""
        return self.collector.environments.limit if self.training.unit == "games" else 1

    @property
    def counter(self) -> npt.NDArray[np.int64]:
        """(T,) where each ticket stands between `first` and `last`."""
        done = self.episodes.finished if self.training.unit == "games" else self.trained
        counter: npt.NDArray[np.int64] = (self.first + done).astype(np.int64)
        return counter

    def weights(self, ticket: int) -> Weights:
        """Copies of one ticket's parameters, as they stand in the stack."""
        return unflatten(self._flat[ticket].cpu(), self.model.shapes())

    def parameters(self, rows: Sequence[int]) -> tuple[Any, Tensor | None]:
        """The layers of these tickets, and their log standard deviations where they have any."""
        flat = self._flat[list(rows)]
        return self.model.layers(flat), self.model.log_std(flat)

    def optimizer_state(self, ticket: int) -> dict[str, Weights]:
        """Copies of one ticket's optimizer entries; `count` under the name "count"."""
        shapes = self.model.shapes()
        return {
            entry: {"count": rows[ticket].cpu().clone()} if entry == "count" else unflatten(rows[ticket].cpu(), shapes)
            for entry, rows in self._optimizer.items()
        }

    def statistics(self, ticket: int) -> Weights:
        """See Stack: of the observations, where they are normalised."""
        found = self.collector.seen(ticket)
        return {name: torch.from_numpy(one) for name, one in found.items()}

    def know(self, ticket: int, statistics: Weights) -> None:
        """The inverse of `statistics`."""
        self.collector.know(ticket, {name: one.numpy() for name, one in statistics.items()})

    def broken(self) -> list[int]:
        """Tickets with a parameter that is not finite."""
        finite = torch.isfinite(self._flat).all(dim=1).cpu().numpy()
        return [int(t) for t in np.flatnonzero(~finite)]

    def faults(self) -> dict[int, str]:
        """See Stack: what environments did wrong, in training or in evaluation."""
        return self._evaluation_faults | self.collector.environments.faults()

    @torch.no_grad()
    def update(self) -> None:
        """One rollout of n steps in every environment, and what the algorithm learns from it."""
        layers = self.model.layers(self._flat)
        rollout = self._collect(layers)
        self.trained += self.training.n_steps * self.training.environments
        self._learn(layers, rollout, self._rate())

    @torch.no_grad()
    def experience(self) -> Rollout:
        """A rollout with the parameters as they are, that nothing is learnt from."""
        return self._collect(self.model.layers(self._flat))

    @abstractmethod
    def _collect(self, layers: Any) -> Rollout:
        """Act with the current parameters."""

    @abstractmethod
    def _learn(self, layers: Any, rollout: Rollout, rate: Tensor) -> None:
        """Improve the parameters, whose layers these are, at a learning rate (T, 1)."""

    def metrics(self) -> list[dict[str, float]]:
        """See Stack."""
        losses = self.losses()
        return [
            {
                **{name: float(column[row]) for name, column in losses.items()},
                "return/train": self.episodes.score(row),
                "games": float(self.episodes.finished[row]),
            }
            for row in range(self.tickets)
        ]

    @torch.no_grad()
    def evaluate(self, rows: Sequence[int], go_on: Callable[[], bool]) -> list[dict[str, float]]:
        """See Stack; observations are normalised as they were at the end of training."""
        layers, log_std = self.parameters(rows)

        def heads(seen: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            observations = torch.from_numpy(self.collector.normalised(seen, rows)).to(self.device)
            found: npt.NDArray[np.float32] = self.model.forward(layers, observations)[-1].cpu().numpy()
            return found[..., :-1]

        seeds = [self.collector.seeds[row] for row in rows]
        found = evaluate(self._task, seeds, self.training.evaluation_episodes, policy(log_std), heads, go_on)
        self._evaluation_faults |= {rows[place]: cause for place, cause in found.faults.items()}
        return found.returns

    @abstractmethod
    def losses(self) -> dict[str, npt.NDArray[Any]]:
        """Mean losses and entropy (T,) of the last update."""

    def _policy(self) -> Policy:
        return policy(self.model.log_std(self._flat))

    def _backward(
        self, layers: Any, activations: Sequence[Tensor], terms: Terms, weight: Tensor, of_values: Tensor
    ) -> Tensor:
        """Gradients (T, P) from the weight (T, B) of each log-probability and the gradient (T, B) of each value."""
        of_heads = torch.empty_like(activations[-1])
        of_heads[..., :-1], of_log_std = terms.gradient(weight, self.training.entropy_weight)
        of_heads[..., -1] = of_values
        mean = self.training.loss_reduction == "mean"
        if mean:
            of_heads /= of_heads.shape[1]
        gradient = self.model.backward(layers, activations, of_heads)
        if of_log_std is not None:
            gradient[:, -self.model.actions :] = of_log_std / of_heads.shape[1] if mean else of_log_std
        return gradient

    def _step(self, gradient: Tensor, rate: Tensor) -> None:
        """One optimizer step with gradients (T, P) at learning rates (T, 1), masked on all sides."""
        gradient *= self._mask
        self._clip(gradient)
        optimizer.step(self.training, self._flat, gradient, self._optimizer, rate)
        self._flat *= self._mask

    def _rate(self) -> Tensor:
        """Learning rate (T, 1) of each ticket, from where its schedule stands; on the CPU."""
        rate = np.full(self.tickets, self.training.learning_rate)
        if self.training.learning_rate_schedule == "linear":
            passed = np.clip(self.counter / self.training.length, 0.0, 1.0)
            rate *= 1.0 - passed * (1.0 - self.training.learning_rate_end)
        return torch.from_numpy(rate).float().unsqueeze(1)

    def _clip(self, gradient: Tensor) -> None:
        limit = self.training.max_gradient_norm
        if limit is not None:
            norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
            gradient *= torch.clamp(limit / (norm + 1e-6), max=1.0)

    def narrow(self, ticket: int, mask: Mask) -> None:
        """See Stack."""
        shapes = self.model.shapes()
        alive = {n: mask[n].float() if n in mask else torch.ones(shape) for n, shape in shapes.items()}
        self._mask[ticket] = flatten(alive, shapes).to(self.device)
        self._flat[ticket] *= self._mask[ticket]
        for entry in self._optimizer.keys() - {"count"}:
            self._optimizer[entry][ticket] *= self._mask[ticket]

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these; the others go on as if nothing had happened."""
        rows = list(tickets)
        self._losses = {name: values[rows] for name, values in self._losses.items()}
        self._flat = self._flat[rows]
        self._mask = self._mask[rows]
        self._optimizer = {entry: values[rows] for entry, values in self._optimizer.items()}
        self.first, self.last = self.first[rows], self.last[rows]
        wrong = self._evaluation_faults
        self._evaluation_faults = {place: wrong[row] for place, row in enumerate(rows) if row in wrong}
        self.collector.keep(rows)

    @property
    def can_save(self) -> bool:
        """See Stack: only with environments whose state can be had."""
        return self.collector.environments.state() is not None

    def restart(self) -> None:
        """Start new episodes everywhere, seeded by the step: what stands in for saving environments."""
        self.collector.restart(self.trained)

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """Everything that the future depends on, as arrays and JSON values."""
        arrays, values = self.collector.state()
        arrays["flat"] = self._flat.cpu().numpy().copy()
        arrays |= {f"optimizer/{entry}": rows.cpu().numpy().copy() for entry, rows in self._optimizer.items()}
        return arrays, {**values, "trained": self.trained}

    def restore(self, arrays: Arrays, values: dict[str, Any]) -> None:
        """The inverse of `state`, on a stack of the same tickets."""
        self.trained = values["trained"]
        self.collector.restore(arrays, values, self.trained)
        self._flat = torch.from_numpy(arrays["flat"].copy()).to(self.device)
        for entry, rows in under(arrays, "optimizer/").items():
            self._optimizer[entry] = torch.from_numpy(rows.copy()).to(self.device)


def _row(weights: Weights, shapes: dict[str, torch.Size]) -> Tensor:
    return weights["count"] if "count" in weights else flatten(weights, shapes)
