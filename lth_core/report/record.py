"""Everything a report says about a job, read from the store alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lth_core.analysis.connectivity import Barrier, Instability
from lth_core.analysis.inspection import Inspected
from lth_core.analysis.matching import Match, margin_of, match
from lth_core.analysis.questions import Finding, findings
from lth_core.analysis.related import related_notes
from lth_core.analysis.scores import JobScores
from lth_core.analysis.suite_questions import suite_findings
from lth_core.analysis.suite_summary import SuiteJob, SuiteSummary, summarise_suite
from lth_core.analysis.verdict import Summary, summarise
from lth_core.experiment.experiment import Experiment
from lth_core.store import attempts, glances, metrics, views
from lth_core.store.attempts import Run
from lth_core.store.database import Database
from lth_core.store.metrics import Curve
from lth_core.store.views import AuditView, GoneLayer, JobView, LayerView, TrialView


@dataclass(frozen=True)
class JobRecord:
    """One job. active: seconds of training; curves: by metric's name, then trial; matches: each arm and round against
    the dense network, empty without a margin; data: what was trained on, empty for environments; runs: what its
    attempts ran with; inspected, barriers, instabilities: the analysis of tickets, as far as it was made."""

    job: JobView
    trials: tuple[TrialView, ...]
    summary: Summary
    findings: tuple[Finding, ...]
    matches: tuple[Match, ...]
    layers: tuple[LayerView, ...]
    audits: tuple[int, int]
    failed_audits: tuple[AuditView, ...]
    data: tuple[str, ...]
    provenance: dict[str, Any]
    active: float
    curves: dict[str, dict[int, Curve]]
    inspected: tuple[Inspected, ...] = ()
    barriers: tuple[Barrier, ...] = ()
    instabilities: tuple[Instability, ...] = ()
    runs: tuple[Run, ...] = ()
    gone: tuple[GoneLayer, ...] = ()
    related: tuple[str, ...] = ()

    @property
    def experiment(self) -> Experiment:
        """What was asked."""
        return self.job.experiment

    @property
    def scores(self) -> JobScores:
        """The job's finished scores."""
        return JobScores(self.experiment, self.trials)


@dataclass(frozen=True)
class SuiteRecord:
    """A suite: its jobs and their common summary."""

    name: str
    jobs: tuple[JobRecord, ...]
    summary: SuiteSummary
    findings: tuple[Finding, ...]


def job_record(database: Database, job: JobView) -> JobRecord:
    """Everything of a job, finished or not."""
    trials = tuple(views.trials(database, job.id))
    gone = tuple(views.gone_layers(database, job.id))
    summary = summarise(job.experiment, trials, gone)
    ids = [trial.id for trial in trials]
    names = glances.all_metric_names(database)
    curves = {name: found for name in names if (found := metrics.curves(database, ids, name))}
    return JobRecord(
        job=job,
        trials=trials,
        summary=summary,
        findings=findings(job.experiment, trials, summary),
        matches=tuple(_matches(JobScores(job.experiment, trials))),
        layers=tuple(views.layers(database, job.id)),
        audits=views.audit_counts(database, job.id),
        failed_audits=tuple(views.audits(database, job.id, failed_only=True)),
        data=tuple(views.data(database, job.id)),
        provenance=views.provenance(database, job.id),
        active=glances.seconds_active(database, job.id),
        curves=curves,
        runs=tuple(attempts.runs(database, job.id)),
        gone=gone,
        related=tuple(related_notes(job, views.jobs(database))),
    )


def suite_record(database: Database, name: str, jobs: Sequence[JobView]) -> SuiteRecord:
    """A suite's jobs and their summary."""
    records = tuple(job_record(database, job) for job in jobs)
    held = [SuiteJob(r.job.id, r.job.name, r.job.state, r.experiment, r.trials, r.gone) for r in records]
    summary = summarise_suite(held)
    return SuiteRecord(name, records, summary, suite_findings(held, summary))


def _matches(scores: JobScores) -> list[Match]:
    margin = margin_of(scores)
    if margin is None:
        return []
    rounds = range(1, scores.experiment.pruning.rounds + 1)
    found = [match(scores, arm, round, margin) for round in rounds for arm in scores.experiment.ticket_arms]
    return [one for one in found if one.gain.n]
