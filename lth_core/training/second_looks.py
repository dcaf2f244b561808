"""Shared by all second looks, which compute updates again: their notes, as a checkpoint stores them, and the gradient
that an optimizer must receive."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from lth_core.tickets.check import Check

Left = TypeVar("Left")


def masked_and_clipped(
    loss: Tensor, weights: Mapping[str, Tensor], alive: Mapping[str, Tensor], limit: float | None
) -> Tensor:
    """The gradient of a loss as one vector, as an optimizer must receive it; weights without a mask are all alive.

    limit: the largest length, if there is one.
    """
    parts = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    found = torch.cat(
        [
            ((torch.zeros_like(weight) if part is None else part) * alive.get(name, 1)).flatten()
            for (name, weight), part in zip(weights.items(), parts, strict=True)
        ]
    )
    length = found.norm()
    return found if limit is None or length <= limit else found * (limit / length)


@dataclass(kw_only=True)
class Noted(Generic[Left]):
    """left: what is still to be looked at. seen: updates that were; largest: the largest difference of their gradients.

    sentence: what is wrong, if anything.
    """

    left: Left
    seen: list[str] = field(default_factory=list)
    largest: float = 0.0
    sentence: str = ""

    def state(self) -> list[Any]:
        """The state as JSON values."""
        return [self.left, self.seen, self.largest]

    def restore(self, values: list[Any] | None) -> None:
        """The inverse of `state`; earlier versions stored none, and look again."""
        if values is not None:
            self.left, self.seen, self.largest = values[0], list(values[1]), values[2]

    def check(self) -> list[Check]:
        """A passed check, if anything was looked at."""
        if not self.seen:
            return []
        where = ", ".join(self.seen)
        return [Check("loss", True, f"computed again in {where}: gradients differ by at most {self.largest:.1e}")]
