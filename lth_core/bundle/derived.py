"""The parts of a bundle that follow from others: tables, answers, protocol card, of each job and of a suite.

Both sides compute them from the rebuilt database: who makes a bundle, and who verifies it.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from lth_core.bundle.collect import folder_of
from lth_core.bundle.engine_facts import JobFacts
from lth_core.errors import InputError
from lth_core.report.answer_fields import answers_of, job_fields, suite_fields
from lth_core.report.card import card
from lth_core.report.record import JobRecord, job_record, suite_record
from lth_core.report.rows import Row
from lth_core.report.table_files import as_csv
from lth_core.report.tables import job_tables, suite_tables
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.records import finite
from lth_core.text import one_line

TABLES = ("trials", "lottery", "verdicts", "critical", "matching", "answers", "layers", "curves")
SUITE_TABLES = ("across", "effects", "domains", "suite_answers")
CARD = "card.md"


def derived(database: Database, jobs: Sequence[JobFacts], suite: str | None) -> dict[str, bytes]:
    """All of them by their path in the bundle."""
    views_of = {job.job: views.job(database, job.job) for job in jobs}
    found: dict[str, bytes] = {}
    if suite is None:
        records = [job_record(database, view) for view in views_of.values() if view is not None]
    else:
        whole = suite_record(database, suite, [view for view in views_of.values() if view is not None])
        records = list(whole.jobs)
        found |= _tables("suite", suite_tables(whole), SUITE_TABLES)
        related = [f"{one_line(one.job.name)}: {note}" for one in records for note in one.related]
        found["suite/answers.json"] = _json(suite_fields(suite, whole.summary, whole.findings, related))
    for record in records:
        found.update(_of_job(record))
    return found


def _of_job(record: JobRecord) -> Iterator[tuple[str, bytes]]:
    folder = folder_of(record.job.id)
    yield from _tables(folder, job_tables(record), TABLES).items()
    yield f"{folder}/answers.json", _json(job_fields(answers_of(record)))
    lines = [f"# {one_line(record.job.name)}", "", *(f"- **{heading}**: {text}" for heading, text in card(record))]
    yield f"{folder}/{CARD}", ("\n".join(lines) + "\n").encode()


def _tables(folder: str, tables: dict[str, list[Row]], names: Sequence[str]) -> dict[str, bytes]:
    return {f"{folder}/tables/{name}.csv": as_csv(tables[name]) for name in names if tables[name]}


def _json(fields: dict[str, Any]) -> bytes:
    return (json.dumps(finite(fields), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def same_results(original: Database, remade: Database, job: int) -> None:
    """Raises InputError if the rebuilt database does not hold the results that the workspace's own does."""
    for was, now in zip(views.trials(original, job), views.trials(remade, job), strict=True):
        names = ("state", "score", "density", "model_density", *(("step",) if was.state == "done" else ()))
        for name in names:
            one, other = getattr(was, name), getattr(now, name)
            if one != other:
                raise InputError(
                    f"job {job}: {was.key}: {name} is {one} in the database and {other} by its records; "
                    "`lth doctor` says more"
                )
    if views.audit_counts(original, job) != views.audit_counts(remade, job):
        raise InputError(f"job {job}: the database has other audits than its records; `lth doctor` says more")
