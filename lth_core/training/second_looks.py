"""Shared by all second looks, which compute updates again: their notes, as a checkpoint stores them, and the gradient
that an optimizer must receive."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from lth_core.tickets.check import Check

Left = TypeVar("Left")

TOLERANCE, TOLERANCE_CONVOLUTIONS = 3e-5, 1e-4
"""Accepted difference on a CPU, as a share of the gradient's length: single precision differs from double by about
1e-6; with convolutions, which processors sum in orders of their own, 4.2e-5 was seen."""
TOLERANCE_ELSEWHERE = 2e-2
"""The same on a GPU, where products may have ten bits."""


def accepted(weights: Mapping[str, Tensor], device: torch.device) -> float:
    """The accepted difference of a gradient of these weights by name, which a device has computed."""
    if device.type != "cpu":
        return TOLERANCE_ELSEWHERE
    return TOLERANCE_CONVOLUTIONS if any(weight.ndim == 4 for weight in weights.values()) else TOLERANCE


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
    # Summed in single precision, the length of a million entries was off by 1.2e-4: more than is accepted.
    length = float(torch.linalg.vector_norm(found, dtype=torch.float64))
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
