"""Parameters of actor-critic networks by name: heads, groups, initialisation. Knows nothing of layers."""

import math
from collections.abc import Iterable, Mapping

import torch

from lth_core.tickets.mask import Weights
from lth_core.tickets.scope import LOG_STD


def head_shapes(actions: int, inputs: int, *, value: bool = True) -> dict[str, torch.Size]:
    """Names and shapes of both heads' parameters, weights first, so that the heads are adjacent in memory.

    value: whether there is a value head.
    """
    found = {
        "policy_head.weight": torch.Size((actions, inputs)),
        "value_head.weight": torch.Size((1, inputs)),
        "policy_head.bias": torch.Size((actions,)),
        "value_head.bias": torch.Size((1,)),
    }
    return {name: shape for name, shape in found.items() if value or not name.startswith("value_head.")}


SECOND = "second_"
"""Before the names of a second critic's parameters, which are in the groups of the first one's."""
_SIDES = {"policy_head": "actor", "value_head": "critic", "trunk": "encoder", "convolution": "encoder"}
"""Groups by the first part of a parameter's name; trunks of their own are named by theirs."""


def grouped(names: Iterable[str], *first: str) -> dict[str, frozenset[str]]:
    """The groups of a parameter named PART.LAYER.weight or PART.LAYER.bias. first: names of input layers.

    Convolutions belong to the trunk. actor and critic: what is the policy's and the value's alone; encoder: what they
    share.
    """
    found = {}
    for name in names:
        if name == LOG_STD:
            found[name] = frozenset({LOG_STD})
            continue
        part, kind = name.split(".")[0].removeprefix(SECOND), name.rsplit(".", 1)[1]
        side, _, below = part.partition("_") if part not in _SIDES else (_SIDES[part], "", part)
        tags = {side, below or "trunk", "weights" if kind == "weight" else "biases"}
        if below == "convolution":
            tags.add("trunk")
        if name.startswith(tuple(f"{one}." for one in first)):
            tags.add("first_layer")
        found[name] = frozenset(tags)
    return found


def fresh(shapes: Mapping[str, torch.Size], how: str, seed: int) -> Weights:
    """Fresh float32 parameters of one network.

    `uniform` is torch's default, U(-1/sqrt(in), 1/sqrt(in)) for weights and biases, where `in` is the fan-in of a unit
    or filter. `orthogonal` uses gain sqrt(2) in the trunk, 0.01 for the policy, 1 for the value, and zero biases.
    Standard deviations start at 1.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = {name: torch.empty(shape) for name, shape in shapes.items()}
    for name, w in weights.items():
        if name == LOG_STD:
            w.zero_()
        elif how == "uniform":
            inputs = shapes[name.removesuffix("bias") + "weight" if w.dim() == 1 else name][1:].numel()
            w.uniform_(-1 / math.sqrt(inputs), 1 / math.sqrt(inputs), generator=generator)
        elif w.dim() == 1:
            w.zero_()
        else:
            gain = {"policy_head": 0.01, "value_head": 1.0}.get(name.split(".")[0].removeprefix(SECOND), math.sqrt(2))
            torch.nn.init.orthogonal_(w, gain, generator=generator)
    return weights
