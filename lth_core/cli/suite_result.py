"""The summary of a suite, printed as tables and sentences or as one JSON event."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from lth_core.analysis.suite_questions import sentences, suite_findings
from lth_core.analysis.suite_summary import SuiteSummary
from lth_core.cli.console import make_console, print_parts
from lth_core.errors import InputError
from lth_core.report import suite_table
from lth_core.report.answers import suite_answers
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.records import finite
from lth_core.store.views import JobView
from lth_core.store.workspace import Workspace
from lth_core.text import did_you_mean, one_line


def show_suite(name: str, workspace: Path) -> None:
    """Print the summary of a suite; raises InputError if the workspace has no such suite."""
    database = Database(Workspace(workspace).database, writer=False)
    jobs = views.suite_jobs(database, name)
    if not jobs:
        known = views.suites(database)
        there_are = ", ".join(one_line(one) for one in known) or "none"
        near = did_you_mean(name, known)
        raise InputError(f"{one_line(workspace)}: there is no suite {one_line(name, 80)}; there are: {there_are}{near}")
    print_suite(make_console(), database, name, jobs, as_json=False)


def print_suite(console: Console, database: Database, name: str, jobs: Sequence[JobView], *, as_json: bool) -> None:
    """Print the joint result of these jobs: tables and sentences, or one `suite result` event."""
    found = suite_answers(database, name, jobs)
    if as_json:
        answers = [finding.fields() for finding in suite_findings(found.jobs, found.summary)]
        event = {**_event(name, found.summary), "answers": answers, "notes": list(found.related)}
        sys.stdout.write(json.dumps(finite(event)) + "\n")
        return
    console.print()
    print_parts(console, suite_table.parts(found))


def _event(name: str, summary: SuiteSummary) -> dict[str, Any]:
    return {"event": "suite result", "suite": name, **asdict(summary), "said": list(sentences(summary))}
