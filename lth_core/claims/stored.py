"""The results behind the claims as files: tables, protocol card, figure and facts of each job, the answers, and the
paper's figures drawn from them. Folders of the machine they were run on are left out."""

import json
import math
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path, PurePath

from lth_core.analysis.matching import margin_of
from lth_core.analysis.questions import NOT_ASKED
from lth_core.analysis.scores import JobScores
from lth_core.batches.batch import BatchFolder
from lth_core.batches.spent import cpu_seconds
from lth_core.claims.answer import Answered, answered, job_of, state_of
from lth_core.claims.claim import STORED, Claim, claims, experiments, paper_figures
from lth_core.claims.table import has_same_scores
from lth_core.errors import InputError
from lth_core.invalid import reason
from lth_core.report.card import card
from lth_core.report.record import JobRecord, job_record
from lth_core.report.table_files import as_csv, make_folder
from lth_core.report.tables import job_tables
from lth_core.settings.base import Section
from lth_core.store.attempts import changes, said
from lth_core.store.batches import batches_of, seconds_by_device
from lth_core.store.database import Database
from lth_core.store.tensors import write_atomically
from lth_core.store.workspace import Workspace
from lth_core.text import one_line

TABLES = ("trials", "lottery", "verdicts", "critical", "matching", "answers")
"""Those of `lth export` that are kept: curves and layers are too large."""
ENDED = ("done", "failed")
UNKNOWN = ("not run", "running")


class StoredTest(Section):
    """A test's answer as it was when it was stored."""

    says: str
    state: str
    text: str


class StoredClaim(Section):
    """A claim's answer; jobs: the names of those it rests on."""

    number: int
    state: str
    tests: tuple[StoredTest, ...]
    jobs: tuple[str, ...]


class StoredJob(Section):
    """The facts of a job. hours: of its batches, added up (of the clock, so more than a processor's where other work
    ran beside them); halves: the critical density of each arm, in words; answers: the questions of the job, each answer
    in short; changes: where its attempts did not all run with the same versions or revision, which rounds ran with
    what. cpu_hours: of a processor, None where not every attempt has recorded it; workers: what all attempts ran with;
    reference: the score of nothing learned; gain: what the dense network's interquartile mean is better by, None where
    that is not certain; margin: of tests for no difference and no loss."""

    name: str
    identity: str
    state: str
    seeds: int
    rounds: int
    trainings: int
    hours: float
    passed: int
    failed: int
    halves: dict[str, str]
    answers: tuple[str, ...]
    versions: str
    changes: str = ""
    cpu_hours: float | None = None
    workers: str = ""
    reference: float | None = None
    reference_is: str = ""
    gain: float | None = None
    margin: float | None = None


class Stored(Section):
    """All of it: `claims.json` of a folder."""

    claims: tuple[StoredClaim, ...]
    jobs: tuple[StoredJob, ...]


def store(database: Database, folder: Path) -> Stored:
    """Write the jobs of claims that have ended in this workspace, and the claims that they answer, into a folder; what
    the folder has of other jobs and claims stays. Raises InputError for a folder that cannot be written or holds
    something else."""
    make_folder(folder)
    before = read(folder) if (folder / "claims.json").exists() else Stored(claims=(), jobs=())
    found = [answered(database, claim) for claim in claims()]
    ended = [one for one in found if one.state not in UNKNOWN]
    records = {record.job.name: record for record in _records(database, claims())}
    same = {
        name for name, one in records.items() if has_same_scores(folder / name / "trials.csv", one.trials)
    }  # before the tables are written
    for record in records.values():
        _write(record, folder / record.job.name)
    kept = {one.number: one for one in before.claims}
    for answer in ended:
        kept[answer.claim.number] = _claim(answer, kept.get(answer.claim.number), same)
    facts = {name: _facts(database, record) for name, record in records.items()}
    jobs = {one.name: one for one in before.jobs} | facts
    new = Stored(claims=tuple(kept[number] for number in sorted(kept)), jobs=tuple(jobs[name] for name in sorted(jobs)))
    text = json.dumps(new.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / "claims.json", text.encode())
    _draw(folder)
    return new


def read(folder: Path) -> Stored:
    """What `store` has written; raises InputError where it is missing or is something else."""
    path = folder / "claims.json"
    try:
        return Stored.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{one_line(path)}: {reason(error)}: {STORED}") from None


def _records(database: Database, asked: Iterable[Claim]) -> Iterable[JobRecord]:
    for file in dict.fromkeys(file for claim in asked for file in claim.files):
        for experiment in experiments(file):
            job = job_of(database, experiment)
            if job is not None and job.state in ENDED:
                yield _placeless(job_record(database, job))


def _placeless(record: JobRecord) -> JobRecord:
    """With the names of files, without the folders they lie in."""
    task = record.experiment.task
    named = {place: PurePath(at).name for place in task.places if (at := getattr(task, place)) is not None}
    if not named:
        return record
    experiment = record.experiment.model_copy(update={"task": task.model_copy(update=named)})
    return replace(record, job=replace(record.job, experiment=experiment))


def _write(record: JobRecord, folder: Path) -> None:
    from lth_core.report.drawing import rendered, styled  # matplotlib
    from lth_core.report.figures import lottery_figure

    make_folder(folder)
    with styled():
        drawn = lottery_figure(record)
    if drawn is not None:
        write_atomically(folder / "lottery.svg", rendered(drawn[0], "svg"))
    tables = job_tables(record)
    for name in TABLES:
        if tables[name]:
            write_atomically(folder / f"{name}.csv", as_csv(tables[name]))
    lines = [f"# {one_line(record.job.name)}", "", *(f"- **{heading}**: {text}" for heading, text in card(record))]
    write_atomically(folder / "card.md", ("\n".join(lines) + "\n").encode())
    write_atomically(folder / "experiment.json", (record.experiment.canonical() + "\n").encode())


def _draw(folder: Path) -> None:
    from lth_core.claims.figures import draw  # matplotlib
    from lth_core.report.drawing import rendered

    for figure in paper_figures():
        drawn = draw(figure, folder)
        if drawn is not None:
            write_atomically(folder / f"figure-{figure.number}.svg", rendered(drawn, "svg"))


def _claim(one: Answered, before: StoredClaim | None, same: Collection[str]) -> StoredClaim:
    """A test that this workspace has not run keeps the answer that was stored before. So does, where it has not run all
    tests of the claim, a test of jobs with the same scores as before: its p was corrected with what all tests found.
    """
    known = {test.says: test for test in before.tests} if before is not None else {}
    partly, tests = any(tested.state in UNKNOWN for tested in one.tested), []
    for tested in one.tested:
        new = StoredTest(says=tested.test.says, state=tested.state, text=tested.text)
        old = known.get(new.says, new)
        jobs = {tested.test.job, tested.test.than or tested.test.job}
        again = partly and old.state not in UNKNOWN and jobs <= set(same)
        tests.append(old if again or new.state in UNKNOWN else new)
    state = state_of([test.state for test in tests], some=one.claim.some)
    return StoredClaim(
        number=one.claim.number, state=state, tests=tuple(tests),
        jobs=tuple(dict.fromkeys(job for test in one.claim.tests for job in (test.job, test.than) if job is not None)),
    )  # fmt: skip


def _facts(database: Database, record: JobRecord) -> StoredJob:
    passed, failed = record.audits
    scores, spent = record.scores, _cpu_seconds(database, record.job.id)
    batches = seconds_by_device(database, record.job.id)
    return StoredJob(
        name=record.job.name, identity=record.job.identity, state=record.job.state,
        seeds=len(record.experiment.seeds), rounds=record.experiment.pruning.rounds, trainings=len(record.trials),
        hours=round(sum(seconds for _, seconds in batches) / 3600, 2), passed=passed, failed=failed,
        halves={one.arm: one.text for one in record.summary.halves},
        answers=tuple(line.short for finding in record.findings for line in finding.lines if finding.word != NOT_ASKED),
        versions=dict(card(record))["Queued with"], changes=changes(record.runs),
        cpu_hours=None if spent is None else round(spent / 3600, 2), workers=said(record.runs),
        reference=scores.reference if scores.zero is None else scores.zero, reference_is=_reference_is(scores),
        gain=scores.scale, margin=margin_of(scores),
    )  # fmt: skip


def _reference_is(scores: JobScores) -> str:
    if scores.measured:
        classes = scores.experiment.task.reference == "accuracy-majority/test"
        return "the commonest class" if classes else "word frequencies"
    return "" if scores.reference is None else "random play"


def _cpu_seconds(database: Database, job: int) -> float | None:
    """Of all attempts of a job; None where one does not say."""
    workspace = Workspace(database.path.parent)
    batches = batches_of(database.connection, job)
    attempts = [attempt for batch in batches for attempt in BatchFolder(workspace.batch(batch)).attempts().values()]
    found = [cpu_seconds(attempt) for attempt in attempts]
    return math.fsum(one for one in found if one is not None) if found and None not in found else None
