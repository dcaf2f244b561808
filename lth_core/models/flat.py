"""Named parameters of one network as a vector, and back."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lth_core.tickets.mask import Weights


def flatten(weights: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> Tensor:
    """One network's parameters as a vector (P,), in the order of `shapes`."""
    return torch.cat([weights[name].flatten() for name in shapes])


def unflatten(flat: Tensor, shapes: Mapping[str, torch.Size]) -> Weights:
    """The inverse of `flatten`, as new tensors."""
    parts = flat.split([shape.numel() for shape in shapes.values()])
    return {name: part.view(shape).clone() for part, (name, shape) in zip(parts, shapes.items(), strict=True)}
