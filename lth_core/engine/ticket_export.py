"""A ticket's tensors into a folder, in a process of its own (it imports torch): what `lth ticket export` runs.

python -m lth_core.engine.ticket_export WORKSPACE FOLDER < {"spec": ...}
"""

import json
import sys
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from lth_core.arms import DENSE
from lth_core.engine.assemble import Assembler, DamagedParent
from lth_core.engine.batch import BatchSpec
from lth_core.store.tensors import write_atomically
from lth_core.store.workspace import Workspace
from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Mask, Weights
from lth_core.training.build import make_model


def main() -> int:
    """Write the files of the specification's one trial; print their parameters' shapes, in the model's order."""
    workspace, folder = Workspace(Path(sys.argv[1])), Path(sys.argv[2])
    spec = BatchSpec.from_json(json.dumps(json.loads(sys.stdin.read())["spec"]))
    (trial,) = spec.trials
    model = make_model(spec.experiment)
    assembler = Assembler(workspace, spec, model)
    try:
        prepared = assembler.prepare(trial)
        family = assembler.family(trial.key.seed)
    except DamagedParent as error:
        print(json.dumps({"error": f"job {spec.job}: {error}"}))
        return 2
    arm, round = trial.key.arm, trial.key.round
    mask = family.dense.mask if arm == DENSE else family.trained[(arm, round)].mask
    if prepared.ticket is not None and prepared.narrowing is None and masks.distance(mask, prepared.ticket.mask):
        print(json.dumps({"error": f"job {spec.job}: {trial.key}: its stored mask is not the one derived again"}))
        return 2
    source = prepared.start.weights if prepared.ticket is None else prepared.ticket.source
    trained = family.trained[(arm, round)].final
    for name, tensors in files(mask, source, prepared.start.weights, trained).items():
        write_atomically(folder / name, save({key: tensor.contiguous() for key, tensor in tensors.items()}))
    shapes = assembler.network(trial.key).shapes()
    print(json.dumps({"shapes": {name: list(shape) for name, shape in shapes.items()}}))
    return 0


def files(mask: Mask, source: Weights, start: Weights, trained: Weights) -> dict[str, dict[str, Tensor]]:
    """The tensors of each file: masks, two state dicts, and the form of torch.nn.utils.prune (name_orig, name_mask)."""
    form: dict[str, Tensor] = {}
    for name, weights in source.items():
        if name in mask:
            form |= {f"{name}_orig": weights, f"{name}_mask": mask[name].to(weights.dtype)}
        else:
            form[name] = weights
    return {
        "mask.safetensors": dict(mask),
        "start.safetensors": dict(start),
        "trained.safetensors": dict(trained),
        "prune.safetensors": form,
    }


if __name__ == "__main__":
    sys.exit(main())
