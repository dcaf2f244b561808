"""Adam for large parameters on a GPU in one pass over memory, where masks, clipping and torch's Adam take four.

Kernels for Triton, which comes with torch for CUDA. Each entry gets the same operations in the same order as from
masks, clipping and torch's fused Adam in sequence.
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
"""Entries from which a parameter is worth its own launch."""
_BLOCK = 512
"""Entries per program; with so few, reading the masks is hidden behind the rest (measured on an H100)."""


@triton.jit  # type: ignore[untyped-decorator]
def _squares(gradient, alive, sums, size, masked: tl.constexpr, block: tl.constexpr):  # type: ignore[no-untyped-def]
    """The sum of squares of each block of the masked gradient."""
    number = tl.program_id(0)
    at = number.to(tl.int64) * block + tl.arange(0, block)
    grad = tl.load(gradient + at, mask=at < size, other=0.0)
    if masked:
        grad *= tl.load(alive + at, mask=at < size, other=0).to(tl.float32)
    tl.store(sums + number, tl.sum(grad * grad, axis=0))


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
    grad = tl.load(gradient + at, mask=inside, other=0.0)
    if masked:
        lives = tl.load(alive + at, mask=inside, other=0).to(tl.float32)
        grad *= lives
    grad *= factor
    if decoupled:
        w *= 1 - rate * decay
    else:
        grad += decay * w
    m = tl.load(mean + at, mask=inside, other=0.0)
    m += one_minus_beta1 * (grad - m)
    v = beta2 * tl.load(square + at, mask=inside, other=0.0) + one_minus_beta2 * grad * grad
    w -= step * m / (tl.sqrt(v) / root + epsilon)
    if masked:
        w *= lives
    tl.store(mean + at, m, mask=inside)
    tl.store(square + at, v, mask=inside)
    tl.store(weight + at, w, mask=inside)


class LargeAdam:
    """Steps these parameters of torch's Adam or AdamW, in its own state, and leaves the others to torch."""

    def __init__(
        self,
        settings: Supervised,
        optimizer: torch.optim.Optimizer,
        parameters: Mapping[str, nn.Parameter],
        masks: Masks,
    ) -> None:
        """masks: they list these parameters as `elsewhere`."""
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
        """Clip all gradients, those of other parameters in place; update these parameters and remove their gradients.

        gradients: of all parameters; those of these parameters are not masked yet.
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
            grad, alive = _gradient_of(parameter), self._masks.alive.get(name)
            _squares[(len(sums),)](
                grad, grad if alive is None else alive.view(torch.uint8), sums, grad.numel(),
                masked=alive is not None, block=_BLOCK, num_warps=4,
            )  # fmt: skip
        return self._sums.sum()

    def _update(self, name: str, parameter: nn.Parameter, entries: dict[str, Tensor], numbers: Tensor) -> None:
        settings, alive, grad = self._settings, self._masks.alive.get(name), _gradient_of(parameter)
        _step[(triton.cdiv(grad.numel(), _BLOCK),)](
            parameter, grad, entries["exp_avg"], entries["exp_avg_sq"],
            grad if alive is None else alive.view(torch.uint8), numbers, grad.numel(),
            1 - settings.betas[0], settings.betas[1], 1 - settings.betas[1], settings.epsilon, settings.weight_decay,
            masked=alive is not None, decoupled=settings.optimizer == "adamw", block=_BLOCK, num_warps=8,
        )  # fmt: skip
        parameter.grad = None


def _gradient_of(parameter: nn.Parameter) -> Tensor:
    """A parameter's gradient in the parameter's memory layout."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.contiguous()


@cache
def works(device: torch.device) -> bool:
    """Whether kernels can be compiled here, which takes a C compiler besides Triton."""
    try:
        one: Any = torch.ones(1, device=device)
        _squares[(1,)](one, one, one, 1, masked=False, block=_BLOCK, num_warps=8)
    except Exception:
        return False
    return True
