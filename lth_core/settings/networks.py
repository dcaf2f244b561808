"""Networks: the kinds of `[model]`. Each names the parameter groups that can be pruned or kept."""

import itertools
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lth_core.settings.base import NetworkSection, Width
from lth_core.settings.convolutions import Filters, layers
from lth_core.settings.image_networks import ImageNetwork
from lth_core.settings.language_networks import LSTM, Causal, PretrainedSeq2Seq, Seq2Seq, Transformer

_FOR_CORES = 40_000
"""Number of weights between hidden layers up to which a machine's CPU cores train perceptrons faster than a GPU."""

HEADS = "policy_head gives logits or means, value_head the value"
Trunk = Literal["shared", "separate"]
_SEPARATE = ", actor and critic apart"
_EVERYTHING = (
    frozenset({"weights", "biases"}),
    *map(frozenset, itertools.product(("trunk", "encoder"), ("policy_head", "actor"), ("value_head", "critic"))),
)
"""See NetworkSection.everything."""


def layers_of(trunk: Trunk) -> str:
    """The hidden layers by their names."""
    return "trunk" if trunk == "shared" else "actor, which policy_head follows, and of critic, which value_head follows"


class MLP(NetworkSection):
    """A multi-layer perceptron with a policy head and a value head on a shared trunk.

    With algorithm dqn, policy_head gives the values of actions, and there is no value_head; with dueling (Wang et al.
    2016), policy_head gives advantages and value_head the value, and an action's value is the value plus its advantage
    minus their mean. trunk: with "separate" policy and value have hidden layers of their own (actor and critic, each of
    these sizes), as in Stable-Baselines3; for a2c and ppo. Group encoder is the shared trunk; with a shared trunk
    actor and critic are the heads. With algorithm sac it is "separate", also by default: an actor, whose policy_head
    gives means and logarithms of standard deviations, and two critics of observation and action, both group critic.
    """

    kind: Literal["mlp"] = "mlp"
    hidden: Annotated[tuple[Width, ...], Field(min_length=1, max_length=16)] = (128, 128, 128)
    activation: Literal["relu", "tanh"] = "relu"
    initialisation: Literal["uniform", "orthogonal"] = "uniform"
    dueling: bool = False
    trunk: Trunk = "shared"

    added: ClassVar[frozenset[str]] = frozenset({"dueling", "trunk"})
    groups: ClassVar[tuple[str, ...]] = (
        "trunk", "first_layer", "policy_head", "value_head", "actor", "critic", "encoder", "weights", "biases",
    )  # fmt: skip
    everything: ClassVar[tuple[frozenset[str], ...]] = _EVERYTHING
    largest_stack: ClassVar[int] = 64
    widths: ClassVar[tuple[str, ...]] = ("hidden",)

    @property
    def contained(self) -> tuple[tuple[frozenset[str], str], ...]:
        """See NetworkSection: a single hidden layer is the first."""
        return ((frozenset({"first_layer"}), "trunk"),) if len(self.hidden) == 1 else ()

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """See NetworkSection; measured with 16 cores beside one GPU (docs/results-gpu.md)."""
        return "cpu" if sum(a * b for a, b in itertools.pairwise(self.hidden)) <= _FOR_CORES else "cuda"

    @property
    def computes(self) -> str:
        """See NetworkSection."""
        return f"{self.activation} behind each layer of {layers_of(self.trunk)}; {HEADS}"

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        return f"{'-'.join(map(str, self.hidden))} {self.activation}{_SEPARATE if self.trunk == 'separate' else ''}"


class Convolutional(NetworkSection):
    """Convolutions over pixels, then dense layers, with a policy head and a value head; ReLU throughout.

    `nature` is the network of Mnih et al. 2015: 32 filters of 8x8 with stride 4, 64 of 4x4 with stride 2, 64 of 3x3;
    512 units. `small`, Mnih et al. 2013: 16 of 8x8 with stride 4, 32 of 4x4 with stride 2; 256 units. `paper`, Yu et
    al. 2020: 64 of 5x5 twice, 64 of 3x3 twice, each followed by 2x2 max pooling; 512 and 512 units. width multiplies
    all numbers of filters and units. With algorithm dqn, heads and dueling are as of the perceptron.
    """

    kind: Literal["conv"] = "conv"
    architecture: Literal["nature", "small", "paper"] = "nature"
    width: Annotated[float, Field(gt=0, le=16)] = 1.0
    initialisation: Literal["uniform", "orthogonal"] = "orthogonal"
    dueling: bool = False

    added: ClassVar[frozenset[str]] = frozenset({"dueling"})
    groups: ClassVar[tuple[str, ...]] = (
        "trunk", "convolution", "first_layer", "policy_head", "value_head", "actor", "critic", "encoder", "weights",
        "biases",
    )  # fmt: skip
    everything: ClassVar[tuple[frozenset[str], ...]] = _EVERYTHING
    largest_stack: ClassVar[int] = 8
    multiplier: ClassVar[str] = "width"
    stack_is_measured: ClassVar[bool] = True
    shares_device: ClassVar[bool] = True

    @property
    def computes(self) -> str:
        """See NetworkSection."""
        pooled = [str(i) for i, one in enumerate(self.layers[0]) if one.pooled]
        after = f", then the maximum of 2 x 2 (layers {', '.join(pooled)})" if pooled else ""
        return f"pixels / 255, relu behind each convolution{after}, flattened, relu behind each of trunk; {HEADS}"

    @property
    def layers(self) -> tuple[tuple[Filters, ...], tuple[int, ...]]:
        """Its convolutions and dense layers."""
        return layers(self.architecture, self.width)

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        return f"{self.architecture} convolutions" + (f" x {self.width:g}" if self.width != 1 else "")


class Board(NetworkSection):
    """The network of Young & Tian 2019: filters of 3x3 over a board, then dense layers, with a policy head and a value
    head; ReLU throughout. Heads with algorithm dqn, dueling and trunk are as of the perceptron."""

    kind: Literal["board"] = "board"
    filters: Width = 16
    hidden: Annotated[tuple[Width, ...], Field(min_length=1, max_length=16)] = (128,)
    initialisation: Literal["uniform", "orthogonal"] = "orthogonal"
    dueling: bool = False
    trunk: Trunk = "shared"

    added: ClassVar[frozenset[str]] = frozenset({"dueling", "trunk"})
    groups: ClassVar[tuple[str, ...]] = Convolutional.groups
    everything: ClassVar[tuple[frozenset[str], ...]] = Convolutional.everything
    largest_stack: ClassVar[int] = 64
    widths: ClassVar[tuple[str, ...]] = ("filters", "hidden")

    @property
    def computes(self) -> str:
        """See NetworkSection."""
        where = "of both " if self.trunk == "separate" else ""
        return (
            f"bytes as they are, relu behind the convolution {where}(flattened) and each layer of "
            f"{layers_of(self.trunk)}; {HEADS}"
        )

    @property
    def layers(self) -> tuple[tuple[Filters, ...], tuple[int, ...]]:
        """Its convolution and dense layers."""
        return (Filters(self.filters, 3),), self.hidden

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """See NetworkSection: the games take longer than so small a network."""
        return "cpu"

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        own = _SEPARATE if self.trunk == "separate" else ""
        return f"{self.filters} filters, {'-'.join(map(str, self.hidden))}{own}"


Model = Annotated[
    MLP | Convolutional | Board | LSTM | Transformer | Causal | Seq2Seq | PretrainedSeq2Seq | ImageNetwork,
    Field(discriminator="kind"),
]
