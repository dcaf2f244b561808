"""A network that is an ordinary torch module: its names, shapes and groups are those of its parameters.

Nothing in the module knows of masks. Knows no task.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lth_core.tickets.mask import Weights

Grouping = Callable[[str], set[str]]
Flow = Callable[[Weights], Tensor]


class ModuleNetwork:
    """The module that `factory` makes. A tied parameter stands once, under its first name.

    grouping: the groups of a parameter's name; "weights" or "biases" is added to them.
    trained: what every dense run starts from, where that is not fresh parameters. flow: see Network, if there is one.
    """

    def __init__(
        self, factory: Callable[[], nn.Module], grouping: Grouping, trained: Callable[[], Weights] | None = None,
        flow: Flow | None = None,
    ) -> None:  # fmt: skip
        self._factory, self._grouping, self.trained, self._flow = factory, grouping, trained, flow
        with torch.device("meta"):
            made = factory()
        self._shapes = {name: parameter.shape for name, parameter in made.named_parameters()}

    def module(self) -> nn.Module:
        """A new module; what its parameters hold is not said."""
        return _seeded(self._factory, 0)

    def shapes(self) -> dict[str, torch.Size]:
        """See Network."""
        return dict(self._shapes)

    def groups(self) -> dict[str, frozenset[str]]:
        """See Network."""
        return {
            name: frozenset({"biases" if "bias" in name.rpartition(".")[2] else "weights", *self._grouping(name)})
            for name in self._shapes
        }

    def initialise(self, seed: int) -> Weights:
        """See Network."""
        made = _seeded(self._factory, seed)
        return {name: parameter.detach().float() for name, parameter in made.named_parameters()}

    def flow(self, weights: Weights) -> Tensor:
        """See Network; ValueError for networks of others, whose parts are not known."""
        if self._flow is None:
            raise ValueError("a network of transformers cannot be read as additions alone")
        return self._flow(weights)


def _seeded(factory: Callable[[], nn.Module], seed: int) -> nn.Module:
    """What `factory` makes with torch's generator at a seed; the generator itself stays where it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return factory()
