"""Maps our Transformers' weights to the names in transformers, so that it can load a ticket.

The encoder-decoder becomes Marian, the decoder-only language model GPT-NeoX. Masks are mapped in the same way.
"""

import torch
from torch import Tensor

from lth_core.tickets.mask import Weights

_PARTS = {
    "attention_norm": "self_attn_layer_norm", "source_attention_norm": "encoder_attn_layer_norm",
    "feed_forward_norm": "final_layer_norm", "feed_forward.up": "fc1", "feed_forward.down": "fc2",
    "attention.output": "self_attn.out_proj", "source_attention.output": "encoder_attn.out_proj",
    "source_attention.query": "encoder_attn.q_proj",
}  # fmt: skip
_BLOCKS = {
    "attention.query_key_value": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "source_attention.key_value": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
}
_OURS = {theirs: ours for ours, theirs in _PARTS.items()}
_JOINT = {theirs: (ours, place) for ours, blocks in _BLOCKS.items() for place, theirs in enumerate(blocks)}
_EMBEDDING = tuple(
    f"{name}.weight" for name in ("model.shared", "model.encoder.embed_tokens", "model.decoder.embed_tokens", "lm_head")
)


def to_marian(weights: Weights) -> Weights:
    """The parameters of `models.transformer.Transformer` as those of a MarianMTModel of the same sizes."""
    found: Weights = {}
    for name, weight in weights.items():
        if name == "embedding":
            found |= dict.fromkeys(_EMBEDDING, weight)
            continue
        side, layer, rest = name.split(".", 2)
        part, kind = rest.rsplit(".", 1)
        prefix = f"model.{side}.layers.{layer}"
        blocks = _BLOCKS.get(part)
        if blocks is None:
            found[f"{prefix}.{_PARTS[part]}.{kind}"] = weight
        else:
            for block, own in zip(blocks, weight.chunk(len(blocks)), strict=True):
                found[f"{prefix}.{block}.{kind}"] = own.contiguous()
    return found


def from_marian(weights: Weights) -> Weights:
    """The inverse of `to_marian`. Any name of tied weights is accepted; sinusoidal positions are left out.

    Raises KeyError for a name that our network does not have.
    """
    found: Weights = {}
    blocks: dict[tuple[str, str], list[tuple[int, Tensor]]] = {}
    for name, weight in weights.items():
        if name in _EMBEDDING:
            found["embedding"] = weight
        if name in _EMBEDDING or name.endswith("embed_positions.weight"):
            continue
        _, side, _, layer, rest = name.split(".", 4)
        part, kind = rest.rsplit(".", 1)
        prefix = f"{side}.{layer}"
        joint = _JOINT.get(part)
        if joint is None:
            found[f"{prefix}.{_OURS[part]}.{kind}"] = weight
        else:
            blocks.setdefault((f"{prefix}.{joint[0]}", kind), []).append((joint[1], weight))
    for (name, kind), own in blocks.items():
        found[f"{name}.{kind}"] = torch.cat([part for _, part in sorted(own, key=lambda one: one[0])])
    return found


_NEOX = {
    "attention_norm": "input_layernorm", "feed_forward_norm": "post_attention_layernorm",
    "attention_in": "attention.query_key_value", "attention_out": "attention.dense",
    "feed_forward_in": "mlp.dense_h_to_4h", "feed_forward_out": "mlp.dense_4h_to_h",
}  # fmt: skip
_NEOX_ENDS = {
    "embedding.weight": "gpt_neox.embed_in.weight", "output.weight": "lm_head.weight",
    "norm.weight": "gpt_neox.final_layer_norm.weight", "norm.bias": "gpt_neox.final_layer_norm.bias",
}  # fmt: skip
_NEOX_BACK = {theirs: ours for ours, theirs in (*_NEOX.items(), *_NEOX_ENDS.items())}


def to_gpt_neox(weights: Weights, heads: int) -> Weights:
    """The parameters of `models.language.Decoder` as those of a GPTNeoXForCausalLM of the same sizes."""
    found: Weights = {}
    for name, weight in weights.items():
        if name in _NEOX_ENDS:
            found[_NEOX_ENDS[name]] = weight
            continue
        _, block, part, kind = name.split(".")
        # GPT-NeoX orders them by head; ours has all queries, then all keys, then all values.
        weight = weight.unflatten(0, (3, heads, -1)).transpose(0, 1).flatten(0, 2) if part == "attention_in" else weight
        found[f"gpt_neox.layers.{block}.{_NEOX[part]}.{kind}"] = weight.contiguous()
    if "output.weight" not in weights:  # tied
        found["lm_head.weight"] = weights["embedding.weight"]
    return found


def from_gpt_neox(weights: Weights, heads: int, *, tied: bool) -> Weights:
    """The inverse of `to_gpt_neox`. Raises KeyError for a name that our network does not have."""
    found: Weights = {}
    for name, weight in weights.items():
        if name in _NEOX_BACK:
            if not (tied and name == "lm_head.weight"):
                found[_NEOX_BACK[name]] = weight
            continue
        _, _, block, rest = name.split(".", 3)
        part, kind = rest.rsplit(".", 1)
        own = _NEOX_BACK[part]
        weight = weight.unflatten(0, (heads, 3, -1)).transpose(0, 1).flatten(0, 2) if own == "attention_in" else weight
        found[f"blocks.{block}.{own}.{kind}"] = weight.contiguous()
    return found
