"""What the jobs of a workspace say of a claim: held, contradicted, open, or not run to its end yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from lth_core.analysis.collapse import FALLEN
from lth_core.analysis.contrast import Contrast, Sums, Word, contrast, sums
from lth_core.analysis.scores import JobScores
from lth_core.analysis.statistics import holm
from lth_core.claims.claim import Claim, Comparison, Sign, experiments
from lth_core.experiment.experiment import Experiment
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.views import JobView

State = Literal["held", "contradicted", "open", "mixed", "running", "not run"]


@dataclass(frozen=True)
class Tested:
    """A test's answer. text: in a sentence, with its numbers; found: None while the job has not ended."""

    test: Comparison
    state: State
    text: str
    found: Contrast | None = None
    p: float = 1.0


@dataclass(frozen=True)
class Answered:
    """A claim's answer. left: its presets that are not run to their end; done: trials of its jobs that have ended, of
    all that they have."""

    claim: Claim
    state: State
    tested: tuple[Tested, ...]
    left: tuple[str, ...]
    done: tuple[int, int]


def answered(database: Database, claim: Claim) -> Answered:
    """What this workspace says of a claim. Tests are corrected over the claim: of a difference by Holm, of none or no
    loss by Bonferroni."""
    wanted = {one.name: one for file in claim.files for one in experiments(file)}
    jobs = {name: job_of(database, one) for name, one in wanted.items()}
    found = [_many(_contrast(database, jobs, test), len(claim.tests)) for test in claim.tests]
    p = holm([1.0 if one is None else one.p for one in found])  # also over those to come: looking early gains nothing
    tested = tuple(
        _tested(test, one, corrected, jobs[test.job])
        for test, one, corrected in zip(claim.tests, found, p, strict=True)
    )
    known = [job for job in jobs.values() if job is not None]
    done = sum(job.trials_done for job in known), sum(job.trials for job in known)
    left = tuple(file for file in claim.files if not all(_has_ended(jobs[one.name]) for one in experiments(file)))
    return Answered(claim, state_of([one.state for one in tested], some=claim.some), tested, left, done)


def _has_ended(job: JobView | None) -> bool:
    return job is not None and job.state in ("done", "failed")


def job_of(database: Database, wanted: Experiment) -> JobView | None:
    """The newest job of this experiment, whatever its texts lie under: a cancelled one does not count."""
    fitting = [job for job in views.jobs(database) if job.state != "cancelled" and is_same(job.experiment, wanted)]
    return max(fitting, key=lambda job: job.id, default=None)


def is_same(one: Experiment, other: Experiment) -> bool:
    """Whether two experiments differ at most in where their files lie and what these hold.

    Texts of the hub may also lie here as files: the source is compared only between two that have none.
    """
    fields, others = _placeless(one), _placeless(other)
    if "files" in (fields["task"].get("source"), others["task"].get("source")):
        fields["task"].pop("source", None)
        others["task"].pop("source", None)
    return fields == others


def _placeless(experiment: Experiment) -> dict[str, Any]:
    fields = experiment.model_dump(mode="json", exclude={"launcher"})
    for name in (*experiment.task.places, "contents"):
        fields["task"].pop(name, None)
    return fields


def _contrast(database: Database, jobs: Mapping[str, JobView | None], test: Comparison) -> Contrast | None:
    """None until the jobs have ended."""
    own = _sums(database, jobs[test.job], test)
    less = _sums(database, jobs[test.than], test) if test.than is not None else None
    if own is None or (test.than is not None and less is None):
        return None
    return contrast(own, less)


def _many(found: Contrast | None, tests: int) -> Contrast | None:
    """With p of its margin for one of so many tests."""
    if found is None or found.near is None:
        return found
    below, above = (min(1.0, tests * p) for p in found.near)
    return replace(found, near=(below, above))


def _sums(database: Database, job: JobView | None, test: Comparison) -> Sums | None:
    if job is None or not _has_ended(job):
        return None
    return sums(JobScores(job.experiment, views.trials(database, job.id)), test.weights, test.at)


def _tested(test: Comparison, found: Contrast | None, p: float, job: JobView | None) -> Tested:
    if found is None:
        state: State = "not run" if job is None else "running"
        return Tested(test, state, f"{test.says}: {state}")
    word = found.word(p)
    where = f"at {found.density:.1%} kept" if found.density is not None else f"over {found.rounds} rounds"
    if found.apart is not None:
        where += f" (single ones from {found.apart[0]:+.3g} to {found.apart[1]:+.3g})"
    numbers = f"{found.value.signed()} {where}, n={found.value.n}"
    if word == "near zero" and found.near is not None:
        numbers += f", within the margin of {found.margin:.3g}, p={max(found.near):.2g}"
    else:
        numbers += f", p={p:.2g}"
        if test.expected in ("near zero", "no loss") and found.margin is not None:
            numbers += f", margin {found.margin:.3g}"
    hidden = {"near zero": {"lose": found.fallen, "gain": found.risen}, "no loss": {"lose": found.fallen}}
    for what, seeds in hidden.get(test.expected, {}).items():
        if seeds:
            numbers += f", {seeds} of {found.value.n} seeds {what} over {FALLEN:.0%} of the dense network's gain"
    state = _state(found, word, test.expected)
    return Tested(test, state, f"{test.says}: {state}, {numbers}", found, p)


def _state(found: Contrast, word: Word, expected: Sign) -> State:
    """A difference within the margin is near zero, even one that so many seeds make out; a gain is no loss, unless a
    seed has fallen: then it is open."""
    if expected == "no loss" and word == "above":
        return "open" if found.fallen else "held"
    held = {"near zero": found.near_zero, "no loss": found.no_loss}.get(expected, word == expected)
    return "held" if held else "open" if word == "open" else "contradicted"


def state_of(states: Sequence[str], *, some: bool) -> State:
    """Of all tests that have ended: mixed where some are held or contradicted and others not.

    some: held as soon as one is, contradicted where every one is, else open.
    """
    ended = [one for one in states if one not in ("not run", "running")]
    if not ended:
        return "running" if "running" in states else "not run"
    if some:
        return "held" if "held" in ended else "contradicted" if set(states) == {"contradicted"} else "open"
    return cast(State, ended[0]) if len(set(ended)) == 1 else "mixed"
