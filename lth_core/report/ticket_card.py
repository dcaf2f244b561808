"""The card of an exported ticket: what it is, how well it did, how it is loaded in plain PyTorch."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lth_core.arms import DENSE
from lth_core.experiment import Experiment
from lth_core.store.tensors import write_atomically
from lth_core.store.views import JobView, TrialView
from lth_core.text import one_line

FILES = ("mask.safetensors", "start.safetensors", "trained.safetensors", "prune.safetensors")
Shapes = Mapping[str, Sequence[int]]


def write_card(folder: Path, job: JobView, trial: TrialView, shapes: Shapes) -> None:
    """card.json (for programs, with the files' checksums) and card.md (for people)."""
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    facts: dict[str, Any] = {
        "format": "lth-ticket-1", "job": job.name, "identity": job.identity, "arm": trial.arm, "round": trial.round,
        "seed": trial.seed, "density": trial.density, "model_density": trial.model_density, "score": trial.score,
        "metric": job.experiment.task.score, "shapes": {name: list(shape) for name, shape in shapes.items()},
        "sha256": sums, "experiment": json.loads(job.experiment.canonical()),
    }  # fmt: skip
    write_atomically(folder / "card.json", (json.dumps(facts, indent=1) + "\n").encode())
    write_atomically(folder / "card.md", _markdown(job, trial, shapes).encode())


def loading_lines(shapes: Shapes, file: str = "trained.safetensors") -> list[str]:
    """The lines that load the weights in plain PyTorch: into a module where all layers are linear, else as a dict."""
    lines = ["from torch import nn; from safetensors.torch import load_file"]
    module = _module(shapes)
    if module is None:
        return [*lines, f'weights = load_file("{file}")']
    return [*lines, f"model = {module}", f'model.load_state_dict(load_file("{file}"))']


def pruning_lines(shapes: Shapes) -> list[str]:
    """The lines that load mask and start weights in the form of torch.nn.utils.prune; none where `_module` has none."""
    module = _module(shapes)
    if module is None or not all("." in name for name in shapes):
        return []
    return [
        "from torch import nn; from torch.nn.utils import prune; from safetensors.torch import load_file",
        f"model = {module}",
        'form = load_file("prune.safetensors")',
        "for name in [n.removesuffix('_mask') for n in form if n.endswith('_mask')]:",
        "    prune.identity(model.get_submodule(name.rsplit('.', 1)[0]), name.rsplit('.', 1)[1])",
        "model.load_state_dict(form)",
    ]


def _module(shapes: Shapes) -> str | None:
    """Source of a module with exactly these parameter names and shapes; None where it takes more than linear layers."""
    tree: dict[str, Any] = {}
    for name, shape in shapes.items():
        *path, kind = name.split(".")
        if kind not in ("weight", "bias") or not path or len(shape) != (2 if kind == "weight" else 1):
            return None
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[kind] = shape
    return _source(tree)


def _source(node: Mapping[str, Any]) -> str | None:
    if "weight" in node or "bias" in node:
        if "weight" not in node or set(node) - {"weight", "bias"}:
            return None
        out, inputs = node["weight"]
        return f"nn.Linear({inputs}, {out}{'' if 'bias' in node else ', bias=False'})"
    parts = {name: _source(child) for name, child in node.items()}
    if any(part is None for part in parts.values()):
        return None
    if list(parts) == [str(i) for i in range(len(parts))]:
        return f"nn.ModuleList([{', '.join(str(part) for part in parts.values())}])"
    return "nn.ModuleDict({" + ", ".join(f"{json.dumps(name)}: {part}" for name, part in parts.items()) + "})"


def _markdown(job: JobView, trial: TrialView, shapes: Shapes) -> str:
    experiment = job.experiment
    score = "none" if trial.score is None else f"{trial.score:.5g}"
    density = f"{trial.density:.2%}" if trial.density is not None else "unknown"
    whole = f"{trial.model_density:.2%}" if trial.model_density is not None else "unknown"
    pruned = pruning_lines(shapes)
    form = ("\nIn the form of torch.nn.utils.prune (start weights and masks):\n", _code(pruned)) if pruned else ()
    lines = [
        f"# Ticket: {one_line(job.name)}, {one_line(trial.arm)}, round {trial.round}, seed {trial.seed}\n",
        f"- {experiment.task.score} after training: {score}",
        f"- remaining: {density} of the prunable parameters, {whole} of all",
        f"- task: {_fields(experiment, 'task')}",
        f"- model: {_fields(experiment, 'model')}",
        f"- arm: {_arm(experiment, trial.arm)}",
        f"- experiment: {experiment.identity}\n",
        "Files: `mask.safetensors` (booleans), `start.safetensors` (mask x weights that the training starts from), "
        "`trained.safetensors` (weights after it), `prune.safetensors` (the form of torch.nn.utils.prune), `card.json` "
        "(the experiment, shapes and checksums).\n",
        "In plain PyTorch:\n",
        _code(loading_lines(shapes)),
        *form,
    ]
    return "\n".join(lines) + "\n"


def _code(lines: Sequence[str]) -> str:
    return "```python\n" + "\n".join(lines) + "\n```"


def _fields(experiment: Experiment, section: str) -> str:
    fields = getattr(experiment, section).model_dump(mode="json")
    return one_line(", ".join(f"{name} {value}" for name, value in fields.items() if value is not None))


def _arm(experiment: Experiment, name: str) -> str:
    return "the unpruned network" if name == DENSE else experiment.described(name)
