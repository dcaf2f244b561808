"""`lth inspect`: an analysis of a job's tickets as a table; barriers and instability on request."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.text import Text

from lth_core.analysis.churn import churns
from lth_core.analysis.connectivity import Barrier, Instability, barriers, instabilities
from lth_core.analysis.inspection import inspect
from lth_core.batches.processes import run_apart
from lth_core.cli.console import make_console
from lth_core.cli.shapes import Inspection, print_json
from lth_core.cli.subject import find_job
from lth_core.engine.slots import find_slots
from lth_core.engine.stored import stored_spec
from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.report.inspection_rows import barrier_rows, churn_rows, inspection_rows, instability_rows
from lth_core.report.inspection_table import barrier_table, churn_table, explained, inspection_table, instability_table
from lth_core.store import instability as remembered
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.views import JobView
from lth_core.store.workspace import Workspace
from lth_core.text import one_line

POINTS = 11


def run(
    subject: str, folder: Path, *, with_barriers: bool, with_instability: bool, with_churn: bool, rewind: str,
    rounds: str, alphas: int, device: str, as_json: bool = False,
) -> None:  # fmt: skip
    """Print the tables, or their rows."""
    workspace, database, job = find_job(folder, subject)
    number = job.id
    console, device = make_console(), find_slots(device, 1)[0].device
    if with_churn:
        changes = list(churns(workspace, database, number, job.experiment))
        if not changes:
            raise InputError(f"job {number}: no arm with a mask that moves has been trained yet: expected set or rigl")
        if as_json:
            rows = churn_rows(changes)
            print_json(Inspection(job=number, tickets=[], barriers=None, instability=None, churn=rows))
        else:
            console.print(churn_table(changes))
        return
    if with_instability:
        asked = _points(job.experiment, rewind), _rounds(job.experiment, rounds)
        found = find_instability(workspace, database, job, *asked, alphas, device)
        if as_json:
            print_json(
                Inspection(job=number, tickets=[], barriers=None, instability=instability_rows(found), churn=None)
            )
        else:
            console.print(instability_table(job.experiment, found))
        return
    inspected = list(inspect(workspace, database, number, job.experiment))
    if not inspected:
        raise InputError(f"job {number}: no ticket has been trained yet")
    if as_json:
        between = barrier_rows(find_barriers(workspace, database, job, device)) if with_barriers else None
        print_json(
            Inspection(job=number, tickets=inspection_rows(inspected), barriers=between, instability=None, churn=None)
        )
        return
    console.print(inspection_table(inspected))
    for line in explained():
        console.print(Text(line, style="dim"), soft_wrap=True)
    if with_barriers:
        console.print(barrier_table(job.experiment, find_barriers(workspace, database, job, device)))


def find_barriers(workspace: Workspace, database: Database, job: JobView, device: str = "cpu") -> list[Barrier]:
    """Barriers of the reference arm between successive rounds, round 0 included; seeds that finished both."""
    experiment = job.experiment
    arm = experiment.reference
    done = _done(database, job)
    keys: dict[TrialKey, int] = {}
    pairs: list[tuple[int, int]] = []
    places: dict[int, list[int]] = {}
    for round in range(experiment.pruning.rounds):
        for seed in experiment.seeds:
            ends = (TrialKey(round, arm if round else DENSE, seed), TrialKey(round + 1, arm, seed))
            if all(key in done for key in ends):
                places.setdefault(round, []).append(len(pairs))
                pairs.append((keys.setdefault(ends[0], len(keys)), keys.setdefault(ends[1], len(keys))))
    if not pairs:
        return []
    spec = stored_spec(database, job.id, experiment, keys).to_json()
    answer = run_apart(
        "lth_core.worker.barriers", str(workspace.folder), device, spec=spec, pairs=pairs, points=POINTS
    )  # fmt: skip
    scores, higher, metric = np.array(answer["scores"]), answer["higher"], answer["metric"]
    return [
        barriers(arm, (k, k + 1), scores[rows], higher_is_better=higher, metric=metric) for k, rows in places.items()
    ]


def find_instability(
    workspace: Workspace, database: Database, job: JobView, points: Sequence[int], rounds: Sequence[int], alphas: int,
    device: str = "cpu",
) -> list[Instability]:  # fmt: skip
    """Instability of the dense network (round 0) and the reference arm's tickets; stored for the report."""
    experiment, done = job.experiment, _done(database, job)
    arm = experiment.reference
    trained = (0, *experiment.rounds_of(arm))
    if wrong := [round for round in rounds if round not in trained]:
        those = ", ".join(map(str, trained[1:]))
        raise InputError(f"--rounds {wrong[0]}: expected rounds of {arm}: {those}; 0 is the dense network")
    keys = [TrialKey(0, DENSE, seed) for seed in experiment.seeds]
    keys += [TrialKey(round, arm, seed) for round in rounds if round for seed in experiment.seeds]
    lacking = [key for key in keys if key not in done]
    if lacking:
        raise InputError(f"job {job.id}: {lacking[0]} has not finished")
    spec = stored_spec(database, job.id, experiment, keys).to_json()
    workspace.create()  # nothing is written through a link out of the workspace
    trainings = 2 * len(points) * len(rounds) * len(experiment.seeds)
    Console(stderr=True).print(f"training {trainings} networks, two per point, round and seed ...", style="dim")
    answer = run_apart(
        "lth_core.worker.instability", str(workspace.folder), device, spec=spec, points=list(points),
        rounds=list(rounds), alphas=alphas,
    )  # fmt: skip
    try:
        remembered.write(workspace, job.id, experiment.identity, answer)
    except OSError as error:  # after so many trainings, print the answer in any case
        Console(stderr=True).print(f"not stored for the report: {error.strerror}", style="yellow")
    return list(instabilities(answer["rows"], answer["metric"], higher_is_better=answer["higher"]))


def _done(database: Database, job: JobView) -> set[TrialKey]:
    return {t.key for t in views.trials(database, job.id) if t.state == "done"}


def _points(experiment: Experiment, text: str) -> list[int]:
    """The given points; by default initialisation, the rewind point, 1/64, 1/16 and 1/4 of the training."""
    length = experiment.training.length
    if text:
        return _numbers("--rewind", text, 0, length - 1)
    quarters = [length // 2**k for k in (6, 4, 2)]
    return sorted({0, experiment.rewinding.weights, *(point for point in quarters if point)})


def _rounds(experiment: Experiment, text: str) -> list[int]:
    """The given rounds; by default the dense network and the last round."""
    last = experiment.rounds_of(experiment.reference)[-1]
    return _numbers("--rounds", text, 0, last) if text else [0, last]


def _numbers(option: str, text: str, least: int, most: int) -> list[int]:
    parts = text.split(",")
    if not all(re.fullmatch(r" *\d{1,12} *", part) for part in parts) or not all(
        least <= int(p) <= most for p in parts
    ):
        raise InputError(f"{option} {one_line(text, 80)}: expected numbers from {least} to {most}, such as 0,{most}")
    return sorted({int(part) for part in parts})
