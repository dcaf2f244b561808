"""A perceptron's forward pass while it acts: step by step, straight into the memory that learning reads.

Nothing is allocated in a step, and nothing is joined after the last one. The bits are those of `Perceptron.forward`.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lth_core.models.mlp import MINUS_ONE, VECTOR, Layer, Perceptron

Array = npt.NDArray[np.float32]


def can_step(network: Perceptron, tickets: int, environments: int) -> bool:
    """Whether there is such a pass: every tanh is computed by `sigmoid`, see mlp, for more than one observation."""
    numbers = [environments * width for width in network.settings.hidden]
    whole = network.settings.activation == "tanh" and all(one % (2 * VECTOR) == 0 for one in numbers)
    return whole and tickets * environments > 1 and torch.get_num_threads() == 1


class PerceptronSteps:
    """Of T tickets in E environments, n steps at a time.

    layers: views of the parameters. everything: keep the activations of all layers, not observations and heads alone.
    """

    def __init__(
        self, network: Perceptron, layers: Sequence[Layer], shape: tuple[int, int, int], everything: bool
    ) -> None:
        """shape: (T, n, E)."""
        self._layers, self._shape, self._everything = layers, shape, everything
        tickets, _, environments = shape
        outputs = [layer.weight.shape[2] for layer in layers]
        self._sums = [torch.empty(tickets, environments, width) for width in outputs]
        self._heads: Array = self._sums[-1].numpy()
        self._widths = [network.inputs, *outputs]
        self._kept: list[Tensor] = []
        self._steps: list[list[Tensor]] = []

    def step(self, observations: Array) -> Array:
        """Heads (T, E, actions + 1) of observations (T, E, inputs), overwritten by the next step."""
        if not self._kept:
            self._begin()
        seen, *hidden, heads = self._steps.pop()
        seen.copy_(torch.from_numpy(observations))
        x, last = seen, len(hidden)
        for layer, total, found in zip(self._layers, self._sums, hidden, strict=False):
            torch.baddbmm(layer.bias, x, layer.weight, beta=2, alpha=2, out=total)
            torch.sigmoid(total, out=found)
            x = torch.add(MINUS_ONE, found, alpha=2, out=found)
        torch.baddbmm(self._layers[last].bias, x, self._layers[last].weight, out=self._sums[last])
        heads.copy_(self._sums[last])
        return self._heads

    def _begin(self) -> None:
        """New memory, because what learning has read may still be in use."""
        tickets, steps, environments = self._shape
        widths = self._widths if self._everything else [self._widths[0], self._widths[-1]]
        self._kept = [torch.empty(tickets, steps, environments, width) for width in widths]
        each = [list(one.unbind(1)) for one in self._kept]
        if not self._everything:
            each[1:1] = [[total] * steps for total in self._sums[:-1]]
        self._steps = [list(one) for one in zip(*each, strict=True)][::-1]

    def kept(self) -> list[Tensor]:
        """What was kept in n steps, (T, n * E, ...): observations first, heads last."""
        found = [one.flatten(1, 2) for one in self._kept]
        self._kept = []
        return found
