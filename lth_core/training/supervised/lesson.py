"""A supervised task's part in training one ticket: batches, a loss, scores. Knows no network.

Batches are a pure function of (seed, epoch, place), so that a training can continue anywhere with nothing to restore.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from lth_core.training.stack import Interrupted

GoOn = Callable[[], bool]
Carry = tuple[Tensor, ...]


@dataclass(frozen=True)
class Batch:
    """Tensors by name, and the number of predictions its loss sums over."""

    tensors: dict[str, Tensor]
    predictions: int

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device. A GPU copies it while the CPU continues."""
        if device.type != "cuda":
            return self
        moved = {name: t.pin_memory().to(device, non_blocking=True) for name, t in self.tensors.items()}
        return Batch(moved, self.predictions)

    def double(self) -> "Batch":
        """The same batch with numbers in double precision; tokens and labels stay unchanged."""
        cast = {name: t.double() if t.is_floating_point() else t for name, t in self.tensors.items()}
        return Batch(cast, self.predictions)


class Lesson(Protocol):
    """One ticket's examples. They depend only on the `seed` of its chain, so that arms share their batches."""

    @property
    def per_epoch(self) -> int:
        """Batches per epoch."""

    def batch(self, epoch: int, place: int) -> Batch:
        """The batch at 0 <= place < per_epoch of an epoch, in CPU memory."""

    def loss(self, module: nn.Module, batch: Batch, carry: Carry) -> tuple[Tensor, Carry]:
        """The sum of the losses of the batch's predictions, and the state carried to the next batch of the epoch.

        The first batch of an epoch receives (). The state is detached.
        """

    def validate(self, module: nn.Module, go_on: GoOn) -> dict[str, float]:
        """Metrics on the validation part, at every record. Raises Interrupted once `go_on` returns False."""

    def test(self, module: nn.Module, go_on: GoOn) -> dict[str, float]:
        """Metrics on the test part, once, at the end. Raises Interrupted once `go_on` returns False."""


Gradients = Callable[[Batch, float], Tensor]
"""Of a batch and a share: sets the parameters' gradients to share times those of the sum of its losses, which is the
result."""


@runtime_checkable
class ByHand(Protocol):
    """A lesson that knows the gradients of some networks without autograd, and is shared by tickets of one seed."""

    def remember(self, batches: int) -> None:
        """Keep so many of the last batches in memory, because other tickets will ask for them."""

    def gradients(self, module: nn.Module) -> Gradients | None:
        """Of a module on the CPU in float32; None: autograd's are as fast."""


@runtime_checkable
class Searching(Protocol):
    """A lesson that decodes, for as long as a network does not end its texts."""

    def search_as_trained(self) -> None:
        """From now on end every text where its reference ends, as a trained network does on the whole: a new network
        would go on to the limit, and a measurement of it would take too long."""


def perplexity(
    part: str, module: nn.Module, batches: Iterable[Batch],
    loss: Callable[[nn.Module, Batch, Carry], tuple[Tensor, Carry]], go_on: GoOn,
) -> dict[str, float]:  # fmt: skip
    """The mean loss of a part's predictions, and e to the power of it; loss: as `Lesson.loss`, without smoothing.

    Raises Interrupted once `go_on`, called before every batch, returns False.
    """
    device = next(module.parameters()).device
    total, predictions = torch.zeros((), dtype=torch.float64, device=device), 0
    carry: Carry = ()
    for batch in batches:
        if not go_on():
            raise Interrupted
        found, carry = loss(module, batch.to(device), carry)
        total += found
        predictions += batch.predictions
    mean = total.item() / predictions
    return {f"log_perplexity/{part}": mean, f"perplexity/{part}": math.exp(mean) if mean < 700 else math.inf}
