"""The audit of averaged weights: they are the mean of the points that the experiment names.

Of each point only two numbers per tensor are kept: its product with a fixed random direction, and its length. The
product with the mean must be the mean of the products.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from lth_core.tickets.check import Check
from lth_core.tickets.mask import Weights

TOLERANCE = 2e-5
"""Of the length of the weights: sums of a thousand points in single precision stay within it."""
Projected = dict[str, tuple[float, float]]
"""By tensor: its product with the direction, and its length; or the sums of both over several points."""


def projected(weights: Weights) -> Projected:
    """Products of these tensors with their directions, and their lengths, in double precision."""
    found = {}
    for name, tensor in weights.items():
        if tensor.is_floating_point():
            own = tensor.detach().cpu().double().flatten()
            found[name] = float(own @ _direction(name, own)), float(own.norm())
    return found


def _direction(name: str, like: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(sum(name.encode()) + like.numel())
    return torch.randn(like.numel(), generator=generator, dtype=torch.float64)


def added(sums: Mapping[str, tuple[float, float]], more: Projected) -> Projected:
    """The sums with another point."""
    return {n: (sums.get(n, (0.0, 0.0))[0] + one, sums.get(n, (0.0, 0.0))[1] + norm) for n, (one, norm) in more.items()}


def check(points: int, sums: Projected, scored: Weights) -> Check:
    """The weights that were scored are the mean of `points`, of which the sums are known."""
    found = projected(scored)
    wrong = [n for n in sums.keys() | found.keys() if n not in sums or n not in found]
    wrong += [
        n for n, (total, norms) in sums.items()
        if n in found and abs(found[n][0] - total / points) > TOLERANCE * max(norms / points, 1e-30)
    ]  # fmt: skip
    detail = (
        f"{len(wrong)} of {len(sums.keys() | found.keys())} tensors are not the mean of the {points} points asked for"
    )
    return Check("average", not wrong, detail)
