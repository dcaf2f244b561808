"""Code in plain PyTorch that loads an exported ticket, made from its parameters' names and shapes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lth_core.settings.networks import Board, Convolutional, Model

Shapes = Mapping[str, Sequence[int]]


def loading_lines(model: Model, shapes: Shapes, file: str = "trained.safetensors") -> list[str]:
    """Three lines that load the weights into modules with these names; into a dict if a layer is unknown."""
    made = _module(model, shapes)
    lines = ["from torch import nn; from safetensors.torch import load_file"]
    if made is None:
        return [*lines, f'weights = load_file("{file}")']
    return ["import torch; from torch import nn; from safetensors.torch import load_file", f"model = {made}",
            f'model.load_state_dict(load_file("{file}"))']  # fmt: skip


def pruning_lines(model: Model, shapes: Shapes) -> list[str]:
    """Lines that load mask and start weights in the form of torch.nn.utils.prune; none if `_module` gives None."""
    made = _module(model, shapes)
    if made is None:
        return []
    return [
        "import torch; from torch import nn; from torch.nn.utils import prune; from safetensors.torch import load_file",
        f"model = {made}",
        'form = load_file("prune.safetensors")',
        "for name in [n.removesuffix('_mask') for n in form if n.endswith('_mask')]:",
        "    prune.identity(model.get_submodule(name.rpartition('.')[0]), name.rpartition('.')[2])",
        "model.load_state_dict(form)",
    ]


def transformers_lines(kind: str) -> list[str]:
    """Lines that load the folder for transformers, and apply the masks with torch.nn.utils.prune."""
    auto = "AutoModelForSeq2SeqLM" if kind == "translation" else "AutoModelForCausalLM"
    return [
        f'from transformers import {auto}; model = {auto}.from_pretrained("transformers")',
        "from torch.nn.utils import prune; from safetensors.torch import load_file",
        'for name, mask in load_file("transformers/mask.safetensors").items():  # keeps what is pruned at zero',
        "    prune.custom_from_mask(model.get_submodule(name.rpartition('.')[0]), name.rpartition('.')[2], mask)",
    ]


def _module(model: Model, shapes: Shapes) -> str | None:
    """Source of a module with exactly these parameter names and shapes; None if a parameter is of no known layer."""
    tree: dict[str, Any] = {}
    bare: list[str] = []
    for name, shape in shapes.items():
        *path, kind = name.split(".")
        if not path:
            bare.append(f"model.{name} = nn.Parameter(torch.empty({', '.join(map(str, shape))}))")
            continue
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[kind] = tuple(shape)
    strides = {}
    if isinstance(model, (Convolutional, Board)):
        filters, _ = model.layers
        strides = {f"convolution.{i}": (one.stride, one.padding) for i, one in enumerate(filters)}
    source = _source(tree, "", strides)
    return None if source is None else "; ".join([source, *bare])


def _source(node: Mapping[str, Any], path: str, strides: Mapping[str, tuple[int, int]]) -> str | None:
    if all(isinstance(value, tuple) for value in node.values()):
        return _layer(node, path, strides)
    if any(isinstance(value, tuple) for value in node.values()):
        return None
    parts = {name: _source(child, f"{path}.{name}".lstrip("."), strides) for name, child in node.items()}
    if any(part is None for part in parts.values()):
        return None
    if list(parts) == [str(i) for i in range(len(parts))]:
        return f"nn.ModuleList([{', '.join(str(part) for part in parts.values())}])"
    return "nn.ModuleDict({" + ", ".join(f"{json.dumps(name)}: {part}" for name, part in parts.items()) + "})"


def _layer(node: Mapping[str, tuple[int, ...]], path: str, strides: Mapping[str, tuple[int, int]]) -> str | None:
    """Source of one layer, inferred from the names and shapes of its parameters."""
    names, weight = set(node), node.get("weight", ())
    if names == {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"}:
        return f"nn.LSTM({node['weight_ih_l0'][1]}, {node['weight_hh_l0'][1]})"
    if "weight" not in names or names - {"weight", "bias"}:
        return None
    bias = "" if "bias" in names else ", bias=False"
    if len(weight) == 4:
        stride, padding = strides.get(path, (1, 0))
        return f"nn.Conv2d({weight[1]}, {weight[0]}, {tuple(weight[2:])}, stride={stride}, padding={padding}{bias})"
    if len(weight) == 2:
        embedding = path.rpartition(".")[2] == "embedding" and bias
        return f"nn.Embedding({weight[0]}, {weight[1]})" if embedding else f"nn.Linear({weight[1]}, {weight[0]}{bias})"
    return f"nn.LayerNorm({weight[0]})" if len(weight) == 1 and not bias else None
