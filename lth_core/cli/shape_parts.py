"""Parts of what `--json` prints, such as a job or a verdict; `shapes` has the answers."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from lth_core.analysis.statistics import Interval
from lth_core.analysis.survival import Survival
from lth_core.analysis.verdict import Cell
from lth_core.bundle import finding
from lth_core.store.views import JobView

Fields = dict[str, Any]


class Part(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid", defer_build=True)  # most commands need few of them


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


class Experiment(Part):
    """A resolved experiment; its fields are on fields.md."""

    name: str
    identity: str
    experiment: Fields


class Cost(Part):
    """The estimated cost. at_most: games bound the length. kept: share of prunable parameters after each round. replay:
    bytes of memory that the replay buffers of each stack take, 0 without; their checkpoints take up to twice that.

    seconds: of the clock, on an idle machine; work: seconds in which workers compute, of all together: of a processor,
    on a GPU of the clock. Of the work: judging: evaluation; before: a teacher's training; saved: how much more it would
    be without `training.sparse`. rate: steps per second of all slots (of a cluster: the jobs
    that may be submitted at once), each with `stack` whole tickets.
    """

    steps: int
    seconds: float
    work: float
    bytes: int
    replay: int
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


class Finding(Part):
    """What one check of `lth doctor` found."""

    what: str
    state: Literal["good", "note", "bad"]
    sentence: str
    repairable: bool


class VerifiedPart(Part):
    """What one check of `lth verify` found. note: it could not be checked, or is worth knowing."""

    part: finding.Part
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


class Difference(Part):
    """A field that differs; a missing one is null."""

    field: str
    a: str | None
    b: str | None


class Preset(Part):
    """A built-in file."""

    name: str
    about: str


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


def job_shape(job: JobView) -> Job:
    """A job as `--json` has it."""
    same = {name: getattr(job, name) for name in Job.model_fields if name != "job"}
    return Job(job=job.id, **same)
