"""Adam of a GPU's large parameters in one pass over memory: masked, clipped and stepped where torch takes four passes.

Kernels for Triton, which comes with torch for CUDA. What is computed, and in which order for each entry, is what masks,
clipping and torch's fused Adam compute one after the other.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from lth_core.settings.supervised import Supervised
from lth_core.training.supervised.masks import Masks

LARGE = 2**20
"""Entries from which on a parameter is worth a launch of its own."""
_BLOCK = 512
"""Entries to a program; with so few, what masks read hides behind the rest (measured on an H100)."""


@triton.jit  # type: ignore[untyped-decorator]
def _squares(gradient, alive, sums, size, masked: tl.constexpr, block: tl.constexpr):  # type: ignore[no-untyped-def]
    """The sum of squares of each block of the masked gradient."""
    number = tl.program_id(0)
    at = number.to(tl.int64) * block + tl.arange(0, block)
    slope = tl.load(gradient + at, mask=at < size, other=0.0)
    if masked:
        slope *= tl.load(alive + at, mask=at < size, other=0).to(tl.float32)
    tl.store(sums + number, tl.sum(slope * slope, axis=0))


@triton.jit  # type: ignore[untyped-decorator]
def _step(  # type: ignore[no-untyped-def]
    weight, gradient, mean, square, alive, numbers, size, one_minus_beta1, beta2, one_minus_beta2, epsilon, decay,
    masked: tl.constexpr, decoupled: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """One update of a block; numbers: rate, rate / (1 - beta1^n), sqrt(1 - beta2^n), factor of the gradient."""
    at = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = at < size
    rate, step, root, factor = tl.load(numbers), tl.load(numbers + 1), tl.load(numbers + 2), tl.load(numbers + 3)
    w = tl.load(weight + at, mask=inside, other=0.0)
    slope = tl.load(gradient + at, mask=inside, other=0.0)
    if masked:
        lives = tl.load(alive + at, mask=inside, other=0).to(tl.float32)
        slope *= lives
    slope *= factor
    if decoupled:
        w *= 1 - rate * decay
    else:
        slope += decay * w
    m = tl.load(mean + at, mask=inside, other=0.0)
    m += one_minus_beta1 * (slope - m)
    v = beta2 * tl.load(square + at, mask=inside, other=0.0) + one_minus_beta2 * slope * slope
    w -= step * m / (tl.sqrt(v) / root + epsilon)
    if masked:
        w *= lives
    tl.store(mean + at, m, mask=inside)
    tl.store(square + at, v, mask=inside)
    tl.store(weight + at, w, mask=inside)


class LargeAdam:
    """Steps these parameters of an Adam or AdamW of torch, in its own state, and leaves the others to it."""

    def __init__(
        self,
        settings: Supervised,
        optimizer: torch.optim.Optimizer,
        parameters: Mapping[str, nn.Parameter],
        masks: Masks,
    ) -> None:
        """masks: in which these parameters are elsewhere."""
        self._settings, self._optimizer, self._parameters, self._masks = settings, optimizer, parameters, masks
        device = next(iter(parameters.values())).device
        self._betas = torch.tensor(settings.betas, dtype=torch.float64, device=device)
        counts = [triton.cdiv(parameter.numel(), _BLOCK) for parameter in parameters.values()]
        self._sums = torch.zeros(sum(counts), device=device)
        self._parts = self._sums.split(counts)
        for parameter in parameters.values():
            optimizer.state[parameter] = {
                "step": torch.zeros((), device=device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """Clip all gradients, of others in place; update these parameters and take their gradients away.

        gradients: of all parameters, masked where masks do not leave that to us.
        """
        own = {id(parameter.grad) for parameter in self._parameters.values()}
        others = [gradient for gradient in gradients if id(gradient) not in own]
        factor, limit = torch.ones_like(self._sums[0]), self._settings.max_gradient_norm
        if limit is not None:
            squares = [self._squares(), *(norm.square() for norm in torch._foreach_norm(others))]
            factor = torch.clamp(limit / (torch.stack(squares).sum().sqrt() + 1e-6), max=1.0)
            if others:
                torch._foreach_mul_(others, factor)
        state = [self._optimizer.state[parameter] for parameter in self._parameters.values()]
        torch._foreach_add_([entries["step"] for entries in state], 1)
        rate = self._optimizer.param_groups[0]["lr"].double()
        corrections = 1 - self._betas ** state[0]["step"].double()
        numbers = torch.stack([rate, rate / corrections[0], corrections[1].sqrt(), factor.double()]).float()
        for (name, parameter), entries in zip(self._parameters.items(), state, strict=True):
            self._update(name, parameter, entries, numbers)

    def _squares(self) -> Tensor:
        for (name, parameter), sums in zip(self._parameters.items(), self._parts, strict=True):
            slope, alive = _slope(parameter), self._masks.alive.get(name)
            _squares[(len(sums),)](
                slope, slope if alive is None else alive.view(torch.uint8), sums, slope.numel(),
                masked=alive is not None, block=_BLOCK, num_warps=4,
            )  # fmt: skip
        return self._sums.sum()

    def _update(self, name: str, parameter: nn.Parameter, entries: dict[str, Tensor], numbers: Tensor) -> None:
        settings, alive, slope = self._settings, self._masks.alive.get(name), _slope(parameter)
        _step[(triton.cdiv(slope.numel(), _BLOCK),)](
            parameter, slope, entries["exp_avg"], entries["exp_avg_sq"],
            slope if alive is None else alive.view(torch.uint8), numbers, slope.numel(),
            1 - settings.betas[0], settings.betas[1], 1 - settings.betas[1], settings.epsilon, settings.weight_decay,
            masked=alive is not None, decoupled=settings.optimizer == "adamw", block=_BLOCK, num_warps=8,
        )  # fmt: skip
        parameter.grad = None


def _slope(parameter: nn.Parameter) -> Tensor:
    """Its gradient, laid out as the parameter is."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.contiguous()


@cache
def works(device: torch.device) -> bool:
    """Whether kernels can be made here: that takes a C compiler beside Triton."""
    try:
        one: Any = torch.ones(1, device=device)
        _squares[(1,)](one, one, one, 1, masked=False, block=_BLOCK, num_warps=8)
    except Exception:
        return False
    return True
