"""A stack whose tickets are rows of one tensor: parameters, and evaluation by playing. Subclasses define the learning.

On a CPU a ticket's result has the same bits whatever else is in its stack.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lth_core.models.actor_critic import ActorCriticNetwork, preferences
from lth_core.settings.imitation import PackedTraining
from lth_core.settings.tasks import Task
from lth_core.tickets.mask import Mask, Weights
from lth_core.training.precision import products
from lth_core.training.reinforcement.acting import actor
from lth_core.training.reinforcement.evaluation import Choosing, evaluate
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.stack import Calls, Stack, Start

REACHED = 1000
"""The longest time limit, in steps, that trained policies are expected to reach; under longer ones, a usual game."""


class PackedStack(Stack):
    """Parameters (T, P) of actor-critic networks, and their evaluation in environments."""

    def __init__(
        self, task: Task, training: PackedTraining, model: ActorCriticNetwork, starts: Sequence[Start], device: str
    ) -> None:
        super().__init__(starts)
        self._task, self._packed, self.model = task, training, model
        self.device = torch.device(device)
        self.seeds = [start.seed for start in starts]
        self.parameters = Parameters.of(training, model, starts, self.device)
        self._evaluation_faults: dict[int, str] = {}

    @abstractmethod
    def normalised(self, observations: npt.NDArray[Any], rows: Sequence[int]) -> npt.NDArray[Any]:
        """Observations (T, E, D) of the tickets in these rows, as their networks receive them."""

    @property
    @abstractmethod
    def limit(self) -> float:
        """Steps of the longest episode."""

    @abstractmethod
    def experience(self) -> Any:
        """What the next update would learn from, with the current parameters, without learning."""

    @abstractmethod
    def loss(self, flat: Tensor, experience: Any) -> Tensor:
        """The minimised loss on experience of this stack at parameters (T, Q) in the order of `shapes`; twice
        differentiable."""

    def policy(self, own: Parameters) -> Choosing:
        """The policy that plays in the evaluation of these parameters."""
        return own.policy()

    def weights(self, ticket: int) -> Weights:
        """Copies of one ticket's current parameters."""
        return self.parameters.weights(ticket)

    def optimizer_state(self, ticket: int) -> dict[str, Weights]:
        """Copies of one ticket's optimizer entries; `count` under the name "count"."""
        return self.parameters.optimizer_state(ticket)

    def broken(self) -> list[int]:
        """Tickets with a parameter that is not finite."""
        return self.parameters.broken()

    def narrow(self, ticket: int, mask: Mask) -> None:
        """See Stack."""
        self.parameters.narrow(ticket, mask)

    def gradient(self, ticket: int) -> Weights:
        """See Stack."""
        return self.parameters.gradient(ticket)

    @torch.no_grad()
    def evaluate(
        self, rows: Sequence[int], go_on: Callable[[], bool], ways: Mapping[str, int] | None = None
    ) -> list[dict[str, float]]:
        """See Stack; observations are normalised as they were at the end of training.

        ways: episodes by how actions are chosen; left out, what is recorded at the end of a training.
        """
        ways = self._ways() if ways is None else ways
        own = self.parameters.of_some(rows)
        seeing = actor(own, self.device, False)

        def heads(seen: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            found: npt.NDArray[np.float32] = preferences(self.model.heads, seeing.heads(self.normalised(seen, rows)))
            return found

        seeds = [self.seeds[row] for row in rows]
        with products(self._packed.precision, self.device):
            found = evaluate(self._task, seeds, ways, self.policy(own), heads, go_on)
        self._evaluation_faults |= {rows[place]: cause for place, cause in found.faults.items()}
        return found.returns

    def _ways(self) -> dict[str, int]:
        episodes, greedy = self._packed.evaluation_episodes, self._packed.greedy_episodes
        return {"sampled": episodes, "greedy": episodes if greedy is None else greedy}

    def evaluation_calls(self) -> Calls:
        """See Stack: at every step, up to the time limit; under a long limit as in a game of usual length."""
        ways = self._ways()
        both = sum(ways.values()) / ways["sampled"] if ways["sampled"] else 1.0
        return Calls(min(self.limit, REACHED) * both, after_all=self.limit > REACHED)

    @property
    def _passed(self) -> npt.NDArray[np.float64]:
        """(T,) the share of the dense run's training that each ticket's schedule has passed."""
        share: npt.NDArray[np.float64] = self.position / self._packed.length
        return share

    def _rate(self) -> Tensor:
        """Learning rate (T, 1) of each ticket at its position in the schedule; on the CPU."""
        rate = np.full(self.tickets, self._packed.learning_rate)
        if self._packed.learning_rate_schedule == "linear":
            rate *= 1.0 - np.clip(self._passed, 0.0, 1.0) * (1.0 - self._packed.learning_rate_end)
        return torch.from_numpy(rate).float().unsqueeze(1)

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these, whose training continues unchanged."""
        rows = list(tickets)
        self.parameters.keep(rows)
        self.first, self.last, self.rates = self.first[rows], self.last[rows], self.rates[rows]
        wrong = self._evaluation_faults
        self._evaluation_faults = {place: wrong[row] for place, row in enumerate(rows) if row in wrong}
        self.seeds = [self.seeds[row] for row in rows]
