"""On the thread's side, without torch: what a separate process needs to derive a job's tickets again from the store."""

import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from lth_core.arms import DENSE
from lth_core.engine.batch import BatchSpec, ParentSpec, TrialSpec
from lth_core.engine.surroundings import variables
from lth_core.errors import InputError
from lth_core.experiment import Experiment
from lth_core.plan import TrialKey, parents
from lth_core.store.database import Database
from lth_core.text import one_line


def stored_spec(database: Database, job: int, experiment: Experiment, keys: Iterable[TrialKey]) -> BatchSpec:
    """A specification of these finished trials: their own tensors, and those that their tickets derive from.

    Raises InputError where one of them has none.
    """
    rows = database.rows("SELECT id, arm, round, seed, tensors, sha256 FROM trials WHERE job = ?", job)
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
        f"there is no trial {one_line(key, 120)}: accepted are arms {arms} ({DENSE} at round 0 only), rounds 1 to "
        f"{experiment.pruning.rounds}, seeds {', '.join(map(str, experiment.seeds))}"
    )


def run_apart(module: str, *arguments: str, **message: Any) -> dict[str, Any]:
    """Run a module of the worker's side in a process of its own; what it prints last is its answer as JSON.

    The message goes to its standard input as JSON. Raises InputError with its sentence where it has one.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], input=json.dumps(message), capture_output=True, text=True,
        check=False, env=variables(),
    )  # fmt: skip
    lines = done.stdout.strip().splitlines()
    try:
        answer: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, ValueError):
        raise InputError(f"{module} ended without an answer: {one_line(done.stderr[-300:])}") from None
    if "error" in answer:
        raise InputError(str(answer["error"]))
    return answer
