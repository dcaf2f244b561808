"""What learns: the kinds of `[model]`. Each names the parameter groups that can be pruned or kept."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

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


_SEQ2SEQ_GROUPS = (
    "embedding", "output", "attention", "feed_forward", "norm", "encoder", "decoder", "weights", "biases",
)  # fmt: skip
_SEQ2SEQ_EVERYTHING = (
    frozenset({"weights", "biases"}), frozenset({"embedding", "output", "encoder", "decoder"}),
    frozenset({"embedding", "output", "attention", "feed_forward", "norm"}),
)  # fmt: skip


class Seq2Seq(NetworkSection):
    """An encoder-decoder Transformer after Vaswani et al. (2017); the defaults are their base size.

    One embedding serves source, target and output. implementation: our own modules, or transformers' Marian, which
    computes the same.
    """

    kind: Literal["seq2seq"] = "seq2seq"
    width: Annotated[int, Field(ge=2, le=65_536)] = 512
    feed_forward: Width = 2048
    heads: Annotated[int, Field(ge=1, le=1024)] = 8
    encoder_layers: Annotated[int, Field(ge=1, le=256)] = 6
    decoder_layers: Annotated[int, Field(ge=1, le=256)] = 6
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    implementation: Literal["own", "transformers"] = "own"

    groups: ClassVar[tuple[str, ...]] = _SEQ2SEQ_GROUPS
    everything: ClassVar[tuple[frozenset[str], ...]] = _SEQ2SEQ_EVERYTHING
    largest_stack: ClassVar[int] = 1

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        return f"Transformer {self.encoder_layers}+{self.decoder_layers}x{self.width}"

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.width % (2 * self.heads):
            raise ValueError(f"heads {self.heads}: accepted are numbers whose double divides width {self.width}")
        return self


class PretrainedSeq2Seq(NetworkSection):
    """A sequence-to-sequence model of transformers as the dense start: a folder, or the name of one on its hub.

    Its sizes and its dropout are the checkpoint's own; the task's tokenizer must be the checkpoint's.
    """

    kind: Literal["pretrained_seq2seq"] = "pretrained_seq2seq"
    checkpoint: Annotated[str, Field(min_length=1, max_length=4096)]

    groups: ClassVar[tuple[str, ...]] = _SEQ2SEQ_GROUPS
    everything: ClassVar[tuple[frozenset[str], ...]] = _SEQ2SEQ_EVERYTHING
    largest_stack: ClassVar[int] = 1

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        return f"from {self.checkpoint}"


Model = Annotated[
    MLP | Convolutional | LSTM | Seq2Seq | PretrainedSeq2Seq,
    Field(discriminator="kind"),
]
