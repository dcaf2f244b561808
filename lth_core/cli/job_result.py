"""A job's result, printed as a table and answers or as JSON."""

import json
import sys
from dataclasses import asdict
from typing import Any

from rich.console import Console

from lth_core.analysis.questions import notes
from lth_core.cli.console import print_parts
from lth_core.report import table
from lth_core.report.answers import JobAnswers, job_answers
from lth_core.store.database import Database
from lth_core.store.records import finite
from lth_core.store.views import JobView


def print_job(console: Console, database: Database, job: JobView, *, as_json: bool = False) -> None:
    """Print the result of the job's finished trials: table and answers, or one `result` event."""
    found = job_answers(database, job)
    if as_json:
        event = {"event": "result", "job": job.id, "name": job.name, "state": job.state, **result_fields(job, found)}
        sys.stdout.write(json.dumps(finite(event)) + "\n")
    else:
        print_parts(console, table.result(found))


def result_fields(job: JobView, found: JobAnswers) -> dict[str, Any]:
    """The same as fields: those of `shapes.Result`."""
    summary = found.summary
    return {
        "cells": [asdict(cell) for cell in summary.cells],
        "verdicts": [{**asdict(v), "text": v.text} for v in (*summary.verdicts, *summary.further)],
        "answers": [answer.fields() for answer in found.findings],
        "failures": list(found.failures),
        "notes": [*notes(job.experiment, summary), *found.related, *filter(None, [found.changed])],
        "audits": {"passed": found.audits[0], "failed": found.audits[1]}, "data": list(found.data),
    }  # fmt: skip
