"""The first updates of a training computed a second time with torch's own cross-entropy and autograd; on a CPU.

An LSTM is torch's, with a state that is carried here; of other networks the forward pass is the program's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lth_core.models.dropout import dropout
from lth_core.models.language import Recurrent
from lth_core.settings.supervised import Supervised
from lth_core.training.second_looks import Noted, masked_and_clipped
from lth_core.training.supervised.lesson import Batch, Carry

TOLERANCE = 1e-4
"""Accepted difference as a share of the gradient's length, or of the largest entry of a state."""
MOST = 4
"""Updates after which no more are looked at, in data with one update an epoch."""


@dataclass
class Update:
    """One update: its batches, the weight of a prediction in the mean, weights, buffers and generators before it, the
    state that it was given; first: whether it begins an epoch."""

    batches: Sequence[Batch]
    share: float
    weights: Mapping[str, Tensor]
    buffers: Mapping[str, Tensor]
    generator: Tensor
    carry: Carry
    first: bool


@dataclass
class SecondLook(Noted[int]):
    """left: updates; padding: the target that is not predicted; carry: what the last update left, not stored."""

    settings: Supervised
    padding: int
    left: int = field(default=MOST, kw_only=True)
    carry: Carry | None = None

    @classmethod
    def of(cls, settings: Supervised, module: nn.Module, padding: int | None) -> "SecondLook":
        """padding: None of a lesson whose loss is not known here. Then, and of recurrent networks that are not this
        program's, nothing is looked at."""
        others = not isinstance(module, Recurrent) and any(isinstance(one, nn.RNNBase) for one in module.modules())
        return cls(settings, 0, left=0) if padding is None or others else cls(settings, padding)

    def compare(self, module: nn.Module, alive: Mapping[str, Tensor], own: Update, carry: Carry, number: int) -> None:
        """Compute an update again; notes what was seen, or the sentence. carry: the state that it left."""
        self.left -= 1
        given = () if own.first else self.carry
        if given is not None and _far(own.carry, given):
            self.sentence = f"loss: the state of update {number:,} is not what the update before it has left"
            return
        weights = {name: one.clone().requires_grad_() for name, one in own.weights.items()}
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.set_rng_state(own.generator)
            total, after = self._loss(module, weights, own, own.carry)
            again = masked_and_clipped(total * own.share, weights, alive, self.settings.max_gradient_norm)
        used = [(weight, module.get_parameter(name).grad) for name, weight in weights.items()]
        found = torch.cat([(torch.zeros_like(weight) if one is None else one).flatten() for weight, one in used])
        if not (bool(torch.isfinite(found).all()) and bool(torch.isfinite(again).all())):
            return  # the trial fails for that
        off = float((found - again).norm() / (again.norm() + 1e-12))
        self.seen.append(f"update {number:,}")
        self.largest = max(self.largest, off)
        if not off <= TOLERANCE:
            self.sentence = (
                f"loss: the gradient of update {number:,} is not that of the stated loss: it differs by {off:.2%} of "
                "its length"
            )
        elif after is not None and _far(carry, after):
            self.sentence = f"loss: the state that update {number:,} left is not the network's"
        if after is None or self.carry is not None:
            self.left = 0
        self.carry = after

    def _loss(
        self, module: nn.Module, weights: dict[str, Tensor], own: Update, carry: Carry
    ) -> tuple[Tensor, Carry | None]:
        """The sum of the losses of all predictions, and the state after them, if the network has one."""
        total = torch.zeros(())
        for batch in own.batches:
            if isinstance(module, Recurrent):
                logits, carry = _lstm(module, weights, batch.tensors["tokens"], carry)
            else:
                everything = {**weights, **{name: one.clone() for name, one in own.buffers.items()}}
                seen = (batch.tensors, carry)
                logits, carry = torch.func.functional_call(_Logits(module), _inside(everything), seen)
            wanted = batch.tensors[next(name for name in ("targets", "wanted", "labels") if name in batch.tensors)]
            total = total + functional.cross_entropy(
                logits.float(), wanted.flatten(), reduction="sum", ignore_index=self.padding,
                label_smoothing=self.settings.label_smoothing,
            )  # fmt: skip
        return total, carry if isinstance(module, Recurrent) else None


class _Logits(nn.Module):
    """A module's scores (N, classes), so that all its weights can be replaced at once."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, tensors: Mapping[str, Tensor], carry: Carry) -> tuple[Tensor, Carry]:
        """Of a batch's tensors and the state before them; with the state after them."""
        inner: Any = self.inner
        if "images" in tensors:
            return inner(tensors["images"]), carry
        if "source" in tensors:
            features = inner(tensors["source"], tensors["said"])
        else:
            features, carry = inner(tensors["tokens"], carry)
        return inner.output(features).flatten(0, -2), carry


def _inside(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"inner.{name}": one for name, one in named.items()}


def _lstm(module: Recurrent, weights: Mapping[str, Tensor], tokens: Tensor, carry: Carry) -> tuple[Tensor, Carry]:
    """Logits (B * L, V) of tokens (B, L), and the state; dropout draws in the order of the layers."""
    x = dropout(functional.embedding(tokens.t(), weights["embedding.weight"]), module._ends, module.training)
    carried: list[Tensor] = []
    for i, layer in enumerate(module.recurrent):
        x = dropout(x, module._between, module.training) if i else x
        own = {name: weights[f"recurrent.{i}.{name}"] for name, _ in layer.named_parameters()}
        state = (carry[2 * i], carry[2 * i + 1]) if carry else None
        x, after = torch.func.functional_call(layer, own, (x, state))
        carried += [part.detach() for part in after]
    features = dropout(x, module._ends, module.training).transpose(0, 1).flatten(0, 1)
    output = weights["output.weight"] if "output.weight" in weights else weights["embedding.weight"]
    return features @ output.t() + weights["output.bias"], tuple(carried)


def _far(one: Carry, other: Carry) -> bool:
    if len(one) != len(other):
        return True
    return any(
        a.shape != b.shape or not float((a - b).abs().max()) <= TOLERANCE * (1 + float(b.abs().max()))
        for a, b in zip(one, other, strict=True)
    )
