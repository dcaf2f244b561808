"""Shared by all second looks, which compute updates again: their notes, as a checkpoint stores them, the gradient that
an optimizer must receive, and what rounding may do to it."""

from collections.abc import Callable, Mapping
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
ROUNDING, OF_TANH = 3e-7, 2e-7
"""How much rounding may have changed a weight, as a share of it, and a tanh, however small it is: it is computed from a
sigmoid (see `models.mlp`)."""
TRIES = 16
"""So often rounding is tried."""


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


def rounded(
    network: object, weights: Mapping[str, Tensor], generator: torch.Generator, share: float = ROUNDING
) -> dict[str, Tensor]:
    """Weights of a network of these settings, moved at random by so much that what they give changes as rounding may
    change it: each by a share of itself; the sums behind which a tanh is, by their biases, by that of a tanh."""

    def normal(one: Tensor) -> Tensor:
        return torch.randn(one.shape, generator=generator)

    moved = {name: one + share * one * normal(one) for name, one in weights.items()}
    if getattr(network, "activation", "relu") == "tanh":
        hidden = [name for name in moved if name.endswith(".bias") and not name.split(".")[0].endswith("_head")]
        moved |= {name: moved[name] + OF_TANH * normal(moved[name]) for name in hidden}
    return moved


def by_rounding(
    network: object, weights: Mapping[str, Tensor], gradient: Callable[[dict[str, Tensor]], Tensor], wanted: Tensor
) -> float:
    """How far the gradient at weights is from this one at most, as a share of its length, if it is rounded
    differently."""
    generator = torch.Generator().manual_seed(0)
    return max(apart(gradient(rounded(network, weights, generator)), wanted) for _ in range(TRIES))


def apart(found: Tensor, wanted: Tensor) -> float:
    """How far a vector is from another, as a share of that one's length."""
    return float((found - wanted).norm() / (wanted.norm() + 1e-12))


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
