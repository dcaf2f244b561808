"""A job's result, printed as a table and answers or as JSON."""

import json
import sys

from rich.console import Console

from lth_core.cli.console import print_parts
from lth_core.report import table
from lth_core.report.answer_fields import job_fields
from lth_core.report.answers import job_answers
from lth_core.store.database import Database
from lth_core.store.records import finite
from lth_core.store.views import JobView


def print_job(console: Console, database: Database, job: JobView, *, as_json: bool = False) -> None:
    """Print the result of the job's finished trials: table and answers, or one `result` event."""
    found = job_answers(database, job)
    if as_json:
        event = {"event": "result", "job": job.id, "name": job.name, "state": job.state, **job_fields(found)}
        sys.stdout.write(json.dumps(finite(event)) + "\n")
    else:
        print_parts(console, table.result(found))
