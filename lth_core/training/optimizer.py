"""Adam and RMSprop for stacked flat parameters: one row per ticket, each with its own step count and rate.

Adam is torch's own kernel, called for the tickets of each rate; RMSprop has none and is written out, a few tickets at
a time, so that the numbers of large networks stay in the cache between its passes.
"""

import torch
from torch import Tensor

from lth_core.settings.reinforcement import ActorCriticTraining

State = dict[str, Tensor]

_CACHED = 2**17
"""Parameters that are updated together by RMSprop."""


def new_state(settings: ActorCriticTraining, flat: Tensor) -> State:
    """Fresh entries for parameters (T, P): moments (T, P) and the step count (T, 1)."""
    state = {"square": torch.zeros_like(flat), "count": torch.zeros_like(flat[:, :1])}
    if settings.optimizer == "adam":
        state["mean"] = torch.zeros_like(flat)
    return state


def step(settings: ActorCriticTraining, flat: Tensor, gradient: Tensor, state: State, rate: Tensor) -> None:
    """One update in place; flat and gradient (T, P), rate (T, 1) on the CPU."""
    state["count"] += 1
    if settings.optimizer == "adam":
        rates = rate.flatten().tolist()
        rows = list(zip(flat.unbind(), gradient.unbind(), state["mean"].unbind(), state["square"].unbind(),
                        state["count"].squeeze(1).unbind(), strict=True))  # fmt: skip
        for value in dict.fromkeys(rates):
            _adam(settings, [row for row, one in zip(rows, rates, strict=True) if one == value], value)
        return
    rate = rate.to(flat.device)
    parts = (flat, gradient, state["square"], rate)
    for weights, slope, square, own in zip(
        *(part.split(max(1, _CACHED // flat.shape[1])) for part in parts), strict=True
    ):
        square.mul_(settings.rmsprop_alpha).addcmul_(slope, slope, value=1 - settings.rmsprop_alpha)
        weights.sub_((own * slope).div_(_root(square).add_(settings.epsilon)))


def _adam(settings: ActorCriticTraining, rows: list[tuple[Tensor, ...]], rate: float) -> None:
    """One step of tickets with the same rate: parameters, gradients, both moments (P,) and count () of each."""
    weights, slopes, means, squares, count = (list(part) for part in zip(*rows, strict=True))
    torch._fused_adam_(
        weights, slopes, means, squares, [], count, lr=rate, beta1=settings.adam_betas[0],
        beta2=settings.adam_betas[1], weight_decay=0.0, eps=settings.epsilon, amsgrad=False, maximize=False,
    )  # fmt: skip


def _root(square: Tensor) -> Tensor:
    """The square root, far below any epsilon for what is zero: roots of exact zeros, of which a masked stack is
    full, take twenty times as long on some processors."""
    return square.clamp_min(torch.finfo(square.dtype).tiny).sqrt_()
