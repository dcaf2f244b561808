"""Translation networks of `transformers`: Marian at any size (Vaswani et al.'s network), and checkpoints.

Importing a transformers model takes seconds, so only the worker does. Knows nothing of masks or data.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from lth_core.checkpoints import files as checkpoints
from lth_core.checkpoints import kinds as checkpoint_kinds
from lth_core.errors import InputError
from lth_core.models import transformer
from lth_core.models.module import Flow, ModuleNetwork, fill_buffers, untied
from lth_core.models.transformers_names import from_marian
from lth_core.models.translator import Special
from lth_core.settings.language_networks import PretrainedSeq2Seq, Seq2Seq
from lth_core.text import one_line
from lth_core.tickets.mask import Weights


class TransformersTranslator(nn.Module):
    """A Translator around a sequence-to-sequence model of transformers. Its features are logits, so that the model's
    own output layer is used as it is.

    Untrained parameters (the sinusoids) become buffers: a ticket's parameters are the trained ones.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.pad = model.config.pad_token_id
        for module in model.modules():
            for name, parameter in list(module.named_parameters(recurse=False)):
                if not parameter.requires_grad:
                    delattr(module, name)
                    module.register_buffer(name, parameter.detach(), persistent=False)
        self.model = model
        self.output = nn.Identity()

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """See Translator."""
        out = self.model(
            input_ids=source, attention_mask=(source != self.pad).long(), decoder_input_ids=target, use_cache=False
        )
        return cast(Tensor, out.logits)

    def decoding(self, source: Tensor, beam: int) -> "TransformersDecoding":
        """See Translator."""
        return TransformersDecoding(self.model, source, (source != self.pad).long(), beam)


class TransformersDecoding:
    """See Decoding. transformers sees every hypothesis as a sentence of its own."""

    def __init__(self, model: Any, source: Tensor, seen: Tensor, beam: int) -> None:
        from transformers import DynamicCache, EncoderDecoderCache

        self._model, self._beam = model, beam
        self._seen = seen.repeat_interleave(beam, 0)
        memory = model.get_encoder()(input_ids=source, attention_mask=seen)[0]
        self._memory = memory.repeat_interleave(beam, 0)
        self._past = EncoderDecoderCache(DynamicCache(), DynamicCache())

    def step(self, tokens: Tensor) -> Tensor:
        """See Decoding."""
        out = self._model(
            encoder_outputs=(self._memory,), attention_mask=self._seen, decoder_input_ids=tokens.reshape(-1, 1),
            past_key_values=self._past, use_cache=True,
        )  # fmt: skip
        logs = torch.log_softmax(out.logits[:, -1].float(), -1)
        return logs.view(*tokens.shape, -1)

    def select(self, rows: Tensor, beams: Tensor) -> None:
        """See Decoding."""
        flat = (rows[:, None] * self._beam + beams).flatten()
        self._past.reorder_cache(cast(torch.LongTensor, flat))
        self._seen, self._memory = self._seen[flat], self._memory[flat]


def grouping(name: str) -> set[str]:
    """The groups of a parameter, from its name in transformers."""
    parts = name.split(".")
    side = {side for side in ("encoder", "decoder") if side in parts}
    if "lm_head" in parts:
        return {"output"}
    if "shared" in parts or "embed_tokens" in parts:
        return {"embedding", "output"} if "shared" in parts else {"embedding"}
    if "norm" in name.lower():
        return {*side, "norm"}
    if "embed" in name or "relative_attention_bias" in name:
        return {*side, "embedding"}
    return {*side, "attention" if "attn" in name.lower() or "attention" in name.lower() else "feed_forward"}


def marian(sizes: Seq2Seq, vocabulary: int, longest: int, special: Special) -> Callable[[], nn.Module]:
    """A factory of Marian networks of these sizes."""
    from transformers import MarianMTModel

    config = marian_config(sizes, vocabulary, longest, special)
    return lambda: TransformersTranslator(MarianMTModel(config))


def marian_config(sizes: Seq2Seq, vocabulary: int, longest: int, special: Special) -> Any:
    """The configuration with which Marian computes the same function as our own network."""
    from transformers import MarianConfig

    return MarianConfig(
        vocab_size=vocabulary, d_model=sizes.width, encoder_layers=sizes.encoder_layers,
        decoder_layers=sizes.decoder_layers, encoder_attention_heads=sizes.heads, decoder_attention_heads=sizes.heads,
        encoder_ffn_dim=sizes.feed_forward, decoder_ffn_dim=sizes.feed_forward, dropout=sizes.dropout,
        attention_dropout=0.0, activation_dropout=0.0, activation_function="relu", scale_embedding=True,
        max_position_embeddings=longest, pad_token_id=special.pad, decoder_start_token_id=special.start,
        eos_token_id=special.end, forced_eos_token_id=special.end, init_std=sizes.width**-0.5,
    )  # fmt: skip


def flow(sizes: Seq2Seq) -> Flow:
    """See Network; the flow of our own network, which computes the same function."""

    def found(weights: Weights) -> Tensor:
        own = from_marian({name.removeprefix("model."): w for name, w in weights.items()})
        return transformer.flow(sizes, own)

    return found


def pretrained(settings: PretrainedSeq2Seq, vocabulary: int, longest: int) -> ModuleNetwork:
    """The network of a checkpoint, in float32. vocabulary: tokens of the task; longest: tokens of its longest sentence.

    Raises InputError if the checkpoint cannot be loaded or has too few tokens or positions.
    """
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForSeq2SeqLM

    shown = f"model.checkpoint = {one_line(settings.checkpoint)}"
    try:
        config = AutoConfig.from_pretrained(settings.checkpoint)
        loaded = AutoModelForSeq2SeqLM.from_pretrained(settings.checkpoint, dtype=torch.float32)
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        raise InputError(
            f"{shown}: expected a folder or the id of a sequence-to-sequence model of transformers "
            f"({one_line(error, 200)})"
        ) from None
    if config.vocab_size < vocabulary:
        raise checkpoints.too_many_tokens(settings.checkpoint, config.vocab_size, vocabulary, own=True)
    most = checkpoint_kinds.positions(config.to_dict())
    if most is not None and most < longest:
        raise checkpoints.too_long("task.longest", longest, most)
    own = [name for name, _ in loaded.named_parameters()]
    trained: Weights = {f"model.{name}": weight.detach().clone() for name, weight in loaded.named_parameters()}
    fixed = {name: buffer.detach().clone() for name, buffer in loaded.named_buffers()}
    head = loaded.get_output_embeddings()
    ends = [] if head is None else list(head.parameters())
    outputs = {f"model.{name}" for name, weight in loaded.named_parameters() if any(weight is one for one in ends)}

    def factory() -> nn.Module:
        model: Any = AutoModelForSeq2SeqLM.from_config(config, dtype=torch.float32)
        fill_buffers(model, fixed)
        return TransformersTranslator(untied(model, own))

    def start() -> Weights:
        return {name: trained[name].clone() for name in network.shapes()}

    def groups(name: str) -> set[str]:
        """By identity, because not every checkpoint's output is tied to an embedding, or named as others are."""
        return (grouping(name) - {"output"}) | ({"output"} if name in outputs else set())

    network = ModuleNetwork(factory, groups, start)
    return network
