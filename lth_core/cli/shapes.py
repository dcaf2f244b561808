"""What `--json` prints: one object per command, with a version. docs/scripts.md lists the fields.

A number that is unknown or not finite is null. Fields may be added within a version; none is renamed or removed.
"""

import json
import sys
from typing import Any, Literal

from pydantic import BaseModel

from lth_core.analysis.domains import Domains
from lth_core.analysis.suite_summary import Across, JobResult
from lth_core.cli.shape_parts import (
    Asked,
    Check,
    Checked,
    ClaimAnswer,
    Difference,
    Experiment,
    Fields,
    Finding,
    Job,
    Part,
    Preset,
    Question,
    Result,
    Table,
    TrainedAgain,
    VerifiedPart,
)
from lth_core.store.records import finite


class Answer(Part):
    """Base of what a command prints."""

    version: Literal[1] = 1


class Jobs(Answer):
    """`lth jobs`: in the order of the queue. unreadable: numbers of jobs whose experiment cannot be read."""

    jobs: list[Job]
    unreadable: list[int]


class ShownJob(Result, Answer):
    """`lth show JOB`."""

    job: Job
    experiment: Fields
    provenance: Fields
    workers: str
    failed_checks: list[Check]


class ShownFile(Answer):
    """`lth show FILE`: one experiment, or those of a suite."""

    suite: str | None
    experiments: list[Experiment]


class ShownSuite(Answer):
    """`lth show --suite NAME`. said: everything in sentences. domains: null unless it asks about images."""

    suite: str
    arm: str
    jobs: list[JobResult]
    across: list[Across]
    without_scale: list[str]
    domains: Domains | None
    said: list[str]
    answers: list[Question]
    notes: list[str]


class CheckedFile(Answer):
    """`lth check`."""

    suite: str | None
    experiments: list[Checked]


class Inspection(Answer):
    """`lth inspect`: the rows that `lth export` writes; the others are null unless asked for."""

    job: int
    tickets: list[Fields]
    barriers: list[Fields] | None
    instability: list[Fields] | None
    churn: list[Fields] | None


class Findings(Answer):
    """`lth doctor`."""

    findings: list[Finding]


class Verified(Answer):
    """`lth verify`. holds: nothing is wrong; draw: the seed that drew the trials, null if none were."""

    file: str
    name: str
    suite: str | None
    jobs: list[int]
    holds: bool
    findings: list[VerifiedPart]
    draw: int | None
    trained_again: list[TrainedAgain]


class Differences(Answer):
    """`lth diff`. same: whether they are the same experiment; fields that do not count for that may differ still."""

    same: bool
    fields: list[Difference]


class Presets(Answer):
    """`lth presets`."""

    presets: list[Preset]


class FieldTables(Answer):
    """`lth fields`. The table "" is the top of the file."""

    tables: list[Table]


class Rows(Answer):
    """`lth sql`. more: whether there are rows beyond the limit."""

    columns: list[str]
    rows: list[list[Any]]
    more: bool


class Claims(Answer):
    """`lth claims`."""

    claims: list[ClaimAnswer]


class Commanded(Answer):
    """`lth add`, `pause`, `resume`, `cancel`, `retry`, `move`. known: the workspace had the experiment already."""

    command: str
    jobs: list[Asked]


class Waited(Answer):
    """`lth wait`. gone: jobs that were deleted; given_up: the time was over first."""

    jobs: list[Job]
    gone: list[int]
    given_up: bool


ANSWERS: dict[str, type[Answer]] = {
    "jobs": Jobs, "show JOB": ShownJob, "show FILE": ShownFile, "show --suite NAME": ShownSuite, "check": CheckedFile,
    "inspect": Inspection, "doctor": Findings, "verify": Verified, "diff": Differences, "presets": Presets,
    "fields": FieldTables, "sql": Rows, "claims": Claims,
    "add, pause, resume, cancel, retry, move": Commanded, "wait": Waited,
}  # fmt: skip
"""By command."""


def print_json(answer: BaseModel) -> None:
    """Print an answer on one line, in ASCII: nothing in it acts on a terminal."""
    sys.stdout.write(json.dumps(finite(answer.model_dump(mode="json"))) + "\n")
