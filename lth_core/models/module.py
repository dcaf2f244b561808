"""A network made of an ordinary torch module: names, shapes and groups come from the module's parameters.

Buffers are part of the network if `state_dict` has them; the module recreates non-persistent ones itself.

The module knows nothing of masks or tasks.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lth_core.tickets.mask import Weights

Grouping = Callable[[str], set[str]]
Flow = Callable[[Weights], Tensor]


class ModuleNetwork:
    """The network of the module that `factory` makes. A tied parameter is listed once, under its first name.

    grouping: maps a parameter's name to its groups; "weights" or "biases" is added. trained: the pretrained parameters
    that every dense run starts from; None to initialise anew. flow: see Network; None if there is none.
    """

    def __init__(
        self, factory: Callable[[], nn.Module], grouping: Grouping, trained: Callable[[], Weights] | None = None,
        flow: Flow | None = None,
    ) -> None:  # fmt: skip
        self._factory, self._grouping, self.trained, self._flow = factory, grouping, trained, flow
        with _Undrawn():
            made = _seeded(factory, 0)
        self._shapes = {name: parameter.shape for name, parameter in made.named_parameters()}
        self._buffers = list(buffers_of(made))

    def module(self) -> nn.Module:
        """A new module with arbitrary parameter values; its buffers are initialised."""
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
        """See Network; raises ValueError for checkpoints, whose layers are not known."""
        if self._flow is None:
            raise ValueError("SynFlow cannot read the layers of a network of transformers")
        return self._flow(weights)


class _Undrawn(TorchFunctionMode):
    """Draws no weights where only their shapes are asked for: memory is reserved, and not touched.

    On the meta device, which is made for this, torch loads its compiler: two seconds.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        if func in _DRAWING:
            return args[0] if args else named["tensor"]
        if func in (torch.rand, torch.randn):
            return torch.empty(*args, **{name: value for name, value in named.items() if name != "generator"})
        return func(*args, **named)


_DRAWING = {Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_}


def buffers_of(module: nn.Module) -> dict[str, Tensor]:
    """The buffers that are part of a module's state, by name."""
    own = dict(module.named_buffers())
    return {name: own[name] for name in module.state_dict() if name in own}


@torch.no_grad()
def fill_buffers(module: nn.Module, buffers: Mapping[str, Tensor]) -> None:
    """Copy these into a module's buffers of the same names; others stay as they are."""
    for name, own in module.named_buffers():
        if name in buffers:
            own.copy_(buffers[name].reshape(own.shape))


@torch.no_grad()
def untied(model: nn.Module, names: Collection[str]) -> nn.Module:
    """The model, in which each parameter of these names is one of its own, newly drawn where it was tied to another.

    transformers ties the output of some models whatever their configuration says, and leaves it apart where a
    checkpoint holds another one (T5 1.1, FLAN-T5).
    """
    for name in sorted(set(names) - dict(model.named_parameters()).keys()):
        parent, _, last = name.rpartition(".")
        shared = model.get_parameter(name)
        own = nn.Parameter(torch.empty_like(shared).normal_(std=float(shared.std())))
        setattr(model.get_submodule(parent), last, own)
    return model


def _seeded(factory: Callable[[], nn.Module], seed: int) -> nn.Module:
    """The module that `factory` makes with torch seeded; torch's global generator keeps its state."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return factory()
