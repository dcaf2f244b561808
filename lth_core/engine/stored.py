"""Without torch: the specification from which a separate process derives a job's tickets again."""

from collections.abc import Iterable
from functools import lru_cache

from lth_core.batches.batch import BatchSpec, ParentSpec, TrialSpec
from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey, parents
from lth_core.store import attempts, digests
from lth_core.store.database import Database
from lth_core.store.jobs import specified_job
from lth_core.store.trials import parents_of_batch, stored_files, trials_of_batch
from lth_core.store.workspace import Workspace
from lth_core.text import one_line


@lru_cache(maxsize=1024)
def experiment_of(text: str) -> Experiment:
    """A stored experiment; raises NONSENSE if it cannot be read."""
    return Experiment.from_json(text)


def batch_spec(workspace: Workspace, database: Database, batch: int) -> BatchSpec:
    """The specification of a batch, which must exist.

    Raises NONSENSE if the job's experiment cannot be read, or is not what was queued, or a trial is another one.
    """
    row = specified_job(database.connection, batch)
    trials = trials_of_batch(database.connection, batch)
    _check(database, row["id"], {trial["id"] for trial in trials})
    parents = parents_of_batch(database.connection, batch)
    return BatchSpec(
        batch=batch,
        job=row["id"],
        experiment=experiment_of(row["experiment"]),
        trials=tuple(TrialSpec(t["id"], TrialKey(t["round"], t["arm"], t["seed"])) for t in trials),
        parents=tuple(
            ParentSpec(p["id"], TrialKey(p["round"], p["arm"], p["seed"]), p["tensors"], p["sha256"]) for p in parents
        ),
        tensorboard=str(workspace.tensorboard(row["id"], row["name"]).relative_to(workspace.folder)),
        trained_on=attempts.trained_on(database, row["id"]),
    )


def _check(database: Database, job: int, trials: set[int]) -> None:
    """Nothing is trained by an experiment or a seed that the disk has changed."""
    hold = digests.trials_hold(database.connection, job)
    if digests.job_holds(database.connection, job) is False:
        raise InputError("the database holds another experiment than was queued; lth doctor --repair restores it")
    if any(hold[trial] is False for trial in trials):
        raise InputError("the database holds another trial than was queued; lth doctor --repair restores it")


def stored_spec(database: Database, job: int, experiment: Experiment, keys: Iterable[TrialKey]) -> BatchSpec:
    """A specification of these finished trials: their tensors, and those from which their tickets are derived.

    Raises InputError if one of them has no tensors.
    """
    rows = stored_files(database, job)
    known = {TrialKey(row["round"], row["arm"], row["seed"]): row for row in rows}
    trials, needed = [], set()
    for key in keys:
        if key not in known:
            raise InputError(_no_such(key, experiment))
        trials.append(TrialSpec(known[key]["id"], key))
        needed |= {key, TrialKey(0, DENSE, key.seed)}
        needed |= set(parents(experiment, key.arm, key.round, key.seed)) if key.round else set()
    for key in needed:
        if key not in known or known[key]["tensors"] is None:
            raise InputError(f"job {job}: {key} has no stored weights: it has not finished")
    own = [ParentSpec(known[k]["id"], k, known[k]["tensors"], known[k]["sha256"]) for k in sorted(needed)]
    return BatchSpec(0, job, experiment, tuple(trials), tuple(own), "")


def _no_such(key: TrialKey, experiment: Experiment) -> str:
    arms = ", ".join((DENSE, *experiment.arms))
    return (
        f"there is no trial {one_line(key, 120)}: expected arms {arms} ({DENSE} at round 0 only), rounds 1 to "
        f"{experiment.pruning.rounds}, seeds {', '.join(map(str, experiment.seeds))}"
    )
