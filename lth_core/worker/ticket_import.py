"""Converts a ticket of another program, in a process of its own (it imports torch), for `lth ticket import`.

python -m lth_core.worker.ticket_import < {"experiment": ..., "source": ..., "folder": ...}

The source is a folder that `from_pretrained` loads, or a safetensors file: with masks in the form of
torch.nn.utils.prune (name_orig, name_mask), or a state dict. Masks are read from a file mask.safetensors beside it, or
from that form; without either, weights that are exactly zero count as pruned.
"""

import re
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from lth_core.batches.processes import answer
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.models.pretrained import tied
from lth_core.text import one_line
from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.network import Network
from lth_core.tickets.scope import prunable
from lth_core.training.families import family_of, make_model
from lth_core.worker.ticket_export import write_files

_WRAPPERS = ("module.", "_orig_mod.", "_forward_module.", "model.", "network.", "net.")
"""Prefixes that DataParallel, torch.compile and Lightning modules add to the names of their network."""
_RENAMED = {"embed_out.weight": "lm_head.weight"}
"""Names in files of GPT-NeoX, which transformers renames as it loads and saves them."""


def act(message: dict[str, Any]) -> dict[str, Any]:
    """Write the ticket's files; answer its densities, its shapes and the source of its mask."""
    experiment = Experiment.from_json(message["experiment"])
    source, folder = Path(message["source"]), Path(message["folder"])
    network = make_model(experiment)
    weights, mask, said = read(experiment, network, source)
    kept = network.buffers()
    running = {name: weights[name].to(one.dtype) if name in weights else one for name, one in kept.items()}
    weights = {name: one for name, one in weights.items() if name not in kept}
    fit(network, weights, source)
    fit_buffers(kept, running, source)
    mask = {name: mask[name] for name in prunable(network.groups(), experiment.pruning)}
    trained = masks.apply(mask, {name: weights[name].float() for name in network.shapes()})
    write_files(folder, mask, trained, trained, trained, (running, running))
    whole = sum(w.numel() for w in trained.values())
    living = masks.total(mask) + sum(w.numel() for name, w in trained.items() if name not in mask)
    shapes = {name: list(shape) for name, shape in network.shapes().items()}
    buffers = {name: list(one.shape) for name, one in running.items()}
    return {
        "density": masks.density(mask), "model_density": living / whole, "shapes": shapes, "buffers": buffers,
        "mask": said,
    }  # fmt: skip


def read(experiment: Experiment, network: Network, source: Path) -> tuple[Weights, Mask, str]:
    """Weights and mask by our names, and the source of the mask."""
    file = source / "model.safetensors" if source.is_dir() else source
    weights, taken = _bare(_load(file), network, whole_model=source.is_dir())
    form = {name.removesuffix("_mask"): w != 0 for name, w in weights.items() if name.endswith("_mask")}
    weights = {name.removesuffix("_orig"): w for name, w in weights.items() if not name.endswith("_mask")}
    said = "its form of torch.nn.utils.prune"
    if not form and (beside := file.with_name("mask.safetensors")).is_file() and beside != file:
        form = {name.removeprefix(taken): m.bool() for name, m in _load(beside).items()}
        said = "its file mask.safetensors"
    found = family_of(experiment).exchange(experiment, network) if source.is_dir() else None
    for names in [] if found is None else tied(found):
        _share(weights, names)
        _share(form, names)
    if not form:
        form, said = {name: w != 0 for name, w in weights.items()}, "exact zeros, because there is no mask"
    for name, one in form.items():
        if name not in weights:
            raise InputError(f"{one_line(source)}: {said} has a layer {one_line(name, 80)}, which the weights lack")
        if one.shape != weights[name].shape:
            raise InputError(f"{one_line(source)}: {said} has another shape for {one_line(name, 80)} than the weights")
    whole = {name: form.get(name, torch.ones_like(w, dtype=torch.bool)) for name, w in weights.items()}
    if taken:
        said += f"; names without their prefix {taken}"
    if found is None:
        return weights, whole, said
    running = {name: weights[bare] for name in network.buffers() if (bare := name.removeprefix("model.")) in weights}
    try:
        return found.back(_named(weights)) | running, found.back(_named(whole)), said
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{one_line(source)}: is no model of the experiment's kind, {experiment.model.kind} ({one_line(error, 80)})"
        ) from None


def _bare(weights: Weights, network: Network, *, whole_model: bool) -> tuple[Weights, str]:
    """The weights without a wrapper's prefix, and that prefix.

    whole_model: of transformers, whose own names begin with `model.`.
    """
    taken, own = "", network.shapes().keys()
    prefixes = _WRAPPERS[:3] if whole_model else _WRAPPERS
    while found := next((p for p in prefixes if all(name.startswith(p) for name in weights)), None):
        if not weights or any(re.sub("_(orig|mask)$", "", name) in own for name in weights):
            break
        weights, taken = {name.removeprefix(found): w for name, w in weights.items()}, taken + found
    return weights, taken


def _share(weights: Weights, names: list[str]) -> None:
    """Give a tied parameter all its names, whichever of them a file uses."""
    held = next((name for name in names if name in weights), None)
    if held is not None:
        weights.update({name: weights[held] for name in names if name not in weights})


def _named(weights: Weights) -> Weights:
    """Only the parameters."""
    return {name: w for name, w in weights.items() if not name.endswith(("final_logits_bias", "inv_freq"))}


def _load(file: Path) -> Weights:
    try:
        return {_RENAMED.get(name, name): one for name, one in load_file(file).items()}
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(
            f"{one_line(file)}: cannot be read ({one_line(error, 80)}): expected safetensors, and folders that "
            "from_pretrained loads with a model.safetensors"
        ) from None


def fit(network: Network, weights: Weights, source: Path) -> None:
    """Raise InputError for the first layer that is missing, left over, or of another shape."""
    shapes, shown = network.shapes(), one_line(source)
    for name, shape in shapes.items():
        if name not in weights:
            raise InputError(f"{shown}: has no layer {name}, which the experiment's network has")
        if weights[name].shape != shape:
            there, here = (" x ".join(map(str, size)) for size in (weights[name].shape, shape))
            raise InputError(f"{shown}: layer {name} is {there} there and {here} in the experiment's network")
    extra = [name for name in weights if name not in shapes]
    if extra:
        raise InputError(f"{shown}: has a layer {one_line(extra[0], 80)}, which the experiment's network lacks")


def fit_buffers(wanted: Weights, found: Weights, source: Path) -> None:
    """Raise InputError for the first buffer of another shape."""
    for name, one in wanted.items():
        if found[name].shape != one.shape:
            there, here = (" x ".join(map(str, size)) for size in (found[name].shape, one.shape))
            raise InputError(
                f"{one_line(source)}: buffer {name} is {there} there and {here} in the experiment's network"
            )


if __name__ == "__main__":
    sys.exit(answer(act))
