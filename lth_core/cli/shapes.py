"""What `--json` prints: one object per command, with a version. docs/scripts.md lists the fields.

A number that is unknown or not finite is null. Fields may be added within a version; none is renamed or removed.
"""

import json
import sys
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from lth_core.analysis.domains import Domains
from lth_core.analysis.statistics import Interval
from lth_core.analysis.suite_summary import Across, JobResult
from lth_core.analysis.survival import Survival
from lth_core.analysis.verdict import Cell
from lth_core.store.records import finite
from lth_core.store.views import JobView

Fields = dict[str, Any]


class Part(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid", defer_build=True)  # most commands need few of them


class Answer(Part):
    """Base of what a command prints."""

    version: Literal[1] = 1


class Job(Part):
    """A job. Times in Unix seconds; rate in steps per second; progress from 0 to 1."""

    job: int
    name: str
    suite: str | None
    state: Literal["queued", "running", "paused", "done", "failed", "cancelled"]
    priority: int
    round: int
    rounds: int
    trials: int
    trials_done: int
    trials_failed: int
    trials_running: int
    progress: float
    rate: float
    seconds_left: float | None
    created: float
    started: float | None
    finished: float | None
    error: str | None
    source: str
    identity: str


class Jobs(Answer):
    """`lth jobs`: in the order of the queue. unreadable: numbers of jobs whose experiment cannot be read."""

    jobs: list[Job]
    unreadable: list[int]


class Pair(Part):
    """The verdict on two arms."""

    reference: str
    control: str
    word: Literal["better", "worse", "inconclusive"]
    effect: Interval
    p: float
    rounds: int
    lost: int
    improvement: Interval
    comparisons: int
    survival: Survival | None
    short: str
    facts: list[str]
    otherwise: str
    text: str


class Line(Part):
    """One answer to a question."""

    word: str
    short: str
    facts: list[str]


class Question(Part):
    """A question and its answers. word: what they have in common, `mixed`, or `not asked`."""

    question: str
    word: str
    text: str
    lines: list[Line]


class Check(Part):
    """A check of an audit that failed."""

    trial: int
    arm: str
    round: int
    seed: int
    moment: str
    name: str
    detail: str


class Audits(Part):
    """How many checks passed and failed."""

    passed: int
    failed: int


class Result(Part):
    """What a job's finished trials say; the fields of `lth headless --json`'s event `result`, too."""

    cells: list[Cell]
    verdicts: list[Pair]
    answers: list[Question]
    failures: list[str]
    notes: list[str]
    audits: Audits
    data: list[str]


class ShownJob(Result, Answer):
    """`lth show JOB`."""

    job: Job
    experiment: Fields
    provenance: Fields
    workers: str
    failed_checks: list[Check]


class Experiment(Part):
    """A resolved experiment; its fields are on fields.md."""

    name: str
    identity: str
    experiment: Fields


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


class Cost(Part):
    """The estimated cost. at_most: games bound the length. kept: share of prunable parameters after each round.

    judging: the seconds that are evaluation; before: those of a teacher's training; saved: how many more it would be
    without `training.sparse`. rate: steps per second of all slots, each with `stack` whole tickets.
    """

    steps: int
    seconds: float
    bytes: int
    at_most: bool
    judging: float
    before: float
    saved: float
    parameters: int
    rate: float
    stack: int
    slots: int
    kept: list[float]


class Checked(Experiment):
    """An experiment with its trials per arm, and its cost unless that was not measured."""

    notes: list[str]
    trials: int
    trials_per_arm: dict[str, int]
    cost: Cost | None


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


class Finding(Part):
    """What one check of `lth doctor` found."""

    what: str
    state: Literal["good", "note", "bad"]
    sentence: str
    repairable: bool


class Findings(Answer):
    """`lth doctor`."""

    findings: list[Finding]


class VerifiedPart(Part):
    """What one check of `lth verify` found. note: it could not be checked, or is worth knowing."""

    part: Literal[
        "manifest", "jobs", "records", "results", "tables", "answers", "card", "masks", "tickets", "trained again"
    ]
    state: Literal["good", "note", "bad"]
    sentence: str


class TrainedAgain(Part):
    """A trial that `lth verify --trials` trained again. drawn: false for one that a drawn trial builds on; low, high:
    the scores that are accepted where versions or processors differ."""

    job: int
    arm: str
    round: int
    seed: int
    drawn: bool
    state: Literal["equal", "within", "outside", "not equal", "not trained"]
    stored: float | None
    here: float | None
    low: float
    high: float
    sentence: str


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


class Difference(Part):
    """A field that differs; a missing one is null."""

    field: str
    a: str | None
    b: str | None


class Differences(Answer):
    """`lth diff`. same: whether they are the same experiment; fields that do not count for that may differ still."""

    same: bool
    fields: list[Difference]


class Preset(Part):
    """A built-in file."""

    name: str
    about: str


class Presets(Answer):
    """`lth presets`."""

    presets: list[Preset]


class Field(Part):
    """A field. accepted: in words; default: null if it is needed, or has none."""

    name: str
    accepted: str
    needed: bool
    default: Any


class Table(Part):
    """A table of an experiment file, once for each of its kinds."""

    table: str
    kind: str | None
    about: str
    fields: list[Field]


class FieldTables(Answer):
    """`lth fields`. The table "" is the top of the file."""

    tables: list[Table]


class Rows(Answer):
    """`lth sql`. more: whether there are rows beyond the limit."""

    columns: list[str]
    rows: list[list[Any]]
    more: bool


class Asked(Part):
    """One job of a command. carried_out: false if the next engine is to do it; then a new job has no number yet."""

    job: int | None
    name: str
    known: bool
    carried_out: bool


class ClaimTest(Part):
    """A test of a claim. difference: of the arms' weighted sum, more being better; null until the job has ended."""

    says: str
    job: str
    state: Literal["held", "contradicted", "open", "running", "not run"]
    expected: Literal["above", "below", "near zero", "no loss"]
    difference: Interval | None
    p: float | None
    density: float | None


class ClaimAnswer(Part):
    """A claim of the paper and what the workspace says of it. files: the presets that test it."""

    claim: int
    says: str
    files: list[str]
    state: Literal["held", "contradicted", "open", "mixed", "running", "not run"]
    trials: int
    trials_done: int
    tests: list[ClaimTest]


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


def job_shape(job: JobView) -> Job:
    """A job as `--json` has it."""
    same = {name: getattr(job, name) for name in Job.model_fields if name != "job"}
    return Job(job=job.id, **same)


def print_json(answer: BaseModel) -> None:
    """Print an answer on one line, in ASCII: nothing in it acts on a terminal."""
    sys.stdout.write(json.dumps(finite(answer.model_dump(mode="json"))) + "\n")
