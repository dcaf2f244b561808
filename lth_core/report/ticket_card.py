"""The card of a ticket's folder: its origin, score, network, and code that loads it elsewhere."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.ticket_files import FILES, FORMAT, OBSERVATIONS
from lth_core.report.plain_torch import Shapes, loading_lines, pruning_lines, transformers_lines
from lth_core.settings.networks import HEADS
from lth_core.settings.soft import SAC
from lth_core.settings.values import DQN
from lth_core.store.tensors import write_atomically
from lth_core.text import one_line


def write_card(folder: Path, experiment: Experiment, facts: Mapping[str, Any], shapes: Shapes, buffers: Shapes) -> None:
    """card.json (for programs, with the files' checksums) and card.md (for people).

    facts: `job`, `arm`, `round`, `seed`, `density`, `model_density`, `score`; `origin` of a ticket of other programs;
    `workers`, what all attempts of its job ran with, and `changed`, what not all of them did.
    """
    files = (*FILES, *([OBSERVATIONS] if (folder / OBSERVATIONS).exists() else []))
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}
    content = {
        "format": FORMAT, **facts, "identity": experiment.identity, "metric": experiment.score,
        "shapes": {name: list(shape) for name, shape in shapes.items()}, "sha256": sums,
        **({"buffers": {name: list(shape) for name, shape in buffers.items()}} if buffers else {}),
        "experiment": json.loads(experiment.canonical()),
    }  # fmt: skip
    write_atomically(folder / "card.json", (json.dumps(content, indent=1) + "\n").encode())
    write_atomically(folder / "card.md", _markdown(folder, experiment, facts, {**shapes, **buffers}).encode())


def _computes(experiment: Experiment) -> str:
    """What the network computes, in words: with dqn its heads give values, with sac there are three networks."""
    found = experiment.model.computes
    if isinstance(experiment.training, SAC):
        return (
            f"{getattr(experiment.model, 'activation', 'relu')} behind each layer of actor, critic and second_critic; "
            "policy_head, which follows actor, gives means, then logarithms of standard deviations (clamped to "
            "[-20, 2]) of a Gaussian: an action is the tanh of its numbers, and [-1, 1] the whole of its bounds; "
            "value_head and second_value_head, which follow the critics, give values of an observation with an action "
            "behind it"
        )
    if not isinstance(experiment.training, DQN):
        return found
    heads = "policy_head gives the values of actions"
    if getattr(experiment.model, "dueling", False):
        heads = "value of an action = value_head + its advantage by policy_head - the mean of all advantages"
    return found.replace(HEADS, heads)


def _markdown(folder: Path, experiment: Experiment, facts: Mapping[str, Any], shapes: Shapes) -> str:
    arm, model = facts["arm"], experiment.model
    title = f"{one_line(facts['job'])}, {one_line(arm)}, round {facts['round']}, seed {facts['seed']}"
    origin = [f"- from: {one_line(facts['origin'])}"] if facts.get("origin") else []
    described = "the unpruned network" if arm == DENSE else experiment.described(arm) if arm in experiment.arms else arm
    gradual = arm in experiment.arms and experiment.arm_named(arm).mask == "gradual"
    moves = arm in experiment.arms and experiment.arm_named(arm).moves
    started = "the whole weights" if gradual else "the first mask x weights" if moves else "mask x weights"
    averaged = getattr(experiment.training, "average", 1)
    ended = "weights after it" if averaged == 1 else f"the mean of the weights at its last {averaged} points, as scored"
    ran = [f"- trained with: {one_line(facts['workers'], 1000)}"] if facts.get("workers") else []
    ran += [f"- not all of its job ran with the same: {one_line(facts['changed'])}"] if facts.get("changed") else []
    lines = [
        f"# Ticket: {title}\n",
        *origin,
        f"- {experiment.score} after training: {_number(facts['score'], '.5g')}",
        f"- kept: {_number(facts['density'], '.2%')} of the prunable parameters, "
        f"{_number(facts['model_density'], '.2%')} of all",
        f"- task: {_fields(experiment, 'task')}",
        f"- model: {_fields(experiment, 'model')}",
        f"- computes: {_computes(experiment)}",
        f"- arm: {one_line(described)}",
        *ran,
        f"- experiment: {experiment.identity}\n",
        f"Files: `mask.safetensors` (booleans), `start.safetensors` ({started} that the training starts from), "
        f"`trained.safetensors` ({ended}), `prune.safetensors` (the form of torch.nn.utils.prune), `card.json` "
        "(the experiment, shapes and checksums).\n",
        *_observations(folder),
        "In plain PyTorch:\n",
        _code(loading_lines(model, shapes)),
    ]
    if pruned := pruning_lines(model, shapes):
        lines += ["\nIn the form of torch.nn.utils.prune (start weights and masks):\n", _code(pruned)]
    if (folder / "transformers").is_dir():
        lines += ["\nWith transformers (trained weights and masks):\n", _code(transformers_lines(experiment.task.kind))]
    lines += ["\nIn an experiment of this program:\n", f"```toml\n{chr(10).join(experiment_lines(folder))}\n```"]
    return "\n".join(lines) + "\n"


def _observations(folder: Path) -> list[str]:
    if not (folder / OBSERVATIONS).exists():
        return []
    return [
        f"`{OBSERVATIONS}`: mean and variance of the observations in training. The network is given "
        "`((observation - mean) / sqrt(variance + 1e-8)).clip(-10, 10)`.\n"
    ]


def experiment_lines(folder: Path) -> list[str]:
    """Lines of an experiment's file that use a ticket as mask source."""
    return [f"ticket = {json.dumps(str(folder))}", 'arms = ["winning", "imported", "random"]']


def _number(value: float | None, format: str) -> str:
    return "unknown" if value is None else f"{value:{format}}"


def _code(lines: Sequence[str]) -> str:
    return "```python\n" + "\n".join(lines) + "\n```"


def _fields(experiment: Experiment, section: str) -> str:
    fields = getattr(experiment, section).model_dump(mode="json")
    return one_line(", ".join(f"{name} {value}" for name, value in fields.items() if value is not None))
