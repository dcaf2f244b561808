"""Networks for text: the kinds of `[model]` for language models and translation."""

from pathlib import PurePath
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lth_core.settings.base import WHOLE, Contents, NetworkSection, PositiveFloat, Share, Width

Heads = Annotated[int, Field(ge=1, le=1024), WHOLE]
Blocks = Annotated[int, Field(ge=1, le=256), WHOLE]
Checkpoint = Annotated[str, Field(min_length=1, max_length=4096)]

_LAYERS = frozenset({"attention", "feed_forward", "norm"})
_SHARED = ((frozenset({"embedding"}), "output"), (frozenset({"output"}), "embedding"))
"""See NetworkSection.contained: of an output with the embedding's weights and without a bias."""
_LANGUAGE_GROUPS = ("embedding", "output", "attention", "feed_forward", "norm", "weights", "biases")


def _check_heads(heads: int, width: int) -> None:
    """Each head needs an even share of the width, for the pairs of sine and cosine."""
    if width % (2 * heads):
        raise ValueError(f"heads {heads}: expected numbers whose double divides width {width}")


class LSTM(NetworkSection):
    """A recurrent language model: embedding, LSTM layers, and a linear output over the vocabulary.

    dropout is applied between the layers, dropout_ends after the embedding and before the output. tied: the output
    shares the embedding's weights. initialisation: range of the embedding's and the output's initial weights.
    """

    kind: Literal["lstm"] = "lstm"
    embedding: Width = 650
    hidden: Width = 650
    layers: Annotated[int, Field(ge=1, le=64), WHOLE] = 2
    dropout: Share = 0.5
    dropout_ends: Share = 0.0
    tied: bool = False
    initialisation: PositiveFloat = 0.1

    groups: ClassVar[tuple[str, ...]] = ("embedding", "output", "recurrent", "weights", "biases")
    everything: ClassVar[tuple[frozenset[str], ...]] = (
        frozenset({"weights", "biases"}), frozenset({"embedding", "output", "recurrent"}),
    )  # fmt: skip
    largest_stack: ClassVar[int] = 1
    widths: ClassVar[tuple[str, ...]] = ("embedding", "hidden")

    @property
    def contained(self) -> tuple[tuple[frozenset[str], str], ...]:
        """See NetworkSection: embeddings have no biases."""
        shared = ((frozenset({"output"}), "embedding"), (frozenset({"embedding", "biases"}), "output"))
        return ((frozenset({"recurrent", "output"}), "biases"), *(shared if self.tied else ()))

    @property
    def computes(self) -> str:
        """See NetworkSection."""
        return "embedding, the LSTM layers of recurrent in turn, output (the embedding's weights where tied)"

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        return f"LSTM {self.layers} x {self.hidden}{' tied' if self.tied else ''}"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.tied and self.embedding != self.hidden:
            raise ValueError(
                f"tied: accepted with embedding equal to hidden, {self.embedding} and {self.hidden} are not"
            )
        return self


class Transformer(NetworkSection):
    """A decoder-only language model: pre-norm blocks of causal attention and feed-forward layers.

    Positions are rotary embeddings, which have no parameters. tied: as for the LSTM.
    """

    kind: Literal["transformer"] = "transformer"
    width: Width = 256
    layers: Blocks = 4
    heads: Heads = 4
    feed_forward: Width = 1024
    dropout: Share = 0.1
    tied: bool = True

    groups: ClassVar[tuple[str, ...]] = _LANGUAGE_GROUPS
    everything: ClassVar[tuple[frozenset[str], ...]] = (
        frozenset({"weights", "biases"}), frozenset({"embedding", "output", "attention", "feed_forward", "norm"}),
    )  # fmt: skip
    largest_stack: ClassVar[int] = 1

    @property
    def contained(self) -> tuple[tuple[frozenset[str], str], ...]:
        """See NetworkSection: embedding and output have no biases."""
        return ((_LAYERS, "biases"), *(_SHARED if self.tied else ()))

    @property
    def computes(self) -> str:
        """See NetworkSection."""
        return "a decoder with norms before attention and feed-forward layer, rotary positions, gelu: GPT-NeoX's"

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        return f"Transformer {self.layers} x {self.width}{' tied' if self.tied else ''}"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _check_heads(self.heads, self.width)
        return self


class Causal(NetworkSection):
    """A causal language model of transformers; the dense run starts from its trained weights.

    checkpoint: a folder, or an id on the Hugging Face hub. Its configuration defines how new weights are initialised.
    contents: filled in when the file is read, with the SHA-256 of each of the folder's files.
    """

    kind: Literal["causal"] = "causal"
    checkpoint: Checkpoint
    contents: Contents = ()

    added: ClassVar[frozenset[str]] = frozenset({"contents"})
    places: ClassVar[tuple[str, ...]] = ("checkpoint",)
    groups: ClassVar[tuple[str, ...]] = _LANGUAGE_GROUPS
    everything: ClassVar[tuple[frozenset[str], ...]] = (frozenset({"weights", "biases"}),)
    largest_stack: ClassVar[int] = 1
    own: ClassVar[bool] = False

    @property
    def pretrained(self) -> str:
        """See NetworkSection."""
        return self.checkpoint

    @property
    def computes(self) -> str:
        """See NetworkSection."""
        return "the checkpoint's network"

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        return PurePath(self.checkpoint).name


_SEQ2SEQ_GROUPS = (
    "embedding", "output", "attention", "feed_forward", "norm", "encoder", "decoder", "weights", "biases",
)  # fmt: skip
_SEQ2SEQ_EVERYTHING = (
    frozenset({"weights", "biases"}), frozenset({"embedding", "output", "encoder", "decoder"}),
    frozenset({"embedding", "output", "attention", "feed_forward", "norm"}),
)  # fmt: skip


class Seq2Seq(NetworkSection):
    """An encoder-decoder Transformer after Vaswani et al. (2017); the defaults are their base model.

    Source, target and output share one embedding. implementation: our own modules, or Marian of transformers, which
    computes the same function.
    """

    kind: Literal["seq2seq"] = "seq2seq"
    width: Width = 512
    feed_forward: Width = 2048
    heads: Heads = 8
    encoder_layers: Blocks = 6
    decoder_layers: Blocks = 6
    dropout: Share = 0.1
    implementation: Literal["own", "transformers"] = "own"

    groups: ClassVar[tuple[str, ...]] = _SEQ2SEQ_GROUPS
    everything: ClassVar[tuple[frozenset[str], ...]] = _SEQ2SEQ_EVERYTHING
    largest_stack: ClassVar[int] = 1

    @property
    def contained(self) -> tuple[tuple[frozenset[str], str], ...]:
        """See NetworkSection: the embedding has no bias."""
        return ((_LAYERS, "biases"), (frozenset({"encoder", "decoder"}), "biases"), *_SHARED)

    @property
    def computes(self) -> str:
        """See NetworkSection."""
        return "an encoder-decoder after Vaswani et al.: Marian's"

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        return f"Transformer {self.encoder_layers}+{self.decoder_layers}x{self.width}"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _check_heads(self.heads, self.width)
        return self


class PretrainedSeq2Seq(NetworkSection):
    """A sequence-to-sequence model of transformers; the dense run starts from its trained weights.

    checkpoint: a folder, or an id on the Hugging Face hub. It defines sizes and dropout; the task must use its
    tokenizer. contents: as for causal.
    """

    kind: Literal["pretrained_seq2seq"] = "pretrained_seq2seq"
    checkpoint: Checkpoint
    contents: Contents = ()

    added: ClassVar[frozenset[str]] = frozenset({"contents"})
    places: ClassVar[tuple[str, ...]] = ("checkpoint",)
    groups: ClassVar[tuple[str, ...]] = _SEQ2SEQ_GROUPS
    everything: ClassVar[tuple[frozenset[str], ...]] = _SEQ2SEQ_EVERYTHING
    largest_stack: ClassVar[int] = 1
    own: ClassVar[bool] = False

    @property
    def pretrained(self) -> str:
        """See NetworkSection."""
        return self.checkpoint

    @property
    def computes(self) -> str:
        """See NetworkSection."""
        return "the checkpoint's network"

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        path = PurePath(self.checkpoint)
        return f"from {path.name if path.is_absolute() else path}"
