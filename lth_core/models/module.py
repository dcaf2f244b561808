"""A network that is an ordinary torch module: its names, shapes and groups are those of its parameters.

Its buffers are those of its `state_dict`: what the module registers as not persistent it makes anew by itself.

Nothing in the module knows of masks. Knows no task.
"""

from collections.abc import Callable, Mapping

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
        self._buffers = list(buffers_of(made))

    def module(self) -> nn.Module:
        """A new module, with the buffers of one; what its parameters hold is not said."""
        return _seeded(self._factory, 0)

    def shapes(self) -> dict[str, torch.Size]:
        """See Network."""
        return dict(self._shapes)

    def buffers(self) -> Weights:
        """See Network."""
        return {n: b.detach().clone() for n, b in buffers_of(self.module()).items()} if self._buffers else {}

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


def buffers_of(module: nn.Module) -> dict[str, Tensor]:
    """The buffers that are part of a module's state, by name."""
    own = dict(module.named_buffers())
    return {name: own[name] for name in module.state_dict() if name in own}


@torch.no_grad()
def fill_buffers(module: nn.Module, buffers: Mapping[str, Tensor]) -> None:
    """Copy these into a module's buffers of the same names; others stay as they are, and all on the meta device."""
    for name, own in module.named_buffers():
        if name in buffers and own.device.type != "meta":
            own.copy_(buffers[name].reshape(own.shape))


def _seeded(factory: Callable[[], nn.Module], seed: int) -> nn.Module:
    """What `factory` makes with torch's generator at a seed; the generator itself stays where it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return factory()
