"""The audit of target networks: they have their network's mask, and are copies of it, or averages, as asked.

It follows them by random projections of its own: what they should be is computed from the networks alone.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lth_core.settings.values import ReplayTraining
from lth_core.tickets.check import Check
from lth_core.training.reinforcement.parameters import Parameters

EVERY = 32
"""Updates between two looks at all target networks; each is also looked at when its training ends."""
TOLERANCE = 1e-4
"""Accepted difference of the projection of an average, which is of rounded numbers, as a share of its scale."""


class TargetWatch:
    """expected: the projections (T,) that the target networks should have, in double precision."""

    def __init__(self, settings: ReplayTraining, parameters: Parameters) -> None:
        self._every, self._tau, self._parameters = settings.copied_every, settings.tau, parameters
        width = parameters.flat.shape[1]
        self._along = torch.randn(width, generator=torch.Generator().manual_seed(0)).to(parameters.flat.device)
        self.expected = self._projected(parameters.flat)
        self._copied = 0

    def _projected(self, flat: Tensor) -> Tensor:
        """Each row by itself, so that it has the same bits in any stack."""
        return torch.stack([torch.dot(row, self._along) for row in flat]).double().cpu()

    def begins(self, played: int) -> None:
        """An update begins to learn, when so many steps are played: a copy is due once a multiple is passed."""
        if self._every is not None and played // self._every > self._copied:
            self._copied = played // self._every
            self.expected = self._projected(self._parameters.flat)

    def stepped(self) -> None:
        """A gradient step is taken."""
        if self._every is None:
            self.expected = (1 - self._tau) * self.expected + self._tau * self._projected(self._parameters.flat)

    def faults(self, target: Tensor, rows: Sequence[int]) -> dict[int, str]:
        """A sentence for each of these tickets whose target network is not what it should be."""
        found: dict[int, str] = {}
        for row in rows:
            if not bool(torch.isfinite(target[row]).all()):
                continue  # the trial fails for that
            revived = (target[row] != 0) & (self._parameters.mask[row] == 0)
            if bool(revived.any()):
                layers = self._parameters.named(revived.float(), row)
                where = ", ".join(f"{name} {int(one.sum())}" for name, one in layers.items() if bool(one.any()))
                found[row] = f"{int(revived.sum())} pruned weights of the target network are not zero: {where}"
                continue
            now = float(self._projected(target[row : row + 1])[0])
            off, scale = abs(now - float(self.expected[row])), float(target[row].norm())
            if off > (0.0 if self._every is not None else TOLERANCE * scale + 1e-6):
                found[row] = (
                    f"the target network is not {self._kind} of its network as [training] asks: "
                    f"a projection is {now:.6g} instead of {float(self.expected[row]):.6g}"
                )
        return found

    def check(self, target: Tensor, row: int) -> Check:
        """The check of a ticket that has ended."""
        wrong = self.faults(target, [row])
        return Check("target", not wrong, wrong.get(row, f"it is masked, and {self._kind} of the network"))

    @property
    def _kind(self) -> str:
        return "an average" if self._every is None else "a copy"

    def narrowed(self, row: int, target: Tensor) -> None:
        """A ticket's mask has shrunk, and its target network with it."""
        self.expected[row] = self._projected((target[row] * self._parameters.mask[row])[None])[0]

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all tickets but these."""
        self.expected = self.expected[list(rows)]

    def state(self) -> tuple[list[float], int]:
        """The state as JSON values."""
        return self.expected.tolist(), self._copied

    def restore(self, values: Sequence[object]) -> None:
        """The inverse of `state`."""
        self.expected = torch.tensor(values[0], dtype=torch.float64)
        self._copied = int(str(values[1]))
