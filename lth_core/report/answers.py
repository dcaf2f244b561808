"""What `lth headless`, `lth show` and the workbench say of a job or a suite, read from the store alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from lth_core.analysis.critical import Critical, criticals
from lth_core.analysis.questions import Finding, findings
from lth_core.analysis.related import related_notes
from lth_core.analysis.scores import JobScores
from lth_core.analysis.suite_questions import kept_or_pruned
from lth_core.analysis.suite_summary import SuiteJob, SuiteSummary, summarise_suite
from lth_core.analysis.verdict import Summary, summarise
from lth_core.experiment.experiment import Experiment
from lth_core.report.failures import causes
from lth_core.store import attempts, views
from lth_core.store.database import Database
from lth_core.store.views import JobView
from lth_core.text import one_line


@dataclass(frozen=True)
class JobAnswers:
    """The result of a job's finished trials.

    audits: how many checks passed, and failed; changed: rounds and what they ran with, if that differs; failures: see
    `failures.causes`; related: see `related.related_notes`; never_pruned: parameters that stay whole.
    """

    experiment: Experiment
    summary: Summary
    findings: tuple[Finding, ...]
    criticals: tuple[Critical, ...] = ()
    audits: tuple[int, int] = (0, 0)
    data: tuple[str, ...] = ()
    changed: str = ""
    failures: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    never_pruned: tuple[str, ...] = ()


@dataclass(frozen=True)
class SuiteAnswers:
    """The result of a suite. kept: the answers that compare jobs which differ only in `pruning.keep`."""

    name: str
    jobs: tuple[SuiteJob, ...]
    summary: SuiteSummary
    kept: tuple[Finding, ...] = ()
    related: tuple[str, ...] = ()


def job_answers(database: Database, job: JobView) -> JobAnswers:
    """The result of one job, finished or not; takes tenths of a second."""
    trials = views.trials(database, job.id)
    summary = summarise(job.experiment, trials, views.gone_layers(database, job.id))
    return JobAnswers(
        experiment=job.experiment,
        summary=summary,
        findings=findings(job.experiment, trials, summary),
        criticals=tuple(criticals(JobScores(job.experiment, trials))),
        audits=views.audit_counts(database, job.id),
        data=tuple(views.data(database, job.id)),
        changed=attempts.changes(attempts.runs(database, job.id)),
        failures=tuple(causes(trials)),
        related=tuple(related_notes(job, views.jobs(database))),
        never_pruned=tuple(views.never_pruned(database, job.id)),
    )


def suite_answers(database: Database, name: str, jobs: Sequence[JobView]) -> SuiteAnswers:
    """The joint result of these jobs."""
    held = tuple(
        SuiteJob(
            job.id, job.name, job.state, job.experiment, views.trials(database, job.id),
            views.gone_layers(database, job.id),
        )
        for job in jobs
    )  # fmt: skip
    everything = views.jobs(database)
    related = [f"{one_line(job.name)}: {note}" for job in jobs for note in related_notes(job, everything)]
    return SuiteAnswers(name, held, summarise_suite(held), tuple(kept_or_pruned(held)), tuple(related))
