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
from lth_core.models.mlp import Perceptron
from lth_core.models.sparse_mlp import SparsePerceptron
from lth_core.settings.imitation import PackedTraining
from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Mask, Weights
from lth_core.training.reinforcement import optimizer
from lth_core.training.reinforcement.policy import Policy, policy
from lth_core.training.stack import Arrays, Start


@dataclass
class Parameters:
    """flat and mask (T, P), the entries of the optimizer (T, P), its step count (T, 1).

    sparse: if some tickets are computed from their living weights alone; rows are then (T, W), as it has them.
    watch: called before each step of the optimizer with `flat` and the gradient (T, P) that it receives.
    keeps_dense: whether `dense` is kept, the last gradient (T, P) before masks and clipping.
    """

    settings: PackedTraining
    model: ActorCriticNetwork
    flat: Tensor
    mask: Tensor
    optimizer: optimizer.State
    sparse: SparsePerceptron | None = None
    watch: Callable[[Tensor, Tensor], None] | None = None
    keeps_dense: bool = False
    dense: Tensor | None = field(default=None, init=False, repr=False)
    _layers: tuple[Tensor, Any] | None = field(default=None, init=False, repr=False)
    """`flat` and its layers."""
    _masked: tuple[Tensor, int, bool] | None = field(default=None, init=False, repr=False)
    """`mask`, its version, and whether it masks anything."""

    @classmethod
    def of(
        cls, settings: PackedTraining, model: ActorCriticNetwork, starts: Sequence[Start], device: torch.device,
        sparse: Sequence[bool] = (),
    ) -> "Parameters":  # fmt: skip
        """Masked start weights and optimizer state of tickets. sparse: see `folded`."""
        shapes = model.shapes()

        def rows(each: Sequence[Tensor]) -> Tensor:
            return model.packed(torch.stack(list(each))).to(device)

        mask = rows([_factors(start.mask, shapes) for start in starts])
        flat = rows([flatten(start.weights, shapes) for start in starts]) * mask
        state = optimizer.new_state(settings, flat)
        for row, start in enumerate(starts):
            for entry, weights in (start.optimizer or {}).items():
                state[entry][row] = (
                    weights["count"].to(device) if entry == "count" else rows([flatten(weights, shapes)])[0] * mask[row]
                )
        keeps = any(start.moves for start in starts)
        return cls(settings, model, flat, mask, state, keeps_dense=keeps).folded(sparse)

    def folded(self, sparse: Sequence[bool]) -> "Parameters":
        """The same, with the tickets for which `sparse` (T,) is true computed from their living weights alone."""
        if not any(sparse):
            return self
        assert isinstance(self.model, Perceptron)  # noqa: S101 see living
        few = SparsePerceptron(self.model, self.mask, sparse)
        state = {entry: rows if entry == "count" else few.folded(rows) for entry, rows in self.optimizer.items()}
        flat, mask = few.folded(self.flat), few.folded(self.mask)
        return Parameters(self.settings, self.model, flat, mask, state, few, keeps_dense=self.keeps_dense)

    def of_some(self, tickets: Sequence[int]) -> "Parameters":
        """Copies of the parameters of these tickets, computed whole."""
        rows = list(tickets)
        state = {
            entry: values[rows] if entry == "count" else self._packed_rows(values, rows)
            for entry, values in self.optimizer.items()
        }
        flat, mask = self._packed_rows(self.flat, rows), self._packed_rows(self.mask, rows)
        return Parameters(self.settings, self.model, flat, mask, state)

    def whole(self, rows: Tensor) -> Tensor:
        """Rows of all tickets (T, W) as the network packs them, (T, P)."""
        return rows if self.sparse is None else self._packed_rows(rows, range(len(rows)))

    def _packed_rows(self, rows: Tensor, tickets: Sequence[int]) -> Tensor:
        own = rows[list(tickets)]
        return own if self.sparse is None else self.sparse.unfolded(own, tickets)

    @property
    def network(self) -> "ActorCriticNetwork | SparsePerceptron":
        """What computes heads and gradients from rows of parameters."""
        return self.model if self.sparse is None else self.sparse

    def layers(self) -> Any:
        """The parameters in the form that the forward pass uses, until the next step."""
        if self._layers is None or self._layers[0] is not self.flat:
            self._layers = self.flat, self.network.layers(self.flat)
        return self._layers[1]

    def policy(self) -> Policy:
        """The policy that these parameters define on the heads."""
        return policy(self.network.log_std(self.flat), self.model.parts, self.model.actions)

    def note_log_std(self, gradient: Tensor, values: Tensor) -> None:
        """Write the gradient of log standard deviations (T, A) into that of all parameters (T, P)."""
        if self.sparse is not None:
            self.sparse.note_log_std(gradient, values)
        elif (room := self.model.log_std(gradient)) is not None:
            room.copy_(values)

    def step(self, gradient: Tensor, rate: Tensor) -> None:
        """One optimizer step with masked gradients (T, P), changed in place, and weights; learning rates (T, 1)."""
        if self.keeps_dense and self.dense is None:
            self.dense = gradient.clone()
        elif self.dense is not None:  # in place, because CUDA graphs use its memory
            self.dense.copy_(gradient)
        if self._masks():
            gradient *= self.mask
        if self.settings.max_gradient_norm is not None:
            widths = () if self.sparse is None else self.sparse.widths
            clip(gradient, self.settings.max_gradient_norm, widths)
        if self.watch is not None:
            self.watch(self.flat, gradient)
        optimizer.step(self.settings, self.flat, gradient, self.optimizer, rate)
        if self._masks():
            self.flat *= self.mask
        self._changed()

    def _masks(self) -> bool:
        """Whether a weight is masked; looked up whenever the mask has changed. On a GPU always true: a CUDA graph would
        keep the answer."""
        if self.mask.device.type != "cpu":
            return True
        if self._masked is None or self._masked[0] is not self.mask or self._masked[1] != self.mask._version:
            self._masked = self.mask, self.mask._version, not bool(self.mask.all())
        return self._masked[2]

    def _changed(self) -> None:
        """The layers of sparse tickets are copies."""
        if self.sparse is not None:
            self._layers = None

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
        return self.named(rows[ticket], ticket)

    def named(self, row: Tensor, ticket: int) -> Weights:
        """A ticket's row (P,) of parameters, or of something that each of them has, by name."""
        packed = row[None].cpu() if self.sparse is None else self.sparse.unfolded(row[None], [ticket])
        return unflatten(self.model.unpacked(packed)[0], self.model.shapes())

    def broken(self) -> list[int]:
        """Tickets with a parameter that is not finite."""
        finite = torch.isfinite(self.flat).all(dim=1).cpu().numpy()
        return [int(t) for t in np.flatnonzero(~finite)]

    def gradient(self, ticket: int) -> Weights:
        """One ticket's gradient of the last step before masks and clipping; raises ValueError if it is not kept."""
        if self.dense is None:
            raise ValueError("this training keeps no gradients of dead weights")
        return self._named(self.dense, ticket)

    def narrow(self, ticket: int, mask: Mask) -> None:
        """Apply another mask, in place, because CUDA graphs use these tensors' memory."""
        shapes = self.model.shapes()
        packed = self.model.packed(_factors(mask, shapes)[None])
        own = packed if self.sparse is None else self.sparse.folded(packed, [ticket])
        self.mask[ticket] = own[0].to(self.mask.device)
        self.flat[ticket] *= self.mask[ticket]
        for entry in self.optimizer.keys() - {"count"}:
            self.optimizer[entry][ticket] *= self.mask[ticket]
        self._changed()

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these."""
        dense = None if self.dense is None else self._packed_rows(self.dense, tickets)
        self._take(self.of_some(tickets).folded([self.is_sparse[t] for t in tickets]))
        self.dense = dense if dense is None or self.sparse is None else self.sparse.folded(dense)

    @property
    def is_sparse(self) -> list[bool]:
        """(T,) which tickets are computed from their living weights alone."""
        return [False] * len(self.flat) if self.sparse is None else list(self.sparse.sparse)

    def refold(self, sparse: Sequence[bool]) -> None:
        """Compute these tickets (T,) from their living weights alone, and the others whole."""
        if list(sparse) != self.is_sparse:
            self._take(self.of_some(range(len(self.flat))).folded(sparse))

    def _take(self, other: "Parameters") -> None:
        self.flat, self.mask, self.optimizer, self.sparse = other.flat, other.mask, other.optimizer, other.sparse
        self.dense = None
        self._changed()

    def state(self) -> Arrays:
        """The state that training changes, in the order of the network's `shapes`."""
        everyone = range(len(self.flat))
        whole = self.model.unpacked(self._packed_rows(self.flat, everyone))
        arrays: dict[str, npt.NDArray[Any]] = {"flat": whole.cpu().numpy().copy()}
        for entry, rows in self.optimizer.items():
            values = rows if entry == "count" else self.model.unpacked(self._packed_rows(rows, everyone))
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
        self._changed()

    def _packed(self, stored: npt.NDArray[Any]) -> Tensor:
        packed = self.model.packed(torch.from_numpy(stored.copy())).to(self.flat.device)
        return packed if self.sparse is None else self.sparse.folded(packed)


def _factors(mask: Mask, shapes: Mapping[str, torch.Size]) -> Tensor:
    """(P,) factors of the parameters, in the order of `shapes`: 1 if alive, else 0."""
    return flatten(masks.whole(mask, shapes), shapes).float()


def clip(gradient: Tensor, limit: float, widths: Sequence[int] = ()) -> None:
    """Scale down the gradient of each ticket, a row of (T, P), to a norm of at most `limit`.

    widths: (T,) numbers of each row that may not be zero, where rows differ; a norm's bits depend on how many it has.
    """
    each = [gradient] if not widths else [gradient[t : t + 1, :width] for t, width in enumerate(widths)]
    norm = torch.cat([torch.linalg.vector_norm(one, dim=1, keepdim=True) for one in each])
    gradient *= torch.clamp(limit / (norm + 1e-6), max=1.0)
