"""The teacher of an imitation that names a trial of the workspace: found when the imitation is queued."""

import hashlib
import sqlite3
from pathlib import Path

from lth_core.errors import InputError
from lth_core.experiment import teachers
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey, shares_network
from lth_core.settings.imitation import ImitationTask
from lth_core.settings.networks import MLP
from lth_core.store.jobs import job_experiment, job_state
from lth_core.store.trials import stored_file
from lth_core.text import one_line


def settled(connection: sqlite3.Connection, folder: Path, experiment: Experiment) -> Experiment:
    """The experiment with the file of its teacher's weights in the workspace's folder, its SHA-256 and its network.

    Raises InputError where the trial does not exist, is not finished, or is of another environment.
    """
    task = experiment.task
    if not isinstance(task, ImitationTask) or task.teacher.job is None:
        return experiment
    teacher, shown = task.teacher, f"task.teacher.job = {task.teacher.job}"
    if job_state(connection, task.teacher.job) is None:
        raise InputError(f"{shown}: there is no such job")
    theirs = Experiment.from_json(job_experiment(connection, task.teacher.job))
    teachers.check_fits(task, theirs, shown)
    key = TrialKey(teacher.round, teacher.arm, teacher.seed)
    row = stored_file(connection, task.teacher.job, key)
    if row is None:
        arms = ", ".join((DENSE, *theirs.arms))
        raise InputError(
            f"{shown}: it has no trial {one_line(key, 120)}: expected arms {arms}, "
            f"rounds up to {theirs.pruning.rounds} ({DENSE} has round 0 alone), "
            f"and seeds {', '.join(map(str, theirs.seeds))}"
        )
    if row["tensors"] is None:
        raise InputError(f"{shown}: {key} has not finished: queue the imitation once it has")
    if not shares_network(theirs, teacher.arm):
        raise InputError(
            f"{shown}: arm {teacher.arm} has a network of other widths: expected a ticket of the job's own network"
        )
    path = folder / row["tensors"]
    try:
        if hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
            raise InputError(f"{shown}: the file of {key} does not match its checksum: `lth doctor` tells more")
    except OSError as error:
        raise InputError(f"{shown}: {one_line(path)}: {error.strerror}") from None
    assert isinstance(theirs.model, MLP)  # noqa: S101 see check_fits
    found = {"job": None, "path": str(path.absolute()), "digest": str(row["sha256"]), "model": theirs.model}
    return experiment.model_copy(update={"task": task.model_copy(update={"teacher": teacher.model_copy(update=found)})})
