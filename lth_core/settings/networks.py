"""What learns: the kinds of `[model]`. Each names the parameter groups that can be pruned or kept."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lth_core.settings.base import NetworkSection, Width


class MLP(NetworkSection):
    """A multi-layer perceptron with a policy head and a value head on a shared trunk."""

    kind: Literal["mlp"] = "mlp"
    hidden: Annotated[tuple[Width, ...], Field(min_length=1, max_length=16)] = (128, 128, 128)
    activation: Literal["relu", "tanh"] = "relu"
    initialisation: Literal["uniform", "orthogonal"] = "uniform"

    groups: ClassVar[tuple[str, ...]] = (
        "trunk", "first_layer", "policy_head", "value_head", "weights", "biases",
    )  # fmt: skip
    everything: ClassVar[tuple[frozenset[str], ...]] = (
        frozenset({"weights", "biases"}), frozenset({"trunk", "policy_head", "value_head"}),
    )  # fmt: skip
    largest_stack: ClassVar[int] = 64

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        return f"{'-'.join(map(str, self.hidden))} {self.activation}"


class Convolutional(NetworkSection):
    """Convolutions over pixels, with a policy head and a value head."""

    kind: Literal["conv"] = "conv"

    groups: ClassVar[tuple[str, ...]] = (
        "trunk", "convolution", "first_layer", "policy_head", "value_head", "weights", "biases",
    )  # fmt: skip
    everything: ClassVar[tuple[frozenset[str], ...]] = (
        frozenset({"weights", "biases"}), frozenset({"trunk", "policy_head", "value_head"}),
    )  # fmt: skip
    largest_stack: ClassVar[int] = 1

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        return self.kind


class LSTM(NetworkSection):
    """A recurrent language model."""

    kind: Literal["lstm"] = "lstm"

    groups: ClassVar[tuple[str, ...]] = ("embedding", "output", "recurrent", "weights", "biases")
    everything: ClassVar[tuple[frozenset[str], ...]] = (
        frozenset({"weights", "biases"}), frozenset({"embedding", "output", "recurrent"}),
    )  # fmt: skip
    largest_stack: ClassVar[int] = 1

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        return self.kind


class Seq2Seq(NetworkSection):
    """An encoder-decoder Transformer."""

    kind: Literal["seq2seq"] = "seq2seq"

    groups: ClassVar[tuple[str, ...]] = (
        "embedding", "output", "attention", "feed_forward", "norm", "weights", "biases",
    )  # fmt: skip
    everything: ClassVar[tuple[frozenset[str], ...]] = (frozenset({"weights", "biases"}),)
    largest_stack: ClassVar[int] = 1

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        return self.kind


Model = Annotated[
    MLP | Convolutional | LSTM | Seq2Seq,
    Field(discriminator="kind"),
]
