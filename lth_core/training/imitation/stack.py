"""A stack of clones: each update moves all tickets towards the teacher's actions in states that it has played."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lth_core.models.actor_critic import ActorCriticNetwork
from lth_core.randomness import stream
from lth_core.settings.imitation import Cloning, ImitationTask
from lth_core.tasks.families import family_of
from lth_core.tickets.check import Check
from lth_core.tickets.mask import Weights
from lth_core.training.drawn import Drawn
from lth_core.training.imitation.data import Played
from lth_core.training.imitation.divergence import Divergence
from lth_core.training.imitation.second_look import SecondLook
from lth_core.training.precision import products
from lth_core.training.reinforcement.packed import PackedStack
from lth_core.training.stack import Array, Arrays, Interrupted, Start

NOTED = 16
"""How many updates of a dense run note their batches."""
TOGETHER = 500
"""States that are validated at once."""


class Batch:
    """States (T, B, D) as networks receive them, targets (T, B, A)."""

    def __init__(self, states: Tensor, targets: Tensor) -> None:
        self.states, self.targets = states, targets


class CloningStack(PackedStack):
    """Tickets with batches of their own seeds, at their own places in the dense run's schedule."""

    def __init__(
        self, task: ImitationTask, training: Cloning, model: ActorCriticNetwork, starts: Sequence[Start], device: str,
        played: Played, look: SecondLook,
    ) -> None:  # fmt: skip
        super().__init__(task, training, model, starts, device)
        self.training, self._played = training, played
        deviations = None if played.deviations is None else torch.from_numpy(played.deviations).to(self.device)
        self.divergence = Divergence(model.parts, deviations)
        self.per_epoch = len(played.train[0]) // training.batch
        self._states = played.normalised(played.train[0])
        self._orders: dict[tuple[int, int], Array] = {}
        self._experienced = 0
        self._drawn = Drawn(len(starts))
        self._look = look
        self._learnt: tuple[Tensor, Tensor] | None = None
        """Divergences (T, B) of the last update's batch, from outputs and targets."""
        self._limit: float | None = None

    @property
    def steps_per_unit(self) -> int:
        """See Stack."""
        return self.per_epoch if self.training.unit == "epochs" else 1

    @property
    def counter(self) -> npt.NDArray[np.int64]:
        """See Stack."""
        counter: npt.NDArray[np.int64] = (self.first + self.trained // self.steps_per_unit).astype(np.int64)
        return counter

    @property
    def done(self) -> npt.NDArray[np.float64]:
        """See Stack: by updates, however long an epoch is."""
        share: npt.NDArray[np.float64] = self.trained / ((self.last - self.first) * self.steps_per_unit)
        return share

    @property
    def _updates(self) -> npt.NDArray[np.int64]:
        """(T,) updates of the dense run up to here: the position in schedule and data, see `Stack.position`."""
        at = self.first * self.steps_per_unit + self.trained
        found: npt.NDArray[np.int64] = np.where(at < 0, self.trained, at)
        return found

    @property
    def _passed(self) -> npt.NDArray[np.float64]:
        """See PackedStack."""
        share: npt.NDArray[np.float64] = self._updates / (self.training.length * self.steps_per_unit)
        return share

    @property
    def limit(self) -> float:
        """See PackedStack."""
        if self._limit is None:
            self._limit = family_of(self._task).environments(self._task, [0], 1).limit
        return self._limit

    def normalised(self, observations: Array, rows: Sequence[int]) -> Array:
        """See PackedStack: as the teacher's were."""
        return self._played.normalised(observations)

    def statistics(self, ticket: int) -> Weights:
        """See Stack: those that the teacher's observations were normalised by, if they were."""
        return self._played.statistics

    def _batch(self, updates: Sequence[int]) -> Batch:
        """The batch of each ticket after so many updates."""
        rows = np.stack([self._rows(seed, at) for seed, at in zip(self.seeds, updates, strict=True)])
        states, targets = torch.from_numpy(self._states[rows]), torch.from_numpy(self._played.train[1][rows])
        return Batch(states.to(self.device), targets.to(self.device))

    def _rows(self, seed: int, update: int) -> Array:
        """The places of a chain's batch among the states."""
        epoch, place = divmod(int(update), self.per_epoch)
        if (seed, epoch) not in self._orders:
            self._orders = {key: one for key, one in self._orders.items() if key[0] != seed or key[1] == epoch - 1}
            self._orders[seed, epoch] = stream(seed, "imitation", epoch).permutation(len(self._states))
        order = self._orders[seed, epoch]
        return order[place * self.training.batch : (place + 1) * self.training.batch]

    @torch.no_grad()
    def update(self) -> None:
        """See Stack."""
        at = self._updates
        batch = self._batch(at.tolist())
        self._note(at.tolist(), batch)
        rate = self._rate()
        looked = self._look.begins(self.parameters, self.seeds, at.tolist())
        with products(self.training.precision, self.device):
            layers = self.parameters.layers()
            activations = self.model.traced(layers, batch.states)
            outputs = activations[-1][..., :-1].detach()
            gradient = self._gradient(activations, outputs, batch)
        self.parameters.watch = None if looked is None else looked.step
        self.parameters.step(gradient, rate)
        self.parameters.watch = None
        if looked is not None:
            self._look.compare(looked)
        self._learnt = outputs, batch.targets
        self.rates += rate.numpy()[:, 0]
        self.trained += 1

    def _gradient(self, activations: list[Tensor], outputs: Tensor, batch: Batch) -> Tensor:
        """Gradients (T, P) of the mean divergence."""
        log_std = self.model.log_std(self.parameters.flat)
        of_outputs, of_log_std = self.divergence.gradient(outputs, batch.targets, log_std)
        of_heads = torch.zeros_like(activations[-1])
        of_heads[..., :-1] = of_outputs / outputs.shape[1]
        found = self.model.backward(self.parameters.layers(), activations, of_heads)
        room = self.model.log_std(found)
        if room is not None and of_log_std is not None:
            room.copy_(of_log_std / outputs.shape[1])
        return found

    def _note(self, updates: Sequence[int], batch: Batch) -> None:
        """Note the batches of every so many updates of the dense run."""
        every = max(1, self.training.length * self.steps_per_unit // NOTED)
        for ticket, at in enumerate(updates):
            if at % every == 0:
                parts = [batch.states[ticket].cpu().numpy(), batch.targets[ticket].cpu().numpy()]
                self._drawn.note_one(ticket, f"batch of update {at:,}", parts)

    def experience(self) -> Batch:
        """See PackedStack: the batches of the first epoch, one after the other."""
        self._experienced += 1
        return self._batch([(self._experienced - 1) % self.per_epoch] * self.tickets)

    def loss(self, flat: Tensor, experience: Batch) -> Tensor:
        """See PackedStack."""
        packed = self.model.packed(flat)
        outputs = self.model.forward(self.model.layers(packed), experience.states.to(flat.dtype))[-1][..., :-1]
        return self.divergence(outputs, experience.targets, self.model.log_std(packed)).mean()

    def drawn(self, ticket: int) -> dict[str, str]:
        """See Stack: states and targets of batches."""
        return self._drawn.of(ticket)

    def checks(self, ticket: int, seed: int, score: float) -> list[Check]:
        """See Stack: updates computed again."""
        return self._look.check()

    def faults(self) -> dict[int, str]:
        """See Stack: of the stack's own updates, and of environments in the evaluation."""
        if self._look.sentence:
            return dict.fromkeys(range(self.tickets), f"audit: {self._look.sentence}")
        return self._evaluation_faults

    @torch.no_grad()
    def metrics(self) -> list[dict[str, float]]:
        """See Stack: the divergence of the last update's batch, before the update."""
        if self._learnt is None:
            return [{} for _ in range(self.tickets)]
        found = self.divergence(*self._learnt, self.model.log_std(self.parameters.flat)).mean(1)
        return [{"divergence/train": one} for one in found.tolist()]

    @torch.no_grad()
    def validate(self, go_on: Callable[[], bool]) -> list[dict[str, float]]:
        """See Stack: mean divergence, and how often the likeliest action is the teacher's."""
        layers, log_std = self.parameters.layers(), self.model.log_std(self.parameters.flat)
        states, targets = self._played.valid
        far, same, known = np.zeros(self.tickets), np.zeros(self.tickets), True
        for first in range(0, len(states), TOGETHER):
            if not go_on():
                raise Interrupted
            seen, wanted = (
                torch.from_numpy(one[first : first + TOGETHER])
                .expand(self.tickets, -1, -1)
                .contiguous()
                .to(self.device)
                for one in (self._played.normalised(states), targets)
            )
            with products(self.training.precision, self.device):
                outputs = self.model.forward(layers, seen)[-1][..., :-1]
            far += self.divergence(outputs, wanted, log_std).double().sum(1).cpu().numpy()
            agree = self.divergence.agreement(outputs, wanted)
            known = agree is not None
            same += 0.0 if agree is None else agree.double().sum(1).cpu().numpy()
        found = [{"divergence/valid": float(one) / len(states)} for one in far]
        also = [{"agreement/valid": float(one) / len(states)} if known else {} for one in same]
        return [one | more for one, more in zip(found, also, strict=True)]

    def forget(self, ticket: int) -> None:
        """See Stack: there is no score before the end."""

    def keep(self, tickets: Sequence[int]) -> None:
        """See Stack."""
        rows = list(tickets)
        super().keep(rows)
        self._drawn.keep(rows)
        if self._learnt is not None:
            outputs, targets = self._learnt
            self._learnt = outputs[rows], targets[rows]

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """See Stack."""
        values = {"trained": self.trained, "drawn": self._drawn.state(), "looked": self._look.state()}
        return self.parameters.state(), values

    def restore(self, arrays: Arrays, values: dict[str, Any]) -> None:
        """See Stack."""
        self.trained = values["trained"]
        self._drawn.restore(values["drawn"])
        self._look.restore(values["looked"])
        self.parameters.restore(arrays)
