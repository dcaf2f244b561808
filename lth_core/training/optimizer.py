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
        for value in dict.fromkeys(rates):
            _adam(settings, flat, gradient, state, value, [row for row, one in enumerate(rates) if one == value])
        return
    rate = rate.to(flat.device)
    parts = (flat, gradient, state["square"], rate)
    for weights, slope, square, own in zip(
        *(part.split(max(1, _CACHED // flat.shape[1])) for part in parts), strict=True
    ):
        square.mul_(settings.rmsprop_alpha).addcmul_(slope, slope, value=1 - settings.rmsprop_alpha)
        weights.sub_((own * slope).div_(_root(square).add_(settings.epsilon)))


def _adam(
    settings: ActorCriticTraining, flat: Tensor, gradient: Tensor, state: State, rate: float, rows: list[int]
) -> None:
    parts = ([part[row] for row in rows] for part in (flat, gradient, state["mean"], state["square"]))
    weights, slopes, means, squares = parts
    first, second = settings.adam_betas
    torch._fused_adam_(
        weights, slopes, means, squares, [], [state["count"][row, 0] for row in rows],
        lr=rate, beta1=first, beta2=second, weight_decay=0.0, eps=settings.epsilon, amsgrad=False, maximize=False,
    )  # fmt: skip


def _root(square: Tensor) -> Tensor:
    """The square root, far below any epsilon for what is zero: roots of exact zeros, of which a masked stack is
    full, take twenty times as long on some processors."""
    return square.clamp_min(torch.finfo(square.dtype).tiny).sqrt_()
