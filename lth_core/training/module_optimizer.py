"""torch's own optimizers over the named parameters of a module: made from the settings, read out and filled by name."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lth_core.settings.supervised import Supervised
from lth_core.tickets.mask import Weights

Parameters = Mapping[str, nn.Parameter]


def make(settings: Supervised, parameters: Parameters, in_graph: bool = False) -> torch.optim.Optimizer:
    """The optimizer that the settings name, in its fused form, without any state.

    in_graph: its step can be part of a CUDA graph, and its rate is a tensor on the parameters' device.
    """
    own = list(parameters.values())
    rate = torch.tensor(settings.learning_rate, device=own[0].device) if in_graph else settings.learning_rate
    if settings.optimizer == "sgd":
        return torch.optim.SGD(own, rate, settings.momentum, weight_decay=settings.weight_decay, fused=True)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(
        own, rate, settings.betas, settings.epsilon, weight_decay=settings.weight_decay, fused=True, capturable=in_graph
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the steps that come."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def read(optimizer: torch.optim.Optimizer, parameters: Parameters) -> dict[str, Weights]:
    """Copies of its entries, by entry and parameter; the number of updates as "count" where it keeps one.

    A parameter that has had no gradient yet has zeros.
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
