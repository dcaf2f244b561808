"""The cross-entropy of a linear output over a large vocabulary.

On a CPU it is computed in parts that stay in the cache, gradients with it: all the scores at once are hundreds of
megabytes, written and read several times (measured: 1.3 to 1.6 times as long).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_ROWS = 256
"""Rows whose scores are in memory at once: fewer make slower products."""


def cross_entropy(output: nn.Module, features: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """The sum over rows of -log softmax(output(features))[target], smoothed towards the uniform distribution.

    features (N, width), targets (N,). With smoothing s: (1 - s) times that plus s times the mean over all classes.
    """
    if isinstance(output, nn.Linear) and features.device.type == "cpu" and features.dtype == torch.float32:
        total: Tensor = _InParts.apply(features, output.weight, output.bias, targets, smoothing)
        return total
    return functional.cross_entropy(
        at_least_single(output(features)), targets, reduction="sum", label_smoothing=smoothing
    )


def at_least_single(scores: Tensor) -> Tensor:
    """In single precision, or in double where they are."""
    return scores if scores.dtype == torch.float64 else scores.float()


class _InParts(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, smoothing: float
    ) -> Tensor:
        needed = any(ctx.needs_input_grad)
        of_features = torch.empty_like(features) if needed else None
        of_weight = torch.zeros_like(weight) if needed else None
        of_bias = torch.zeros_like(bias) if needed and bias is not None else None
        total = features.new_zeros((), dtype=torch.float64)
        memory = features.new_empty(min(_ROWS, len(features)), weight.shape[0])
        for first in range(0, len(features), _ROWS):
            x, y = features[first : first + _ROWS], targets[first : first + _ROWS].unsqueeze(1)
            scores = torch.mm(x, weight.t(), out=memory[: len(x)])
            if bias is not None:
                scores += bias
            scores -= scores.amax(1, keepdim=True)
            meant = (1 - smoothing) * scores.gather(1, y)
            if smoothing:
                meant += smoothing * scores.mean(1, keepdim=True)
            normaliser = scores.exp_().sum(1, keepdim=True)
            total += (normaliser.log() - meant).sum()
            if of_features is None or of_weight is None:
                continue
            # The gradient by the scores: softmax minus the target distribution.
            scores /= normaliser
            if smoothing:
                scores -= smoothing / weight.shape[0]
            scores.scatter_add_(1, y, torch.full_like(meant, smoothing - 1))
            torch.mm(scores, weight, out=of_features[first : first + _ROWS])
            of_weight.addmm_(scores.t(), x)
            if of_bias is not None:
                of_bias += scores.sum(0)
        ctx.gradients = of_features, of_weight, of_bias
        return total.float()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        own = [None if part is None else part.mul_(gradient) for part in ctx.gradients]
        ctx.gradients = ()  # they are scaled in place: there is no second backward
        return *own, None, None
