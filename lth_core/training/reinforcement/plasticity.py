"""How plastic the networks of a stack still are: dormant units, effective rank, norms of gradients and weights.

Measured of the states that the last update learnt from, with the weights after it.
"""

import torch
from torch import Tensor

from lth_core.models.mlp import Perceptron
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.stack import Array

DORMANT = 0.025
"""A unit is dormant up to this share of its layer's mean activation (tau of Sokar et al. 2023)."""
RANK_REST = 0.01
"""The share of the sum of singular values that the effective rank leaves out (delta of Kumar et al. 2021)."""
TIMES = 10
"""How often a training is measured at most, at records. Ten times take 1.7 % of the CPU time of 60,000 steps, and about
3 % of that of 40,000 (32 tickets of 64-64, A2C); the longer a training, the less."""


def is_due(trained: int, record_every: int, most: int) -> bool:
    """Whether the record after so many steps is measured: every n-th of a training of at most so many steps."""
    return trained // record_every % -(-most // (record_every * TIMES)) == 0


@torch.no_grad()
def measured(parameters: Parameters, states: Tensor) -> list[dict[str, float]]:
    """Of each ticket by metric, from states (T, B, D) as its network receives them; of each layer and of `all`."""
    model = parameters.model
    assert isinstance(model, Perceptron)  # noqa: S101 see rules
    flat, mask = parameters.whole(parameters.flat), parameters.whole(parameters.mask)
    features = model.forward(model.layers(flat), states)[1:-1]
    found = _norms("weight_norm", model, flat)
    if parameters.dense is not None:
        found |= _norms("gradient_norm", model, parameters.whole(parameters.dense) * mask)
    asleep = [dormant(one) for one in features]
    for i, one in enumerate(asleep):
        found[f"dormant/trunk.{i}"] = one.double().mean(1).cpu().numpy()
    found["dormant/all"] = torch.cat(asleep, 1).double().mean(1).cpu().numpy()
    found["rank/features"] = effective_rank(features[-1]).cpu().numpy()
    return [{name: float(column[row]) for name, column in found.items()} for row in range(len(flat))]


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


def _norms(metric: str, model: Perceptron, rows: Tensor) -> dict[str, Array]:
    """(T,) Euclidean norms of packed rows (T, P): of each layer, weights and biases together, and of all of them."""
    shapes = model.shapes()
    parts = model.unpacked(rows).split([shape.numel() for shape in shapes.values()], dim=1)
    squares: dict[str, Tensor] = {}
    for name, part in zip(shapes, parts, strict=True):
        square = part.double().square().sum(1)
        for layer in (name.rpartition(".")[0] or name, "all"):
            squares[layer] = squares[layer] + square if layer in squares else square
    return {f"{metric}/{layer}": square.sqrt().cpu().numpy() for layer, square in squares.items()}
