"""The parameters of a stack with their masks, optimizer state and optimizer step.

All are tensors (T, P), a row per ticket, in the network's own order (see `packed`). The network itself knows nothing of
masks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lth_core.models.actor_critic import ActorCriticNetwork
from lth_core.models.flat import flatten, unflatten
from lth_core.settings.imitation import PackedTraining
from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Mask, Weights
from lth_core.training.reinforcement import optimizer
from lth_core.training.reinforcement.policy import Policy, policy
from lth_core.training.stack import Arrays, Start


@dataclass
class Parameters:
    """flat and mask (T, P), the entries of the optimizer (T, P), its step count (T, 1).

    watch: called before each step of the optimizer with `flat` and the gradient (T, P) that it receives.
    """

    settings: PackedTraining
    model: ActorCriticNetwork
    flat: Tensor
    mask: Tensor
    optimizer: optimizer.State
    watch: Callable[[Tensor, Tensor], None] | None = None
    _layers: tuple[Tensor, Any] | None = field(default=None, init=False, repr=False)
    """`flat` and its layers."""

    @classmethod
    def of(
        cls, settings: PackedTraining, model: ActorCriticNetwork, starts: Sequence[Start], device: torch.device
    ) -> "Parameters":
        """Masked start weights and optimizer state of tickets."""
        shapes = model.shapes()

        def rows(each: Sequence[Weights]) -> Tensor:
            return model.packed(torch.stack([flatten(one, shapes) for one in each])).to(device)

        mask = rows([_factors(start.mask, shapes) for start in starts])
        flat = rows([start.weights for start in starts]) * mask
        state = optimizer.new_state(settings, flat)
        for row, start in enumerate(starts):
            for entry, weights in (start.optimizer or {}).items():
                state[entry][row] = weights["count"].to(device) if entry == "count" else rows([weights])[0] * mask[row]
        return cls(settings, model, flat, mask, state)

    def of_some(self, tickets: Sequence[int]) -> "Parameters":
        """Copies of the parameters of these tickets."""
        rows = list(tickets)
        state = {entry: values[rows] for entry, values in self.optimizer.items()}
        return Parameters(self.settings, self.model, self.flat[rows], self.mask[rows], state)

    def layers(self) -> Any:
        """The parameters in the form that the forward pass uses; a step changes these views too."""
        if self._layers is None or self._layers[0] is not self.flat:
            self._layers = self.flat, self.model.layers(self.flat)
        return self._layers[1]

    def policy(self) -> Policy:
        """The policy that these parameters define on the heads."""
        return policy(self.model.log_std(self.flat), self.model.parts, self.model.actions)

    def step(self, gradient: Tensor, rate: Tensor) -> None:
        """One optimizer step with masked gradients (T, P), changed in place, and weights; learning rates (T, 1)."""
        gradient *= self.mask
        if self.settings.max_gradient_norm is not None:
            clip(gradient, self.settings.max_gradient_norm)
        if self.watch is not None:
            self.watch(self.flat, gradient)
        optimizer.step(self.settings, self.flat, gradient, self.optimizer, rate)
        self.flat *= self.mask

    def weights(self, ticket: int) -> Weights:
        """Copies of one ticket's parameters."""
        return self._named(self.flat, ticket)

    def optimizer_state(self, ticket: int) -> dict[str, Weights]:
        """Copies of one ticket's optimizer entries; `count` under the name "count"."""
        return {
            entry: {"count": rows[ticket].cpu().clone()} if entry == "count" else self._named(rows, ticket)
            for entry, rows in self.optimizer.items()
        }

    def _named(self, rows: Tensor, ticket: int) -> Weights:
        return unflatten(self.model.unpacked(rows[ticket : ticket + 1].cpu())[0], self.model.shapes())

    def broken(self) -> list[int]:
        """Tickets with a parameter that is not finite."""
        finite = torch.isfinite(self.flat).all(dim=1).cpu().numpy()
        return [int(t) for t in np.flatnonzero(~finite)]

    def narrow(self, ticket: int, mask: Mask) -> None:
        """Apply a smaller mask, in place, because CUDA graphs use these tensors' memory."""
        shapes = self.model.shapes()
        factors = flatten(_factors(mask, shapes), shapes)
        self.mask[ticket] = self.model.packed(factors[None])[0].to(self.mask.device)
        self.flat[ticket] *= self.mask[ticket]
        for entry in self.optimizer.keys() - {"count"}:
            self.optimizer[entry][ticket] *= self.mask[ticket]

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these."""
        kept = self.of_some(tickets)
        self.flat, self.mask, self.optimizer = kept.flat, kept.mask, kept.optimizer

    def state(self) -> Arrays:
        """The state that training changes, in the order of the network's `shapes`."""
        arrays: dict[str, npt.NDArray[Any]] = {"flat": self.model.unpacked(self.flat).cpu().numpy().copy()}
        for entry, rows in self.optimizer.items():
            values = rows if entry == "count" else self.model.unpacked(rows)
            arrays[f"optimizer/{entry}"] = values.cpu().numpy().copy()
        return arrays

    def restore(self, arrays: Arrays) -> None:
        """The inverse of `state`, on the same tickets."""
        self.flat = self._packed(arrays["flat"])
        for entry in self.optimizer:
            stored = arrays[f"optimizer/{entry}"]
            count = entry == "count"
            self.optimizer[entry] = (
                torch.from_numpy(stored.copy()).to(self.flat.device) if count else self._packed(stored)
            )

    def _packed(self, stored: npt.NDArray[Any]) -> Tensor:
        return self.model.packed(torch.from_numpy(stored.copy())).to(self.flat.device)


def _factors(mask: Mask, shapes: Mapping[str, torch.Size]) -> Weights:
    """Factors of the parameters: 1 if alive, else 0."""
    return {name: alive.float() for name, alive in masks.whole(mask, shapes).items()}


def clip(gradient: Tensor, limit: float) -> None:
    """Scale down the gradient of each ticket, a row of (T, P), to a norm of at most `limit`."""
    norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
    gradient *= torch.clamp(limit / (norm + 1e-6), max=1.0)
