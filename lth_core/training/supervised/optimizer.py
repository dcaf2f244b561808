"""torch's optimizers over a module's named parameters: made from the settings; state read and restored by name."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from lth_core.settings.supervised import Supervised
from lth_core.tickets.mask import Weights

Parameters = Mapping[str, nn.Parameter]


def make(settings: Supervised, parameters: Parameters, rate_on_device: bool = False) -> torch.optim.Optimizer:
    """The optimizer of the settings, without state: in its fused form, or one that torch.compile fuses.

    rate_on_device: the learning rate is a tensor on the device, so that a step can be part of a CUDA graph.
    """
    own, device = list(parameters.values()), next(iter(parameters.values())).device
    constant = not (rate_on_device or settings.compile)
    rate = settings.learning_rate if constant else torch.tensor(settings.learning_rate, device=device)
    decay, form = settings.weight_decay, {"foreach" if settings.compile else "fused": True}
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    kind: Any = kinds[settings.optimizer] if settings.compile else _uncompiled(kinds[settings.optimizer])
    if settings.optimizer == "sgd":
        made = kind(own, rate, settings.momentum, weight_decay=decay, **form)
    else:
        made = kind(own, rate, settings.betas, settings.epsilon, weight_decay=decay, capturable=not constant, **form)
    found: torch.optim.Optimizer = made
    return found


@functools.cache
def _uncompiled(kind: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """The same optimizer, without the wrappers around its methods that load torch's compiler: two seconds.

    They also turn gradients off, so call `step` under `torch.no_grad`. A method without a wrapper stays as it is.
    """
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in ("add_param_group", "zero_grad", "step")}
    return type(kind.__name__, (kind,), plain)


def step(settings: Supervised, optimizer: torch.optim.Optimizer) -> None:
    """A step of the optimizer. Of Adam on a CPU by torch's kernel directly: what torch does around it takes as long as
    a small network's gradient."""
    (group,) = optimizer.param_groups
    own = [one for one in group["params"] if one.grad is not None]
    states = [optimizer.state.get(one) for one in own]
    if settings.optimizer == "sgd" or settings.compile or own[0].device.type != "cpu" or not all(states):
        optimizer.step()
        return
    entries = [[cast(Any, state)[entry] for state in states] for entry in ("exp_avg", "exp_avg_sq", "step")]
    torch._foreach_add_(entries[2], 1)
    kernel = torch._fused_adam_ if settings.optimizer == "adam" else torch._fused_adamw_
    kernel(
        own, [cast(Tensor, one.grad) for one in own], entries[0], entries[1], [], entries[2], lr=group["lr"],
        beta1=settings.betas[0], beta2=settings.betas[1], weight_decay=settings.weight_decay, eps=settings.epsilon,
        amsgrad=False, maximize=False,
    )  # fmt: skip


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next steps."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def read(optimizer: torch.optim.Optimizer, parameters: Parameters) -> dict[str, Weights]:
    """Copies of the optimizer's entries, by entry and parameter; the number of updates as "count" if it keeps one.

    A parameter that had no gradient yet has zeros.
    """
    entries: dict[str, Weights] = {}
    for state in optimizer.state.values():
        for entry, value in state.items():
            if entry == "step":
                entries["count"] = {"count": value.detach().cpu().reshape(1).clone()}
            elif isinstance(value, Tensor):
                entries[entry] = {}
    for name, parameter in parameters.items():
        for entry in entries.keys() - {"count"}:
            value = optimizer.state[parameter].get(entry)
            copy = torch.zeros_like(parameter) if value is None else value
            entries[entry][name] = copy.detach().cpu().clone()
    return entries


def fill(optimizer: torch.optim.Optimizer, parameters: Parameters, entries: Mapping[str, Weights]) -> None:
    """The inverse of `read`."""
    for name, parameter in parameters.items():
        for entry, weights in entries.items():
            if entry == "count":
                # Fused optimizers count on the parameter's device.
                optimizer.state[parameter]["step"] = weights["count"].reshape(()).clone().to(parameter.device)
            else:
                optimizer.state[parameter][entry] = weights[name].clone().to(parameter.device)
