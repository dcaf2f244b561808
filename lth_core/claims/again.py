"""Stored trials trained again: which ones, and whether they came out the same."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lth_core.claims.answer import is_same
from lth_core.claims.claim import claims, experiments, stored_experiment
from lth_core.claims.stored import StoredJob
from lth_core.claims.table import Key, scores
from lth_core.store.attempts import runs, said
from lth_core.store.database import Database
from lth_core.store.views import JobView, TrialView

Same = Literal[
    "equal to the last bit", "other bits, between the stored seeds", "other bits, near the stored seeds",
    "far from the stored seeds", "no score",
]  # fmt: skip
FAR = 2.0
"""How many widths of the stored seeds' range a score may lie beyond it. One more seed lies beyond the range of n in two
of n + 1 cases; beyond it by two widths, of the stored trials left out one at a time, 1 of 394 does."""


@dataclass(frozen=True)
class Again:
    """A trial's stored score and the one that it has now."""

    job: str
    key: Key
    stored: float
    here: float | None
    same: Same


def presets_of(jobs: Collection[str]) -> list[tuple[str, int]]:
    """The presets that these stored jobs came from, each with the first seed of its jobs.

    That seed's first round alone is trained again: a ticket's bits do not depend on what it is trained with.
    """
    own = {file: [one for one in experiments(file) if one.name in jobs] for file in _files()}
    return [(file, found[0].seeds[0]) for file, found in own.items() if found]


def changed(folder: Path, jobs: Collection[str]) -> list[str]:
    """Those of the stored jobs that no preset of today makes: to train one again would compare something else.

    Raises InputError where a stored experiment is missing or is none.
    """
    today = {one.name: one for file in _files() for one in experiments(file)}
    return [job for job in jobs if job not in today or not is_same(stored_experiment(folder / job), today[job])]


def _files() -> list[str]:
    return list(dict.fromkeys(file for claim in claims() for file in claim.files))


def compared(folder: Path, job: str, trials: Iterable[TrialView]) -> Iterator[Again]:
    """Each trial against the stored one. Raises InputError where the table is missing or not whole."""
    known = scores(folder / job / "trials.csv")
    for trial in trials:
        key = trial.arm, trial.round, trial.seed
        if key in known:
            others = [score for at, score in known.items() if at[:2] == key[:2] and at != key]
            yield Again(job, key, known[key], trial.score, _same(known[key], trial.score, others))


@dataclass(frozen=True)
class RanWith:
    """What a stored job and its new trainings ran with that the other did not; revision: whether the program's own
    version or revision differs. Where nothing does, the same work gives the same bits, unless the program changed."""

    job: str
    stored: tuple[str, ...]
    here: tuple[str, ...]
    revision: bool

    @property
    def same(self) -> bool:
        """Whether packages, processor and threads are the same."""
        return not self.stored and not self.here


def ran_with(database: Database, stored: StoredJob, job: JobView) -> RanWith:
    """The versions, processor and threads of a stored job beside those of its new trainings."""
    if not stored.workers:
        return RanWith(stored.name, ("versions that are not recorded",), (), revision=True)
    before, now = (set(facts.split(", ")) for facts in (stored.workers, said(runs(database, job.id))))
    own = {fact for fact in before ^ now if fact.startswith(("lth ", "revision "))}
    return RanWith(stored.name, tuple(sorted(before - now - own)), tuple(sorted(now - before - own)), bool(own))


def odd_jobs(rows: Iterable[Again], versions: Mapping[str, RanWith]) -> list[str]:
    """The jobs with other bits although packages, processor and threads are the same."""
    other = {row.job for row in rows if row.same not in ("equal to the last bit", "no score")}
    return [name for name, one in versions.items() if one.same and name in other]


def _same(stored: float, here: float | None, others: list[float]) -> Same:
    if here is None:
        return "no score"
    if here == stored:
        return "equal to the last bit"
    if not others:
        return "far from the stored seeds"
    if _beyond(stored, others) > FAR:  # the stored one may be what has changed, so only what is near it is alike
        near = abs(here - stored) <= FAR * (max(others) - min(others))
        return "other bits, near the stored seeds" if near else "far from the stored seeds"
    beyond = _beyond(here, [*others, stored])
    if beyond <= 0:
        return "other bits, between the stored seeds"
    return "other bits, near the stored seeds" if beyond <= FAR else "far from the stored seeds"


def _beyond(score: float, others: list[float]) -> float:
    """How many widths of the others' range a score lies beyond it."""
    low, high = min(others), max(others)
    beyond = max(0.0, low - score, score - high)
    return beyond / (high - low) if high > low else math.inf if beyond else 0.0
