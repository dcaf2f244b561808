"""A ticket as a model of transformers, with weights under its names, ready for `from_pretrained`.

Imports transformers late: it takes seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from lth_core.errors import InputError
from lth_core.models.marian import marian_config
from lth_core.models.module import ModuleNetwork, fill_buffers, untied
from lth_core.models.transformers_names import from_gpt_neox, from_marian, to_gpt_neox, to_marian
from lth_core.models.translator import Special
from lth_core.settings.language_networks import Causal, PretrainedSeq2Seq, Seq2Seq, Transformer
from lth_core.settings.networks import Model
from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Mask, Weights

_PREFIX = "model."  # prefix of the transformers model within our module


@dataclass(frozen=True)
class Exchange:
    """make: creates the plain transformers model. there, back: rename parameters or masks to and from its names; of
    tied parameters, all names."""

    make: Callable[[], Any]
    there: Callable[[Weights], Weights]
    back: Callable[[Weights], Weights]


def exchange(
    settings: Model, network: object, *, longest: int, vocabulary: int, special: Special | None = None
) -> Exchange:
    """How to exchange a network with transformers; raises InputError if it has no equivalent.

    longest: maximum tokens of a text. special: the special tokens of a translation task.
    """
    if isinstance(settings, Seq2Seq) and special is not None:
        from transformers import MarianMTModel

        config = marian_config(settings, vocabulary, longest, special)
        make = lambda: MarianMTModel(config)  # noqa: E731
        if settings.implementation == "own":
            return Exchange(make, to_marian, from_marian)
        return Exchange(
            make, lambda w: to_marian(from_marian(_bare(w))), lambda w: _ours(to_marian(from_marian(w)), network)
        )  # fmt: skip
    if isinstance(settings, Transformer):
        return _as_gpt_neox(settings, vocabulary, longest)
    if isinstance(settings, Causal | PretrainedSeq2Seq) and isinstance(network, ModuleNetwork):
        return Exchange(lambda: _plain(network), lambda w: _all_names(network, _bare(w)), lambda w: _ours(w, network))
    what = {
        "lstm": "no LSTM language models",
        "mlp": "no perceptrons",
        "conv": "no convolutional networks for games",
        "board": "no networks for boards",
    }
    raise InputError(
        f'model.kind "{settings.kind}": transformers has {what.get(settings.kind, "no equivalent")}: expected '
        "the kinds transformer, causal, seq2seq and pretrained_seq2seq"
    )


def _as_gpt_neox(settings: Transformer, vocabulary: int, longest: int) -> Exchange:
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    config = GPTNeoXConfig(
        vocab_size=vocabulary, hidden_size=settings.width, num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads, intermediate_size=settings.feed_forward, hidden_act="gelu",
        max_position_embeddings=longest, use_parallel_residual=False, attention_dropout=settings.dropout,
        hidden_dropout=settings.dropout, tie_word_embeddings=settings.tied, layer_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 1.0},
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip

    def back(weights: Weights) -> Weights:
        return from_gpt_neox(weights, settings.heads, tied=settings.tied)

    return Exchange(lambda: GPTNeoXForCausalLM(config), lambda w: to_gpt_neox(w, settings.heads), back)


def _bare(weights: Weights) -> Weights:
    return {name.removeprefix(_PREFIX): w for name, w in weights.items()}


def _ours(weights: Weights, network: object) -> Weights:
    """Values under the names of our wrapping module; a tied parameter under its first name."""
    assert isinstance(network, ModuleNetwork)  # noqa: S101 see exchange
    known = network.shapes()
    return {f"{_PREFIX}{name}": w for name, w in weights.items() if f"{_PREFIX}{name}" in known}


def _plain(network: ModuleNetwork) -> Any:
    """A new copy of the wrapped model, including its untrained parameters."""
    inner: Any = network.module().model
    made = type(inner)(inner.config)
    known = made.state_dict()
    made.load_state_dict({n: b for n, b in inner.named_buffers() if n in known}, strict=False)
    return untied(made, [name for name, _ in inner.named_parameters()])


def _all_names(network: ModuleNetwork, weights: Weights) -> Weights:
    """Values with every name of a tied parameter."""
    inner: Any = network.module().model
    first = {id(p): name for name, p in inner.named_parameters()}
    names = {name: first[id(p)] for name, p in inner.named_parameters(remove_duplicate=False)}
    return {name: weights[own] for name, own in names.items() if own in weights}


def tied(found: Exchange) -> list[list[str]]:
    """The names in transformers of each parameter that has several: files hold it under one of them."""
    names: dict[int, list[str]] = {}
    for name, parameter in found.make().named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return [own for own in names.values() if len(own) > 1]


@torch.no_grad()
def loaded(found: Exchange, weights: Weights, buffers: Weights) -> Any:
    """A model of transformers with our weights and buffers. Raises ValueError if a parameter is unmatched."""
    model = found.make().eval()
    fill_buffers(model, _bare(buffers))
    there = found.there(weights)
    parameters = dict(model.named_parameters(remove_duplicate=False))
    lacking = [name for name, p in parameters.items() if p.requires_grad and name not in there]
    if lacking or not set(there) <= set(parameters):
        raise ValueError(f"parameters without a counterpart: {sorted({*lacking, *(set(there) - set(parameters))})[:3]}")
    for name, weight in there.items():
        parameters[name].copy_(weight)
    return model


def masks_there(found: Exchange, mask: Mask, weights: Weights) -> Mask:
    """The mask under transformers' names; parameters outside the mask are kept."""
    return found.there(masks.whole(mask, {name: w.shape for name, w in weights.items()}))
