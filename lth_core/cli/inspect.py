"""`lth inspect`: what a job's tickets are made of, as a table; with barriers between successive rounds where asked."""

import json
from pathlib import Path

import numpy as np
from rich.text import Text

from lth_core.analysis.connectivity import Barrier, barriers
from lth_core.analysis.inspection import inspect
from lth_core.arms import DENSE
from lth_core.cli.console import make_console
from lth_core.cli.ticket import job_of
from lth_core.engine.stored import run_apart, stored_spec
from lth_core.errors import InputError
from lth_core.plan import TrialKey
from lth_core.report.inspection_table import barrier_table, explained, inspection_table
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.views import JobView
from lth_core.store.workspace import Workspace

POINTS = 11


def run(number: int, folder: Path, *, with_barriers: bool, device: str) -> None:
    """Print the tables."""
    workspace = Workspace(folder)
    database = Database(workspace.database, writer=False)
    job = job_of(database, folder, number)
    console = make_console()
    found = list(inspect(workspace, database, number, job.experiment))
    if not found:
        raise InputError(f"job {number}: no ticket is trained yet")
    console.print(inspection_table(found))
    for line in explained():
        console.print(Text(line, style="dim"), soft_wrap=True)
    if with_barriers:
        console.print(barrier_table(job.experiment, find_barriers(workspace, database, job, device)))


def find_barriers(workspace: Workspace, database: Database, job: JobView, device: str = "cpu") -> list[Barrier]:
    """Of the reference arm, from the dense network through all rounds; seeds that finished both rounds."""
    experiment = job.experiment
    arm = experiment.reference
    done = {(t.arm, t.round, t.seed) for t in views.trials(database, job.id) if t.state == "done"}
    keys: dict[TrialKey, int] = {}
    pairs: list[tuple[int, int]] = []
    places: dict[int, list[int]] = {}
    for round in range(experiment.pruning.rounds):
        for seed in experiment.seeds:
            ends = (TrialKey(round, arm if round else DENSE, seed), TrialKey(round + 1, arm, seed))
            if all((key.arm, key.round, key.seed) in done for key in ends):
                places.setdefault(round, []).append(len(pairs))
                pairs.append((keys.setdefault(ends[0], len(keys)), keys.setdefault(ends[1], len(keys))))
    if not pairs:
        return []
    spec = json.loads(stored_spec(database, job.id, experiment, keys).to_json())
    answer = run_apart(
        "lth_core.engine.connectivity", str(workspace.folder), device, spec=spec, pairs=pairs, points=POINTS
    )  # fmt: skip
    scores = np.array(answer["returns"])
    better = experiment.task.higher_is_better
    return [barriers(arm, (k, k + 1), scores[rows], higher_is_better=better) for k, rows in places.items()]
