"""The summary of a suite, printed as tables and sentences or as JSON."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from lth_core.analysis.suite_questions import suite_findings
from lth_core.cli.console import make_console, print_parts
from lth_core.cli.shapes import ShownSuite, print_json
from lth_core.errors import InputError
from lth_core.report import suite_table
from lth_core.report.answer_fields import suite_fields
from lth_core.report.answers import SuiteAnswers, suite_answers
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.records import finite
from lth_core.store.views import JobView
from lth_core.store.workspace import Workspace
from lth_core.text import did_you_mean, one_line


def show_suite(name: str, workspace: Path, *, as_json: bool = False) -> None:
    """Print the summary of a suite; raises InputError if the workspace has no such suite."""
    database = Database(Workspace(workspace).database, writer=False)
    jobs = views.suite_jobs(database, name)
    if not jobs:
        known = views.suites(database)
        there_are = ", ".join(one_line(one) for one in known) or "none"
        near = did_you_mean(name, known)
        raise InputError(f"{one_line(workspace)}: there is no suite {one_line(name, 80)}; there are: {there_are}{near}")
    if as_json:
        print_json(ShownSuite(**_fields(suite_answers(database, name, jobs))))
    else:
        print_suite(make_console(), database, name, jobs, as_json=False)


def print_suite(console: Console, database: Database, name: str, jobs: Sequence[JobView], *, as_json: bool) -> None:
    """Print the joint result of these jobs: tables and sentences, or one `suite result` event."""
    found = suite_answers(database, name, jobs)
    if as_json:
        sys.stdout.write(json.dumps(finite({"event": "suite result", **_fields(found)})) + "\n")
        return
    console.print()
    print_parts(console, suite_table.parts(found))


def _fields(found: SuiteAnswers) -> dict[str, Any]:
    return suite_fields(found.name, found.summary, suite_findings(found.jobs, found.summary), found.related)
