"""Causal language models of transformers, loaded from a checkpoint. Imports transformers late: it takes seconds."""

from typing import Any

import torch
from torch import Tensor, nn

from lth_core.checkpoints import files as checkpoints
from lth_core.checkpoints import kinds as checkpoint_kinds
from lth_core.errors import InputError
from lth_core.models.module import ModuleNetwork, buffers_of, fill_buffers, untied
from lth_core.settings.language_networks import Causal
from lth_core.text import one_line
from lth_core.tickets.mask import Weights

_KINDS = (
    ("norm", ("norm", "ln_")),
    ("attention", ("attn", "attention")),
    ("feed_forward", ("mlp", "ffn", "feed_forward", "fc1", "fc2", "dense_h_to_4h", "dense_4h_to_h")),
    ("embedding", ("wpe", "embed_positions", "position_embed")),
)


class Scores(nn.Module):
    """A transformers model whose features are its logits, so that its own output layer is used as it is."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.output = nn.Identity()

    def forward(self, tokens: Tensor, carry: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Logits (B * L, vocabulary). There is no recurrent state."""
        return self.model(input_ids=tokens, use_cache=False).logits.flatten(0, 1), ()


def causal(settings: Causal, vocabulary: int, window: int, *, own_tokens: bool) -> ModuleNetwork:
    """The network of a checkpoint, in float32. own_tokens: whether the text uses a checkpoint's tokenizer.

    Raises InputError if it cannot be loaded, or does not fit the vocabulary or the window.
    """
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM

    name = settings.checkpoint
    try:
        config: Any = AutoConfig.from_pretrained(name)
        loaded: Any = AutoModelForCausalLM.from_pretrained(name, dtype="float32")
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        raise InputError(f'model.checkpoint = "{one_line(name)}": cannot be loaded: {one_line(error, 200)}') from None
    known, longest = loaded.get_input_embeddings().weight.shape[0], checkpoint_kinds.positions(config.to_dict())
    if known < vocabulary:
        raise checkpoints.too_many_tokens(name, known, vocabulary, own=own_tokens)
    if longest is not None and longest < window:
        raise checkpoints.too_long("task.window", window, longest)
    trained = {name: weight.detach().clone() for name, weight in Scores(loaded).named_parameters()}
    own = [name for name, _ in loaded.named_parameters()]
    groups, fixed = _groups(Scores(loaded)), {n: b.detach().clone() for n, b in buffers_of(loaded).items()}

    def start() -> Weights:
        return {name: weight.clone() for name, weight in trained.items()}

    def made() -> Scores:
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        fill_buffers(model, fixed)
        return Scores(untied(model, own))

    return ModuleNetwork(made, lambda n: set(groups[n]), start)


def _groups(module: Scores) -> dict[str, set[str]]:
    """Groups per parameter: input and output embeddings by identity, all others by name."""
    model: Any = module.model
    embedding, output = model.get_input_embeddings(), model.get_output_embeddings()
    found: dict[str, set[str]] = {}
    for name, parameter in module.named_parameters():
        own = {
            group
            for group, part in (("embedding", embedding), ("output", output))
            if part is not None and any(parameter is one for one in part.parameters())
        }
        kind = next((group for group, words in _KINDS if any(word in name.lower() for word in words)), None)
        found[name] = own or ({kind} if kind else set())
    return found
