"""A small lesson and network for the tests of supervised training."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lth_core.models.module import ModuleNetwork
from lth_core.randomness import stream_seed
from lth_core.settings.supervised import Supervised
from lth_core.tickets.mask import Mask, Weights
from lth_core.training.stack import Start
from lth_core.training.supervised.lesson import Batch, Carry
from lth_core.training.supervised.stack import SupervisedStack


class Remembering(nn.Module):
    """A recurrent layer with dropout: what it carries, and what it drops, shows in every later weight."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.RNN(3, 6, batch_first=True)
        self.output = nn.Linear(6, 5)

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        seen, state = self.cell(x, state)
        return self.output(nn.functional.dropout(seen, 0.3, self.training)), state


class Lines:
    """Random sequences with random labels; five batches an epoch, the last one smaller."""

    per_epoch = 5

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def batch(self, epoch: int, place: int) -> Batch:
        generator = torch.Generator().manual_seed(stream_seed(self.seed, "lines", epoch, place))
        size = 2 if place == 4 else 4
        x = torch.randn(size, 3, 3, generator=generator)
        return Batch({"x": x, "y": torch.randint(5, (size, 3), generator=generator)}, size * 3)

    def loss(self, module: nn.Module, batch: Batch, carry: Carry) -> tuple[Tensor, Carry]:
        x, y = batch.tensors["x"], batch.tensors["y"]
        state = carry[0][:, : len(x)].contiguous() if carry else None
        logits, state = module(x, state)
        return nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum"), (state.detach(),)

    def validate(self, module: nn.Module, go_on: Callable[[], bool]) -> dict[str, float]:
        batch = self.batch(99, 0)
        loss, _ = self.loss(module, batch, ())
        return {"loss/valid": float(loss) / batch.predictions}

    def test(self, module: nn.Module, go_on: Callable[[], bool]) -> dict[str, float]:
        return {"perplexity/test": self.validate(module, go_on)["loss/valid"]}


def network() -> ModuleNetwork:
    return ModuleNetwork(Remembering, lambda name: {"output" if name.startswith("output") else "recurrent"})


def half(seed: int = 0) -> Mask:
    generator = torch.Generator().manual_seed(50 + seed)
    return {name: torch.rand(shape, generator=generator) < 0.5 for name, shape in network().shapes().items()}


def start(seed: int = 0, mask: Mask | None = None, span: tuple[int, int] = (0, 20), **more: Any) -> Start:
    weights: Weights = network().initialise(seed)
    full = {name: torch.ones(shape, dtype=torch.bool) for name, shape in network().shapes().items()}
    return Start(seed, weights, full if mask is None else mask, *span, **more)


def stack(settings: Supervised, own: Start) -> SupervisedStack:
    return SupervisedStack(settings, network(), Lines(own.seed), [own], "cpu")


def bits(one: SupervisedStack) -> list[bytes]:
    """All that distinguishes one training from another."""
    weights = [w.numpy().tobytes() for w in one.weights(0).values()]
    entries = one.optimizer_state(0)
    return weights + [w.numpy().tobytes() for entry in sorted(entries) for w in entries[entry].values()]
