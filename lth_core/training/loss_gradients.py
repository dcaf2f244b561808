"""Derivatives of the training loss at given weights, for pruning criteria: the gradient, and the Hessian times it.

Over `pruning.batches` training batches or rollouts, without learning and dropout, in double precision because scores
are products of small numbers.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from lth_core.experiment.experiment import Experiment
from lth_core.models.flat import flatten, unflatten
from lth_core.models.module import ModuleNetwork
from lth_core.randomness import stream_seed
from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.network import Network
from lth_core.tickets.saliency import Derivative
from lth_core.training.families import make_lesson, make_stack
from lth_core.training.reinforcement.packed import PackedStack
from lth_core.training.stack import Start
from lth_core.training.supervised.lesson import Carry

Losses = Callable[[], Iterator[Tensor]]
"""Parts of the loss, one autograd graph each, that add up to the mean over all batches."""


class LossGradients:
    """See `tickets.saliency.LossDerivative`, for the chain of one seed."""

    def __init__(self, experiment: Experiment, model: Network, seed: int, device: str) -> None:
        self._experiment, self._model, self._seed, self._device = experiment, model, seed, device

    def __call__(
        self, derivative: Derivative, weights: Weights, mask: Mask, statistics: Weights | None = None
    ) -> Weights:  # fmt: skip
        """The derivative by parameter, on the CPU, in double precision. Batch norm needs no statistics, see below."""
        if isinstance(self._model, ModuleNetwork):
            return self._of_examples(self._model, derivative, weights, mask)
        return self._of_stack(derivative, weights, mask, statistics)

    def _of_examples(self, model: ModuleNetwork, derivative: Derivative, weights: Weights, mask: Mask) -> Weights:
        module = _with_batch_statistics(model.module().to(self._device).double().eval())
        own = dict(module.named_parameters())
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(weights[name])
        lesson = make_lesson(self._experiment, self._seed)
        device = next(module.parameters()).device
        count = min(self._experiment.pruning.batches, lesson.per_epoch)

        def losses() -> Iterator[Tensor]:
            carry: Carry = ()
            for place in range(count):
                batch = lesson.batch(0, place).to(device).double()
                loss, carry = lesson.loss(module, batch, carry)
                yield loss / batch.predictions / count

        # Fused attention and recurrence have no second derivative.
        with sdpa_kernel(SDPBackend.MATH), torch.backends.mkldnn.flags(enabled=False), torch.backends.cudnn.flags(
            enabled=False
        ):  # fmt: skip
            alive = [mask[name].to(device) if name in mask else None for name in own]
            found = _derivative(derivative, losses, list(own.values()), alive)
        return {name: one.cpu() for name, one in zip(own, found, strict=True)}

    def _of_stack(
        self, derivative: Derivative, weights: Weights, mask: Mask, statistics: Weights | None
    ) -> Weights:  # fmt: skip
        first, last = self._experiment.span("dense")
        start = Start(stream_seed(self._seed, "slopes"), weights, mask, first, last, statistics=statistics)
        stack = make_stack(self._experiment, self._model, [start], self._device)
        assert isinstance(stack, PackedStack)  # noqa: S101 the other kind of stack
        shapes = self._model.shapes()
        flat = flatten(weights, shapes)[None].double().to(self._device).requires_grad_()
        alive = masks.whole(mask, shapes)
        parts = [stack.experience() for _ in range(self._experiment.pruning.batches)]

        def losses() -> Iterator[Tensor]:
            for part in parts:
                yield stack.loss(flat, part) / len(parts)

        (found,) = _derivative(derivative, losses, [flat], [flatten(alive, shapes)[None].to(self._device)])
        return unflatten(found[0].cpu(), shapes)


def _with_batch_statistics(module: nn.Module) -> nn.Module:
    """Batch norm as in training, because weights at initialisation have no running statistics yet."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.train()
    return module


def _derivative(
    derivative: Derivative, losses: Losses, parameters: Sequence[Tensor], alive: Sequence[Tensor | None]
) -> list[Tensor]:  # fmt: skip
    """g, or H (mask x g), of the sum of the losses, batch by batch so that only one graph is in memory."""
    gradient = _summed(parameters, (torch.autograd.grad(one, parameters, allow_unused=True) for one in losses()))
    if derivative == "gradient":
        return gradient
    along = [g if m is None else g * m for g, m in zip(gradient, alive, strict=True)]
    return _summed(parameters, (_along(one, parameters, along) for one in losses()))


def _along(loss: Tensor, parameters: Sequence[Tensor], along: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """The Hessian of one loss times a vector (Pearlmutter 1994)."""
    gradient = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
    product = sum((g * v).sum() for g, v in zip(gradient, along, strict=True) if g is not None)
    return torch.autograd.grad(product, parameters, allow_unused=True)  # type: ignore[arg-type]


def _summed(parameters: Sequence[Tensor], parts: Iterator[tuple[Tensor | None, ...]]) -> list[Tensor]:
    total = [torch.zeros_like(parameter) for parameter in parameters]
    for part in parts:
        for whole, one in zip(total, part, strict=True):
            if one is not None:
                whole += one
    return total
