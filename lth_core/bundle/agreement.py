"""Whether the parts of a bundle that the records repeat agree with each other: plan, numbers, ends, audits, curves."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from lth_core.bundle.engine_facts import JobFacts
from lth_core.bundle.finding import Finding, bad, good, note
from lth_core.bundle.rebuilt import Rebuilt
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey, plan
from lth_core.store import metrics, views
from lth_core.store.database import Database
from lth_core.store.views import JobView, TrialView
from lth_core.text import plural

MOST = 20
"""The most findings of a kind that are told one by one."""
_NOT_OF_ALL = ("score", "loss")
"""Checks that are made of some trials only: what is computed a second time."""


@dataclass(frozen=True)
class Told:
    """A job as its bundle tells it. stated: what `experiment.json` holds; job, trials: from its records; alone: trials
    whose failure no record tells."""

    facts: JobFacts
    stated: Experiment
    job: JobView
    trials: dict[TrialKey, TrialView]
    alone: list[TrialKey]

    @property
    def code(self) -> str:
        """The code that its task names, in words: deriving tickets and training would run it."""
        return " and ".join(self.stated.task.imports)


def told(found: Rebuilt, facts: JobFacts, stated: Experiment) -> Told:
    """A job of the rebuilt database; raises InputError if no record is of it."""
    job = views.job(found.database, facts.job)
    if job is None:
        raise InputError(f"job {facts.job}: no record of a worker is of it")
    trials = {trial.key: trial for trial in views.trials(found.database, facts.job)}
    return Told(facts, stated, job, trials, found.alone.get(facts.job, []))


def disagreements(database: Database, job: Told) -> Iterator[Finding]:
    """Findings of one job; a good one of each kind if nothing is wrong."""
    if wrong := list(_plan(job)):
        yield from limited(bad("jobs", sentence) for sentence in wrong)
        return
    ends = [bad("results", sentence) for sentence in (*_ends(job), *_audits(database, job), *_scores(database, job))]
    yield from limited(iter(ends))
    if job.alone:
        named = ", ".join(map(str, job.alone[:3])) + " ..." * (len(job.alone) > 3)
        yield note("results", f"job {job.facts.job}: no worker's record tells why these failed: {named}")
    if not ends:
        done = sum(trial.state == "done" for trial in job.facts.trials)
        lost = len(job.facts.trials) - done
        yield good("results", (
            f"job {job.facts.job}: {plural(done, 'trial')} done, {lost} failed or blocked, as planned; each score is "
            "the end of its curve, each has passed its audits"
        ))  # fmt: skip


def limited(findings: Iterator[Finding]) -> Iterator[Finding]:
    """At most MOST findings, and how many more there are."""
    found = list(findings)
    yield from found[:MOST]
    if len(found) > MOST:
        yield bad(found[0].part, f"and {len(found) - MOST} more")


def _plan(job: Told) -> Iterator[str]:
    facts, number = job.facts, job.facts.job
    for where, experiment in (("experiment.json", job.stated), ("what its batches trained", job.job.experiment)):
        if experiment.identity != facts.identity or experiment.name != facts.name:
            yield (
                f"job {number}: {where} is {experiment.name} with identity {experiment.identity[:12]}, job.json says "
                f"{facts.name} with {facts.identity[:12]}"
            )
    keys = [planned.key for planned in plan(job.stated)]
    told_of = [trial.key for trial in facts.trials]
    for key in [key for key in keys if key not in set(told_of)][:MOST]:
        yield f"job {number}: {key} is missing: its experiment plans it, and job.json does not say how it ended"
    for key in [key for key in told_of if key not in set(keys)][:MOST]:
        yield f"job {number}: {key} is in job.json, and its experiment does not plan it"
    yield from _numbers(job)


def _numbers(job: Told) -> Iterator[str]:
    """Trials are numbered as they are planned, so that one cannot be left out. Those that never began may have other
    numbers, in a workspace that was rebuilt."""
    began = [(place, trial) for place, trial in enumerate(job.facts.trials) if trial.state != "blocked"]
    first = began[0][1].id - began[0][0] if began else 0
    for place, trial in began:
        if trial.id != first + place:
            yield (
                f"job {job.facts.job}: {trial.key} has number {trial.id}, by its place in the plan {first + place}: "
                "a seed, arm or round between was left out or added"
            )
            return
    for _, trial in began:
        found = job.trials.get(trial.key)
        if found is not None and trial.state == "done" and found.id != trial.id:
            yield f"job {job.facts.job}: {trial.key} has number {trial.id}, in the records {found.id}"
            return


def _ends(job: Told) -> Iterator[str]:
    for trial in job.facts.trials:
        found = job.trials.get(trial.key)
        if found is None or found.state != trial.state:
            said = "nothing" if found is None else found.state
            yield f"job {job.facts.job}: {trial.key} is {trial.state} by job.json, {said} by the records"
    lost = any(trial.state != "done" for trial in job.facts.trials)
    if (job.facts.state == "failed") != lost:
        yield f"job {job.facts.job}: is {job.facts.state}, and {'a' if lost else 'no'} trial has failed"


def _audits(database: Database, job: Told) -> Iterator[str]:
    """Each finished trial has been audited before and after, and lacks no check that all others of its arm have."""
    checks: dict[TrialKey, set[tuple[str, str]]] = {}
    for one in views.audits(database, job.facts.job):
        if one.name not in _NOT_OF_ALL:
            checks.setdefault(TrialKey(one.round, one.arm, one.seed), set()).add((one.moment, one.name))
        if not one.passed and job.trials[TrialKey(one.round, one.arm, one.seed)].state == "done":
            yield f"job {job.facts.job}: {one.arm} round {one.round} seed {one.seed}: failed {one.name}, and is done"
    done = [key for key, trial in job.trials.items() if trial.state == "done"]
    for key in done:
        others = [checks.get(one, set()) for one in done if one.arm == key.arm and one != key]
        common = set.intersection(*others) if others else set()
        missing = common - checks.get(key, set())
        moments = {moment for moment, _ in checks.get(key, ())}
        if missing:
            moment, name = min(missing)
            yield f"job {job.facts.job}: {key} lacks the audit {name} ({moment}), which all others of its arm have"
        elif moments != {"before", "after"}:
            yield f"job {job.facts.job}: {key} is done, and was not audited before and after its training"


def _scores(database: Database, job: Told) -> Iterator[str]:
    """Each score is what its curve ends with."""
    metric = job.stated.score
    ids = [trial.id for trial in job.trials.values()]
    curves = metrics.curves(database, ids, metric)
    for key, trial in job.trials.items():
        if trial.state != "done":
            continue
        curve = curves.get(trial.id)
        last = float(curve.values[-1]) if curve is not None and int(curve.steps[-1]) == trial.step else math.nan
        if trial.score is None or last != trial.score:
            yield f"job {job.facts.job}: {key} has score {trial.score}, and its {metric} ends with {last}"
