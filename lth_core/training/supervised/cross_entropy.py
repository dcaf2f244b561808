"""The cross-entropy of a linear output over a large vocabulary.

On a CPU, scores, their softmax and their gradient use the same memory in turn, which is kept between updates: new
tensors of hundreds of megabytes cost more than the computation. Products go through numpy, which can write into given
memory, and whose BLAS is fast on every processor (measured: 1.0 to 1.5 times as fast as torch's).
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

MOST = 2**26
"""Scores in memory at once: a quarter of a gigabyte."""


class CrossEntropy:
    """The sum over rows of -log softmax(output(features))[target], smoothed towards the uniform distribution.

    Rows whose target is `ignored` count as zero.
    """

    def __init__(self, ignored: int | None = None) -> None:
        self._ignored = ignored
        self._memory = torch.empty(0)

    def __call__(self, output: nn.Module, features: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        """features (N, width), targets (N,). With smoothing s: (1 - s) times that plus s times the mean over classes.

        There is no second derivative.
        """
        if isinstance(output, nn.Linear) and features.device.type == "cpu" and features.dtype == torch.float32:
            if self._ignored is not None:
                counted = targets != self._ignored
                if not bool(counted.all()):
                    features, targets = features[counted], targets[counted]
            rows = max(1, min(len(features), MOST // output.out_features))
            if self._memory.numel() < rows * output.out_features:
                self._memory = torch.empty(rows * output.out_features)
            memory = self._memory[: rows * output.out_features].view(rows, -1)
            learns = torch.is_grad_enabled()  # within a Function this says nothing, nor does needs_input_grad
            total: Tensor = _InPlace.apply(features, output.weight, output.bias, targets, smoothing, memory, learns)
            return total
        scores, ignored = output(features), -100 if self._ignored is None else self._ignored
        scores = scores if scores.dtype == torch.float64 else scores.float()
        return functional.cross_entropy(
            scores, targets, ignore_index=ignored, reduction="sum", label_smoothing=smoothing
        )


class _InPlace(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        smoothing: float,
        memory: Tensor,
        learns: bool,
    ) -> Tensor:
        needed = learns and any(ctx.needs_input_grad)
        of_features = torch.empty_like(features)
        of_weight: Tensor | None = None
        of_bias = None if bias is None else torch.zeros_like(bias)
        total = features.new_zeros((), dtype=torch.float64)
        for first in range(0, len(features), len(memory)):
            x, y = features[first : first + len(memory)], targets[first : first + len(memory)].unsqueeze(1)
            scores = _product(x, weight.t(), memory[: len(x)])
            if bias is not None:
                scores += bias
            total += _losses(scores, y, smoothing)
            if not needed:
                continue
            # The gradient with respect to the scores: their softmax (now in `scores`) minus the target distribution.
            if smoothing:
                scores -= smoothing / weight.shape[0]
            scores.scatter_add_(1, y, torch.full(y.shape, smoothing - 1))
            _product(scores, weight, of_features[first : first + len(x)])
            part = _product(scores.t(), x, torch.empty_like(weight))
            of_weight = part if of_weight is None else of_weight.add_(part)
            if of_bias is not None:
                of_bias += scores.sum(0)
        ctx.gradients = (of_features, of_weight, of_bias) if needed else (None, None, None)
        return total.float()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        own = [None if part is None else part.mul_(gradient) for part in ctx.gradients]
        ctx.gradients = ()
        return *own, None, None, None, None


def _losses(scores: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """The sum of the losses, from rows (N, V) and targets (N, 1); replaces the scores by their softmax."""
    meant = (1 - smoothing) * scores.gather(1, targets)
    if smoothing:
        meant += smoothing * scores.mean(1, keepdim=True)
    top = scores.amax(1, keepdim=True)
    torch.softmax(scores, 1, out=scores)
    # The largest probability is 1 / (sum of exp(score - top)), never too small for a logarithm.
    return (top - scores.amax(1, keepdim=True).log() - meant).sum(dtype=torch.float64)


def _product(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    np.dot(a.detach().numpy(), b.detach().numpy(), out=out.numpy())
    return out
