"""How plastic the networks of a stack still are: dormant units, effective rank, norms of gradients and weights.

Measured of the states that the last update learnt from, with the weights after it.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from lth_core.models.mlp import Perceptron
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.stack import Array

DORMANT = 0.025
"""A unit is dormant up to this share of its layer's mean activation (tau of Sokar et al. 2023)."""
RANK_REST = 0.01
"""The share of the sum of singular values that the effective rank leaves out (delta of Kumar et al. 2021)."""
TIMES = 20
"""How often a training is measured at most, at records; more would cost more than 2 % of it."""


def is_due(trained: int, record_every: int, length: int) -> bool:
    """Whether the record after so many steps is measured: every n-th of a training of this length."""
    return trained // record_every % -(-length // (record_every * TIMES)) == 0


@torch.no_grad()
def measured(parameters: Parameters, states: Tensor) -> list[dict[str, float]]:
    """Of each ticket by metric, from states (T, B, D) as its network receives them; of each layer and of `all`."""
    model = parameters.model
    assert isinstance(model, Perceptron)  # noqa: S101 see rules
    everyone = range(len(parameters.flat))
    own = parameters if parameters.sparse is None else parameters.of_some(everyone)
    features = model.forward(model.layers(own.flat), states)[1:-1]
    found: dict[str, Array] = {}
    asleep = [dormant(one) for one in features]
    for i, one in enumerate(asleep):
        found[f"dormant/trunk.{i}"] = one.double().mean(1).cpu().numpy()
    found["dormant/all"] = torch.cat(asleep, 1).double().mean(1).cpu().numpy()
    found["rank/features"] = effective_rank(features[-1]).cpu().numpy()
    tickets: list[dict[str, float]] = []
    for row in everyone:
        weights, mask = parameters.weights(row), own.named(own.mask[row], row)
        gradient = parameters.gradient(row) if parameters.dense is not None else {}
        tickets.append({
            **{name: float(column[row]) for name, column in found.items()},
            **_norms("weight_norm", weights), **_norms("gradient_norm", {n: g * mask[n] for n, g in gradient.items()}),
        })  # fmt: skip
    return tickets


def dormant(activations: Tensor) -> Tensor:
    """(T, units): which units' mean absolute activation (T, B, units) is at most DORMANT of the layer's mean; all of a
    layer that is silent."""
    size = activations.abs().mean(1)
    return size <= DORMANT * size.mean(1, keepdim=True)


def effective_rank(features: Tensor) -> Tensor:
    """(T,) the fewest singular values of features (T, B, units) whose sum is all but RANK_REST of the sum of all.

    From eigenvalues in double precision, which takes half the time of singular values; 0 if all features are zero.
    """
    own = features.double()
    values = torch.linalg.eigvalsh(own.transpose(1, 2) @ own).clamp_min(0).sqrt().flip(1)
    total = values.sum(1, keepdim=True)
    needed = (values.cumsum(1) < (1 - RANK_REST) * total).sum(1) + 1
    return torch.where(total[:, 0] > 0, needed, torch.zeros_like(needed)).double()


def _norms(metric: str, tensors: Mapping[str, Tensor]) -> dict[str, float]:
    """Euclidean norms of each layer, weights and biases together, and of all of them."""
    squares: dict[str, float] = {}
    for name, one in tensors.items():
        layer, square = name.rpartition(".")[0] or name, float(one.double().square().sum())
        for part in (layer, "all"):
            squares[part] = squares.get(part, 0.0) + square
    return {f"{metric}/{part}": square**0.5 for part, square in squares.items()}
