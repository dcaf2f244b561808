"""Adam and RMSprop for stacked flat parameters: one row per ticket, each with its own step count and rate.

On a CPU Adam is torch's own kernel; RMSprop has none and runs on a few tickets, or on a part of one, at a time, so that
parameters stay in the cache between its passes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lth_core.models.mlp import VECTOR
from lth_core.settings.imitation import PackedTraining

State = dict[str, Tensor]

_CACHED = 2**17
"""Number of parameters that RMSprop updates together on a CPU."""


def new_state(settings: PackedTraining, flat: Tensor) -> State:
    """New entries for parameters (T, P): moments (T, P) and the step count (T, 1)."""
    state = {"square": torch.zeros_like(flat), "count": torch.zeros_like(flat[:, :1])}
    if settings.optimizer == "adam":
        state["mean"] = torch.zeros_like(flat)
    return state


def step(settings: PackedTraining, flat: Tensor, gradient: Tensor, state: State, rate: Tensor) -> None:
    """One update in place; flat and gradient (T, P), rate (T, 1)."""
    state["count"] += 1
    if settings.optimizer == "rmsprop":
        _rmsprop(settings, flat, gradient, state["square"], rate.to(flat.device))
    elif flat.device.type == "cpu":
        _adam(settings, flat, gradient, state, rate)
    else:
        _adam_in_passes(settings, flat, gradient, state, rate.to(flat.device))


def _rmsprop(settings: PackedTraining, flat: Tensor, gradient: Tensor, square: Tensor, rate: Tensor) -> None:
    together = max(1, _CACHED // flat.shape[1]) if flat.device.type == "cpu" else len(flat)
    columns = min(_CACHED, flat.shape[1]) if flat.device.type == "cpu" else flat.shape[1]
    for *rows, own in zip(*(part.split(together) for part in (flat, gradient, square, rate)), strict=True):
        for weights, grad, own_square in zip(*(part.split(columns, dim=1) for part in rows), strict=True):
            own_square.mul_(settings.rmsprop_alpha).addcmul_(grad, grad, value=1 - settings.rmsprop_alpha)
            weights.addcdiv_(own * grad, _root(own_square).add_(settings.epsilon), value=-1)


def _adam(settings: PackedTraining, flat: Tensor, gradient: Tensor, state: State, rate: Tensor) -> None:
    """torch's kernel, called once for the tickets of each rate; on all as one row where rates and counts are equal.

    It rounds the remainder that does not fill a vector register differently. So rows are joined only if each fills
    whole registers: then a ticket's bits do not depend on its place in the stack.
    """
    count, rates = state["count"].squeeze(1), rate.flatten().tolist()
    entries = (flat, gradient, state["mean"], state["square"])
    if flat.shape[1] % VECTOR == 0 and len(set(rates)) == 1 and len(set(count.tolist())) == 1:
        _fused_adam(settings, [[entry.view(-1)] for entry in entries], [count[0]], rates[0])
        return
    rows = list(zip(*(entry.unbind() for entry in (*entries, count)), strict=True))
    for value in dict.fromkeys(rates):
        chosen = [row for row, one in zip(rows, rates, strict=True) if one == value]
        *parts, counts = (list(part) for part in zip(*chosen, strict=True))
        _fused_adam(settings, parts, counts, value)


def _fused_adam(settings: PackedTraining, entries: Sequence[list[Tensor]], counts: list[Tensor], rate: float) -> None:
    """entries: parameters, gradients, means and squares of each count."""
    weights, grads, means, squares = entries
    torch._fused_adam_(
        weights, grads, means, squares, [], counts, lr=rate, beta1=settings.adam_betas[0],
        beta2=settings.adam_betas[1], weight_decay=0.0, eps=settings.epsilon, amsgrad=False, maximize=False,
    )  # fmt: skip


def _adam_in_passes(settings: PackedTraining, flat: Tensor, gradient: Tensor, state: State, rate: Tensor) -> None:
    """The same without reading a value on the host, because a CUDA graph must not wait."""
    (beta1, beta2), count = settings.adam_betas, state["count"]
    state["mean"].lerp_(gradient, 1 - beta1)
    state["square"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    root = (state["square"] / (1 - beta2**count)).sqrt_().add_(settings.epsilon)
    flat.sub_((rate / (1 - beta1**count)) * state["mean"] / root)


def _root(square: Tensor) -> Tensor:
    """The square root, with a value far below any epsilon for zero: roots of exact zeros, of which a masked stack is
    full, take twenty times as long on some processors."""
    return square.clamp_min(torch.finfo(square.dtype).tiny).sqrt_()
