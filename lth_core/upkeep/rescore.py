"""Evaluates stored tickets again and compares with the scores that are stored. Imports no torch."""

import math
from collections.abc import Iterator, Sequence

from lth_core.batches.processes import run_apart
from lth_core.engine.stored import stored_spec
from lth_core.errors import InputError
from lth_core.store import attempts, views
from lth_core.store.database import Database
from lth_core.store.jobs import threads_of
from lth_core.store.views import JobView, TrialView
from lth_core.store.workspace import Workspace
from lth_core.text import one_line, plural
from lth_core.upkeep.health import Finding

TOLERANCE = 0.1
"""Accepted difference, as a share of the range of the job's scores, for tickets that were trained on another device
than this machine's CPU, or with other versions: last bits differ, and drawn actions soon lead to other episodes."""


def rescore(workspace: Workspace, database: Database, count: int) -> Iterator[Finding]:
    """One finding per ticket that differs or cannot be compared, then how many were equal or within the tolerance."""
    jobs = views.jobs(database)
    every = [(job, trial) for job in jobs for trial in views.trials(database, job.id) if trial.state == "done"]
    chosen = [every[place * len(every) // count] for place in range(count)] if count < len(every) else every
    for job in jobs:
        own = [trial for of, trial in chosen if of.id == job.id]
        if own:
            try:
                yield from _job(workspace, database, job, own)
            except InputError as error:
                yield Finding("rescored", "bad", f"job {job.id}: {one_line(error)}")
    if not every:
        yield Finding("rescored", "note", "no ticket is stored yet")


def _job(workspace: Workspace, database: Database, job: JobView, trials: Sequence[TrialView]) -> Iterator[Finding]:
    spec = stored_spec(database, job.id, job.experiment, [trial.key for trial in trials])
    answer = run_apart(
        "lth_core.worker.rescore", str(workspace.folder), spec=spec.to_json(), threads=threads_of(database, job.id)
    )
    found = {int(trial): values for trial, values in answer["found"].items()}
    same = attempts.same_bits(database, job.id, answer["facts"])
    accepted = 0.0 if same else TOLERANCE * _range(views.trials(database, job.id))
    apart: list[float] = []
    for trial in trials:
        metric, was = _comparable(job, trial)
        now = found[trial.id].get(metric)
        place = f"job {job.id}, {trial.key}: {metric}"
        if was is None or now is None:
            yield Finding("rescored", "note", f"{place}: cannot be compared: what was scored is not stored")
        elif not abs(was - now) <= accepted:
            yield Finding("rescored", "bad", f"{place} was {was!r}, and is {now!r} of the stored weights")
        else:
            apart.append(abs(was - now))
    if apart:
        why = f"{accepted:.3g} is accepted: trained on another device or with other versions"
        how = f"at most {max(apart):.3g} apart ({why})" if max(apart) else "equal to the last bit"
        yield Finding("rescored", "good", f"job {job.id}: {plural(len(apart), 'ticket')} evaluated again, {how}")


def _comparable(job: JobView, trial: TrialView) -> tuple[str, float | None]:
    """The metric that follows from stored weights, and its stored value: the score, unless that is of the training."""
    metric = job.experiment.evaluated
    return metric, trial.score if metric == job.experiment.score else dict(trial.beside).get(metric)


def _range(trials: Sequence[TrialView]) -> float:
    scores = [trial.score for trial in trials if trial.score is not None and math.isfinite(trial.score)]
    return max(scores) - min(scores) if scores else 0.0
