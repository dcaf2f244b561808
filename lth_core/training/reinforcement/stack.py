"""A stack of actor-critics: rollouts in the environments of all tickets, and learning from them."""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from lth_core.experiment.experiment import Experiment
from lth_core.models.actor_critic import ActorCriticNetwork
from lth_core.settings.reinforcement import ActorCriticTraining
from lth_core.tasks.environments import Described
from lth_core.tickets.check import Check
from lth_core.tickets.mask import Weights
from lth_core.training.cuda_graphs import Replayed
from lth_core.training.precision import products
from lth_core.training.reinforcement import plasticity, second_window, sparse
from lth_core.training.reinforcement.acting import actor
from lth_core.training.reinforcement.algorithms import algorithm
from lth_core.training.reinforcement.episodes import Episodes
from lth_core.training.reinforcement.learning import Learnt, learn, loss
from lth_core.training.reinforcement.minibatches import Shuffles
from lth_core.training.reinforcement.playing import PlayingStack
from lth_core.training.reinforcement.reference import Network
from lth_core.training.reinforcement.rollout import Collector, Rollout
from lth_core.training.reinforcement.second_look import Looked, SecondLook
from lth_core.training.stack import Arrays, Start


class ActorCriticStack(PlayingStack):
    """Rollouts in the environments of all tickets, and updates by an algorithm."""

    def __init__(self, experiment: Experiment, model: ActorCriticNetwork, starts: Sequence[Start], device: str) -> None:
        assert isinstance(experiment.training, ActorCriticTraining)  # noqa: S101 see build
        super().__init__(experiment.task, experiment.training, model, starts, device)
        self.training: ActorCriticTraining = experiment.training
        self.algorithm = algorithm(experiment.training)
        spans = [start.last - start.first for start in starts]
        self.collector = self._make_collector(spans)
        for row, start in enumerate(starts):
            self.know(row, start.statistics or {})
        self._shuffles = Shuffles([start.seed for start in starts])
        self.parameters = self.parameters.folded(sparse.choose(model, self.training, starts, self.device))
        self.parameters.keeps_dense |= self.training.plasticity
        self._learning = Replayed(self._learn, self.device)
        self._place()
        self._seen: Tensor | None = None
        """The states that the last update learnt from, where plasticity is measured."""
        self._learnt: list[Learnt] = []
        """Minibatches of the last update."""
        self._losses: dict[str, npt.NDArray[Any]] = {}
        self._look, self._network = SecondLook(), Network(experiment.model, model.parts)

    def _make_collector(self, spans: Sequence[int]) -> Collector:
        """What plays. spans: see Collector."""
        return Collector(self._task, self.training, self.seeds, spans)

    def _acting(self) -> tuple[int, int]:
        """How often the network acts in a rollout, in how many environments of each ticket at once."""
        return self.training.n_steps, self.training.environments

    def _place(self) -> None:
        """Rebuild everything that refers to the parameters' memory."""
        self._actor = actor(self.parameters, self.device, not self.algorithm.epochs, self._acting())
        self._learning.forget()

    @property
    def episodes(self) -> Episodes:
        """See PlayingStack."""
        return self.collector.episodes

    @property
    def environments(self) -> Described:
        """See PlayingStack."""
        return self.collector.environments

    def normalised(self, observations: npt.NDArray[Any], rows: Sequence[int]) -> npt.NDArray[Any]:
        """See PackedStack."""
        return self.collector.normalised(observations, rows)

    def form(self) -> str:
        """See Stack."""
        if self.training.sparse == "never":
            return ""
        few, how = sum(self.parameters.is_sparse), self.training.sparse
        return f'training.sparse "{how}": {few} of {self.tickets} tickets are computed from their living weights alone'

    def statistics(self, ticket: int) -> Weights:
        """See Stack: of observations and returns, if they are normalised."""
        found = self.collector.seen(ticket)
        return {name: torch.from_numpy(one) for name, one in found.items()}

    def know(self, ticket: int, statistics: Weights) -> None:
        """The inverse of `statistics`."""
        self.collector.know(ticket, {name: one.numpy() for name, one in statistics.items()})

    def checks(self, ticket: int, seed: int, score: float) -> list[Check]:
        """See Stack: updates computed again, numbers for actions, the window of a score of training episodes."""
        per_update = self.training.n_steps * self.training.environments
        checks = [*self._look.check(), self.check_of_actions(ticket, seed, self.trained // per_update)]
        return [*checks, *self.of_episodes(ticket, score)]

    def check_of_actions(self, ticket: int, seed: int, updates: int) -> Check:
        """Whether so many updates drew actions from the stream of this chain."""
        own, state = self.collector.environments, self.collector.stream_of(ticket)
        each = [own.actions] if own.continuous or own.parts == "bits" else [] if own.parts is None else [len(own.parts)]
        drawn = [self.training.n_steps, self.training.environments, *each]
        return second_window.of_actions(drawn, own.continuous, state, seed, updates)

    def drawn(self, ticket: int) -> dict[str, str]:
        """See Stack: first observations, numbers for actions, orders of transitions."""
        return self.collector.drawn.of(ticket)

    def faults(self) -> dict[int, str]:
        """See Stack: faults of the stack's own updates, of environments, and games that never end."""
        if self._look.sentence:
            return dict.fromkeys(range(self.tickets), f"audit: {self._look.sentence}")
        return self._evaluation_faults | self.endless() | self.collector.environments.faults()

    @torch.no_grad()
    def update(self) -> None:
        """One rollout of n steps in every environment, and the algorithm's update from it."""
        with products(self.training.precision, self.device):
            self._update()

    def _update(self) -> None:
        rate = self._rate()  # of what was done before, so that the first update has the whole rate
        self.collector.watched = bool(self._look.left)
        rollout = self._collect()
        self._seen = rollout.activations[0] if self.training.plasticity else None
        self.trained += self.training.n_steps * self.training.environments
        self._losses = {}
        orders = self._orders(rollout.size)
        self.rates += rate.numpy()[:, 0]
        found = self.collector.found
        ticket = None if found is None else self._look.ticket(found, self.broken)
        inputs: tuple[Any, ...] = (rollout, rate) if orders is None else (rollout, rate, orders)
        if found is None or ticket is None:
            self._learnt = self._learning(*inputs)
            return
        looked = Looked(self._network, self.parameters, ticket, found, rollout, orders)
        self.parameters.watch = looked.step
        if self.device.type == "cpu":
            self._learnt = self._learning(*inputs)
        else:  # without a CUDA graph, in which the steps of the optimizer cannot be watched
            self._learnt = self._learn(*pytree.tree_map(lambda one: one.to(self.device), inputs))
        self.parameters.watch = None
        self._look.compare(looked, self.trained // (self.training.n_steps * self.training.environments))

    @torch.no_grad()
    def experience(self) -> Rollout:
        """A rollout with the current parameters, without learning."""
        with products(self.training.precision, self.device):
            return self._collect()

    def _collect(self) -> Rollout:
        """Act with the current parameters."""
        return self.collector.collect(self.parameters.policy(), self._actor)

    def _orders(self, size: int) -> Tensor | None:
        """Orders (epochs, T, size) of the transitions; None for the rollout's own order."""
        if not self.algorithm.epochs:
            return None
        orders = self._shuffles.orders(size, self.algorithm.epochs)
        self.collector.drawn.note("minibatches", zip(orders.transpose(0, 1).numpy()))
        return orders

    def _learn(self, rollout: Rollout, rate: Tensor, orders: Tensor | None = None) -> list[Learnt]:
        """Update the parameters at learning rates (T, 1), in these orders: see `_orders`."""
        return learn(self.algorithm, self.parameters, rollout, rate, orders)

    def loss(self, flat: Tensor, rollout: Rollout) -> Tensor:
        """The minimised loss on a rollout of this stack at parameters (T, Q) in the order of `shapes`."""
        return loss(self.algorithm, self.parameters, flat, rollout)

    def losses(self) -> dict[str, npt.NDArray[Any]]:
        """Mean losses and entropy (T,) of the last update; computed only when asked for."""
        if self._learnt and not self._losses:
            parts = [self.algorithm.losses(*one) for one in self._learnt]
            for name in parts[0]:
                each = torch.cat([found[name] for found in parts], dim=1)
                self._losses[name] = each.mean(1).cpu().numpy()
        return self._losses

    def metrics(self) -> list[dict[str, float]]:
        """See Stack."""
        losses, seen, episodes = self.losses(), self._seen, self.episodes
        plastic: list[dict[str, float]] = [{}] * self.tickets
        if seen is not None:
            plastic = plasticity.of_stack(self, lambda: plasticity.States(seen))
        return [
            {
                **{name: float(column[row]) for name, column in losses.items()},
                **plastic[row],
                "return/train": episodes.score(row),
                "games": float(episodes.finished[row]),
            }
            for row in range(self.tickets)
        ]

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these, whose training continues unchanged."""
        rows = list(tickets)
        self._losses = {name: values[rows] for name, values in self.losses().items()}
        self._learnt = []
        self._seen = None if self._seen is None else self._seen[rows]
        super().keep(rows)
        self._place()
        self.collector.keep(rows)
        self._shuffles.keep(rows)

    def restart(self) -> None:
        """Start new episodes everywhere, seeded by the step, for environments that cannot be saved."""
        self.collector.restart(self.trained)

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """Everything that later training depends on, as arrays and JSON values."""
        arrays, values = self.collector.state()
        values["trained"], values["looked"] = self.trained, self._look.state()
        values["sparse"] = self.parameters.is_sparse
        if self.algorithm.epochs:
            values["minibatches"] = self._shuffles.state()
        return arrays | self.parameters.state(), values

    def restore(self, arrays: Arrays, values: dict[str, Any]) -> None:
        """The inverse of `state`, on a stack of the same tickets."""
        self.trained = values["trained"]
        self._look.restore(values.get("looked"))
        self.collector.restore(arrays, values, self.trained)
        # In the form in which it began, whatever is measured now; earlier versions, and GPUs, have one form.
        if self.device.type == "cpu":
            self.parameters.refold(values.get("sparse", [False] * self.tickets))
        self.parameters.restore(arrays)
        if self.algorithm.epochs:
            self._shuffles.restore(values["minibatches"])
        self._place()
