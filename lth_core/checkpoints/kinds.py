"""What a checkpoint's configuration says about its model. Reads lists from the source of transformers, because
importing transformers would import torch."""

import ast
import importlib.util
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lth_core.errors import InputError
from lth_core.text import one_line

_LISTS = {
    "causal": ("AutoModelForCausalLM", "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"),
    "pretrained_seq2seq": ("AutoModelForSeq2SeqLM", "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES"),
}
_POSITIONS = (
    "max_position_embeddings", "n_positions", "max_seq_len", "max_encoder_position_embeddings",
    "max_decoder_position_embeddings",
)  # fmt: skip
_BEHIND_PADDING = frozenset(
    {"camembert", "data2vec-text", "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"}
)
"""Model types whose first position is the one after the padding token's number."""
_BOTH_WAYS = _BEHIND_PADDING | {
    "bert", "bert-generation", "big_bird", "electra", "ernie", "megatron-bert", "rembert", "roc_bert", "roformer",
}  # fmt: skip
"""Model types that read a text in both directions unless is_decoder is set."""


def check_kind(shown: str, name: str, config: Mapping[str, Any], model: str) -> None:
    """Raise InputError if a model of this configuration cannot be trained as this kind of [model].

    shown: the field and its value, the start of the sentence; name: the checkpoint's.
    """
    auto, _ = _LISTS[model]
    known, kind = model_types(model), config.get("model_type")
    if kind is None:
        # transformers then looks for a type in the folder's name.
        if known and not any(one in name for one in known):
            raise InputError(f"{shown}: its config.json names no model_type: expected the file as it was published")
    elif known and kind not in known and "auto_map" in config:
        raise InputError(
            f'{shown}: its model type "{one_line(kind, 80)}" is code of its own (auto_map in config.json), which '
            f"is never run: expected the types of {auto} that transformers has itself"
        )
    elif known and kind not in known:
        raise InputError(
            f'{shown}: its model type "{one_line(kind, 80)}" is none of those that {auto} of transformers '
            f"{version('transformers')} has: expected a model of such a type, or a transformers that has this one"
        )
    if model == "causal" and kind in _BOTH_WAYS and not config.get("is_decoder"):
        raise InputError(
            f'{shown}: its model type "{kind}" reads a text in both directions and would see the tokens that it is to '
            "predict: expected models that read forwards (is_decoder in config.json, for weights trained that way)"
        )


def positions(config: Mapping[str, Any]) -> int | None:
    """How many tokens a model has positions for; None if its configuration sets no limit."""
    own = {**config, **(config.get("text_config") or {})}
    # The positions of T5 and similar models are relative, without a limit.
    if "relative_attention_num_buckets" in own:
        return None
    found = [own[name] for name in _POSITIONS if isinstance(own.get(name), int) and own[name] > 0]
    behind = own.get("pad_token_id", 1) if own.get("model_type") in _BEHIND_PADDING else None
    return min(found) - (0 if behind is None else behind + 1) if found else None


@cache
def model_types(model: str) -> frozenset[str]:
    """The model types that transformers has for a kind of [model]; empty if its source cannot be read."""
    package = importlib.util.find_spec("transformers")
    if package is None or package.origin is None:
        return frozenset()
    try:
        source = (Path(package.origin).parent / "models" / "auto" / "modeling_auto.py").read_text(encoding="utf-8")
        assigned = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    _, wanted = _LISTS[model]
    lists = [n.value for n in assigned if isinstance(n.targets[0], ast.Name) and n.targets[0].id == wanted]
    pairs = [node.elts[0] for one in lists for node in ast.walk(one) if isinstance(node, ast.Tuple) and node.elts]
    return frozenset(first.value for first in pairs if isinstance(first, ast.Constant) and isinstance(first.value, str))
