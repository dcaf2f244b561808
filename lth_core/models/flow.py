"""Linearised networks for SynFlow (Tanaka et al. 2020): the building blocks of `Network.flow`.

A layer is x -> W x + b, a norm x -> g x + b, an LSTM layer the sum of its four gates, attention the sum of queries,
keys and values. Every parameter is an edge of a graph, and the flow sums the products of weights along all paths.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lth_core.tickets.mask import Weights


def flow_gradient(flow: Callable[[Weights], Tensor], weights: Weights) -> Weights:
    """A flow's gradient with respect to each parameter, in double precision, because products along paths get huge."""
    leaves = {name: w.detach().double().requires_grad_() for name, w in weights.items()}
    with torch.enable_grad():
        found = torch.autograd.grad(flow(leaves), list(leaves.values()), allow_unused=True)
    return {n: torch.zeros_like(w) if g is None else g for (n, w), g in zip(leaves.items(), found, strict=True)}


def linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    """W x + b of the named layer, without b if it has none; x (in,)."""
    found = weights[f"{name}.weight"] @ x
    bias = f"{name}.bias"
    return found + weights[bias] if bias in weights else found


def norm(weights: Weights, name: str, x: Tensor) -> Tensor:
    """g x + b; x (width,)."""
    return weights[f"{name}.weight"] * x + weights[f"{name}.bias"]


def joined(weights: Weights, name: str, parts: int, x: Tensor) -> Tensor:
    """A layer's output (parts x width,) summed over its parts, such as gates, or queries, keys and values."""
    found: Tensor = linear(weights, name, x).unflatten(0, (parts, -1)).sum(0)
    return found


def through(weights: Weights, name: str, layers: int, x: Tensor) -> Tensor:
    """The output of the layers NAME.0, NAME.1, ... in sequence."""
    for i in range(layers):
        x = linear(weights, f"{name}.{i}", x)
    return x


def heads_flow(weights: Weights, x: Tensor) -> Tensor:
    """The sum of the outputs of policy and value head, if there is one."""
    found = linear(weights, "policy_head", x).sum()
    return found + linear(weights, "value_head", x).sum() if "value_head.weight" in weights else found
