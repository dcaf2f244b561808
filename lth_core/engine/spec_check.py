"""How a batch's spec.json differs from the database."""

from lth_core.batches.batch import BatchSpec
from lth_core.batches.sealed import Unsound
from lth_core.store.nonsense import NONSENSE


def unlike(found: bytes, wanted: BatchSpec) -> str:
    """What is wrong with the content of a spec.json; empty if it is only out of date.

    A command may change a job's launcher, and a retry takes trials out of a batch; the next attempt updates the file.
    """
    if not found:
        return "was missing"
    try:
        old = BatchSpec.from_json(found.decode())
    except Unsound as error:
        return str(error)
    except NONSENSE:
        return "is damaged and cannot be read"
    same = old.experiment.model_copy(update={"launcher": wanted.experiment.launcher}) == wanted.experiment
    held = {
        "number": (old.batch, old.job) == (wanted.batch, wanted.job),
        "experiment": same,
        "trials": set(wanted.trials) <= set(old.trials),
        "parents": set(wanted.parents) <= set(old.parents),
        "TensorBoard folder": old.tensorboard == wanted.tensorboard,
    }
    other = [what for what, holds in held.items() if not holds]
    return f"had another {' and '.join(other)}" if other else ""
