"""A job's result, printed as a table and answers or as one JSON event."""

import json
import sys
from dataclasses import asdict

from rich.console import Console

from lth_core.analysis.questions import findings, notes
from lth_core.analysis.related import related_notes
from lth_core.analysis.verdict import summarise
from lth_core.cli.console import print_parts
from lth_core.report import table
from lth_core.report.failures import causes
from lth_core.store import attempts, views
from lth_core.store.database import Database
from lth_core.store.records import finite
from lth_core.store.views import JobView


def print_job(console: Console, database: Database, job: JobView, *, as_json: bool = False) -> None:
    """Print the result of the job's finished trials: table and answers, or one `result` event."""
    trials = views.trials(database, job.id)
    summary = summarise(job.experiment, trials, views.gone_layers(database, job.id))
    answers = findings(job.experiment, trials, summary)
    audits, data = views.audit_counts(database, job.id), views.data(database, job.id)
    changed = attempts.changes(attempts.runs(database, job.id))
    related = list(related_notes(job, views.jobs(database)))
    if not as_json:
        print_parts(
            console, table.result(job.experiment, summary, answers, audits, data, changed, causes(trials), related)
        )
        return
    result = {
        "event": "result", "job": job.id, "name": job.name, "state": job.state,
        "cells": [asdict(cell) for cell in summary.cells],
        "verdicts": [{**asdict(v), "text": v.text} for v in (*summary.verdicts, *summary.further)],
        "answers": [answer.fields() for answer in answers],
        "failures": causes(trials),
        "notes": [*notes(job.experiment, summary), *related, *filter(None, [changed])],
        "audits": {"passed": audits[0], "failed": audits[1]}, "data": data,
    }  # fmt: skip
    sys.stdout.write(json.dumps(finite(result)) + "\n")
