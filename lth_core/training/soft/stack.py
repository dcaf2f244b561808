"""A stack of soft actor-critics: see ReplayStack."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lth_core.experiment.experiment import Experiment
from lth_core.models.actor_critic import ActorCriticNetwork
from lth_core.models.soft import SoftActorCritic
from lth_core.settings.soft import SAC
from lth_core.training.reinforcement.acting import actor
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.soft import learning, squashed
from lth_core.training.soft.learning import Batch, Learnt
from lth_core.training.soft.second_look import SoftLook, SoftLooked
from lth_core.training.soft.temperature import Temperature
from lth_core.training.stack import Array, Arrays, Start
from lth_core.training.values.replay_stack import ReplayStack


class SoftStack(ReplayStack):
    """Actors with twin critics, target critics and a temperature each. Of `target` the actor's part is not used."""

    training: SAC
    normal = True

    def __init__(self, experiment: Experiment, model: ActorCriticNetwork, starts: Sequence[Start], device: str) -> None:
        assert isinstance(experiment.training, SAC)  # noqa: S101 see families
        assert isinstance(model, SoftActorCritic)  # noqa: S101 see families
        look = SoftLook(experiment.training, experiment.model)
        super().__init__(experiment, model, starts, device, look)
        self._soft = model
        self.numbers = (model.actions,)
        self.drawn_numbers = (2 * self.training.batch, model.actions)
        self.temperature = Temperature(self.training, len(starts), model.actions)

    def policy(self, own: Parameters) -> squashed.Squashed:
        """See PackedStack."""
        return squashed.Squashed(self._soft.actions)

    def choosing(self) -> Callable[[Array, Array], Array]:
        """See ReplayStack."""
        seeing, choose = actor(self.parameters, self.device, everything=False), squashed.Squashed(self._soft.actions)

        def chosen(seen: Array, noise: Array) -> Array:
            if self.trained < self._begins:
                return squashed.uniform(noise)
            return choose.sample(seeing.heads(seen), noise)

        return chosen

    def batches(self, places: Array) -> Iterator[Batch]:
        """See ReplayStack."""
        for one in places.swapaxes(0, 1):
            noise = torch.from_numpy(self.numbers_drawn()).to(self.device)
            temperature = torch.from_numpy(self.temperature.values).float().unsqueeze(1).to(self.device)
            seen, actions, earned, following, factor = self.batch(one)
            yield Batch(seen, actions, earned, following, factor, noise, temperature)

    def learn(self, batch: Batch, rate: Tensor) -> Learnt:
        """See ReplayStack: actor and critics, then the temperature, all as they were before."""
        learnt = learning.step(self.training, self.parameters, self._soft.layers(self.target), batch, rate)
        # In double precision the sum is the same in any order, and so in any stack.
        log_p = learnt.log_p.sum(1, dtype=torch.float64) / learnt.log_p.shape[1]
        self.temperature.step(log_p.cpu().numpy(), rate.numpy()[:, 0].astype(np.float64))
        return learnt

    def averages(self, learnt: Sequence[Learnt]) -> dict[str, npt.NDArray[Any]]:
        """See ReplayStack: mean losses, value and entropy."""
        return learning.means(self.training, learnt)

    def looked(self, ticket: int, batch: Batch) -> SoftLooked:
        """See ReplayStack."""
        own = SoftLooked(self.training, self.parameters, self.target, self.replay, ticket)
        own.beside(batch, self.temperature)
        return own

    def loss(self, flat: Tensor, experience: Batch) -> Tensor:
        """See PackedStack."""
        target = self._soft.layers(self.target.to(flat.dtype))
        return learning.loss(self.training, self._soft, target, flat, experience)

    def metrics(self) -> list[dict[str, float]]:
        """See Stack."""
        temperatures = self.temperature.values.tolist()
        return [own | {"temperature": one} for own, one in zip(super().metrics(), temperatures, strict=True)]

    def broken(self) -> list[int]:
        """See Stack: or with a temperature that is not finite."""
        wrong = np.flatnonzero(~np.isfinite(self.temperature.log)).tolist()
        return sorted({*super().broken(), *wrong})

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these, whose training continues unchanged."""
        super().keep(tickets)
        self.temperature.keep(tickets)

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """See Stack."""
        arrays, values = super().state()
        return arrays, values | {"temperature": self.temperature.state()}

    def restore(self, arrays: Arrays, values: dict[str, Any]) -> None:
        """See Stack."""
        super().restore(arrays, values)
        self.temperature.restore(values["temperature"])
