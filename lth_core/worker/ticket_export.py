"""Writes tickets' tensors into folders, in a process of its own (it imports torch), for `lth ticket export`.

python -m lth_core.worker.ticket_export WORKSPACE < {"spec": ..., "folders": [...], "transformers": false}
"""

import sys
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from lth_core.batches.batch import BatchSpec, TrialSpec
from lth_core.batches.processes import answer
from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.ticket_files import OBSERVATIONS
from lth_core.models.pretrained import loaded, masks_there
from lth_core.store.tensors import write_atomically
from lth_core.store.workspace import Workspace
from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.network import Network
from lth_core.training.families import family_of, make_model
from lth_core.worker.assemble import Assembler


def act(message: dict[str, Any]) -> dict[str, Any]:
    """Write the files of the specification's trials; answer the shapes of their parameters, in the model's order,
    and of their buffers."""
    spec = BatchSpec.from_json(message["spec"])
    assembler = Assembler(Workspace(Path(sys.argv[1])), spec, make_model(spec.experiment))
    shapes, buffers = [], []
    try:
        for trial, folder in zip(spec.trials, map(Path, message["folders"]), strict=True):
            network = assembler.network(trial.key)
            trained, mask, running = export(assembler, trial, folder)
            if message["transformers"]:
                for_transformers(spec.experiment, network, trained, mask, running, folder / "transformers")
            shapes.append({name: list(shape) for name, shape in network.shapes().items()})
            buffers.append({name: list(buffer.shape) for name, buffer in running.items()})
    except (InputError, ValueError) as error:
        raise InputError(f"job {spec.job}: {error}") from error
    return {"shapes": shapes, "buffers": buffers}


def export(assembler: Assembler, trial: TrialSpec, folder: Path) -> tuple[Weights, Mask, Weights]:
    """Derive one ticket again and write its files; returns its trained weights, mask and trained buffers.

    Trained weights are those that were scored. Statistics of observations are written if these were normalised.
    Raises ValueError if the stored mask differs from the derived one.
    """
    key = trial.key
    prepared, family = assembler.prepare(trial), assembler.family(key.seed)
    stored = family.dense if key.arm == DENSE else family.trained[key.arm, key.round]
    if prepared.ticket is not None and prepared.settled and masks.distance(stored.mask, prepared.ticket.mask):
        raise ValueError(f"{key}: its stored mask differs from the one derived again")
    source = prepared.start.weights if prepared.ticket is None else prepared.ticket.source
    weights, statistics = stored.judged
    began = assembler.buffers(prepared)
    ended = {name: statistics.get(name, buffer) for name, buffer in began.items()}
    write_files(folder, stored.mask, source, prepared.start.weights, weights, (began, ended))
    if "mean" in statistics:
        seen = {name: one.contiguous() for name, one in statistics.items() if name in ("mean", "variance", "count")}
        write_atomically(folder / OBSERVATIONS, save(seen))
    return weights, stored.mask, ended


def write_files(
    folder: Path, mask: Mask, source: Weights, start: Weights, trained: Weights, buffers: tuple[Weights, Weights]
) -> None:
    """Write masks, two state dicts, and the form of torch.nn.utils.prune (name_orig, name_mask). buffers: at the start
    and after training."""
    form: dict[str, Tensor] = {}
    for name, weights in source.items():
        if name in mask:
            form |= {f"{name}_orig": weights, f"{name}_mask": mask[name].to(weights.dtype)}
        else:
            form[name] = weights
    began, ended = buffers
    contents = {"mask": dict(mask), "start": start | began, "trained": trained | ended, "prune": form | began}
    folder.mkdir(parents=True, exist_ok=True)
    for name, tensors in contents.items():
        write_atomically(folder / f"{name}.safetensors", save({key: t.contiguous() for key, t in tensors.items()}))


def for_transformers(
    experiment: Experiment, network: Network, trained: Weights, mask: Mask, buffers: Weights, folder: Path
) -> None:
    """Write the trained network as `from_pretrained` loads it, its masks by those names, and the task's tokenizer."""
    found = family_of(experiment).exchange(experiment, network)
    loaded(found, trained, buffers).save_pretrained(folder)
    there = {name: one.clone().contiguous() for name, one in masks_there(found, mask, trained).items()}
    write_atomically(folder / "mask.safetensors", save(there))
    family_of(experiment).save_tokenizer(experiment, folder)


if __name__ == "__main__":
    sys.exit(answer(act))
