"""The masks of a module's parameters during training: multiplies gradients, and weights at the start, by them."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from lth_core.tickets.mask import Mask


class Masks:
    """alive: which entries are alive, for each parameter that loses some.

    Stored as float32 factors, so that torch multiplies many in one call; as bytes for the parameters named in
    `elsewhere`, whose gradients and steps are masked elsewhere.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], mask: Mask, elsewhere: Collection[str]) -> None:
        self._parameters, self._elsewhere = parameters, elsewhere
        self._take(mask)

    def _take(self, mask: Mask) -> None:
        self.alive = {
            name: (alive if name in self._elsewhere else alive.float()).to(self._parameters[name].device)
            for name, alive in mask.items()
            if not bool(alive.all())
        }
        here = [name for name in self.alive if name not in self._elsewhere]
        self._own, self._factors = [self._parameters[name] for name in here], [self.alive[name] for name in here]

    @torch.no_grad()
    def start(self) -> None:
        """Mask all weights."""
        for name, alive in self.alive.items():
            self._parameters[name].mul_(alive)

    def gradients(self) -> None:
        """Mask gradients, except of parameters in `elsewhere`."""
        found = [(p.grad, alive) for p, alive in zip(self._own, self._factors, strict=True) if p.grad is not None]
        if found:
            torch._foreach_mul_(*map(list, zip(*found, strict=True)))

    @torch.no_grad()
    def narrow(self, mask: Mask, optimizer: torch.optim.Optimizer) -> bool:
        """Apply another mask, also to the optimizer's entries.

        Returns True if nothing moved in memory, because the same parameters had lost entries before.
        """
        before = self.alive
        self._take(mask)
        same = before.keys() == self.alive.keys()
        if same:
            for name, alive in before.items():
                alive.copy_(self.alive[name])
            self.alive = before
            self._factors = [self.alive[name] for name in self.alive if name not in self._elsewhere]
        self.start()
        for name, alive in self.alive.items():
            for value in optimizer.state[self._parameters[name]].values():
                if isinstance(value, Tensor) and value.shape == alive.shape:
                    value *= alive
        return same
