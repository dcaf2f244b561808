"""Adam and RMSprop for stacked flat parameters: one row per ticket, each with its own step count and rate.

The formulas are torch.optim's (tested against it); written out because a stack needs a learning rate per ticket.
"""

import torch
from torch import Tensor

from lth_core.settings.reinforcement import ActorCriticTraining

State = dict[str, Tensor]


def new_state(settings: ActorCriticTraining, flat: Tensor) -> State:
    """Fresh entries for parameters (T, P): moments (T, P) and the step count (T, 1)."""
    state = {"square": torch.zeros_like(flat), "count": torch.zeros_like(flat[:, :1])}
    if settings.optimizer == "adam":
        state["mean"] = torch.zeros_like(flat)
    return state


def step(settings: ActorCriticTraining, flat: Tensor, gradient: Tensor, state: State, rate: Tensor) -> None:
    """One update in place; flat and gradient (T, P), rate (T, 1)."""
    state["count"] += 1
    square = state["square"]
    if settings.optimizer == "rmsprop":
        square.mul_(settings.rmsprop_alpha).addcmul_(gradient, gradient, value=1 - settings.rmsprop_alpha)
        flat.sub_(rate * gradient / _root(square).add_(settings.epsilon))
        return
    first, second = settings.adam_betas
    mean, count = state["mean"], state["count"]
    mean.lerp_(gradient, 1 - first)
    square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
    # The corrections in double precision, as torch.optim computes them in Python floats.
    correction = (1 - torch.tensor(first, dtype=torch.float64) ** count.double()).float()
    root = (1 - torch.tensor(second, dtype=torch.float64) ** count.double()).sqrt().float()
    denominator = _root(square).div_(root.to(flat.device)).add_(settings.epsilon)
    flat.sub_((rate / correction.to(flat.device)) * mean / denominator)


def _root(square: Tensor) -> Tensor:
    """The square root, far below any epsilon for what is zero: roots of exact zeros, of which a masked stack is
    full, take twenty times as long on some processors."""
    return square.clamp_min(torch.finfo(square.dtype).tiny).sqrt_()
