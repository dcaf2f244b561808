"""Stored trials trained again: which ones, and whether they came out the same."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lth_core.claims.claim import claims, experiments
from lth_core.claims.stored import Stored
from lth_core.errors import InputError
from lth_core.store.views import TrialView
from lth_core.text import one_line

Key = tuple[str, int, int]
"""Arm, round, seed."""
Same = Literal["equal to the last bit", "other bits, between the stored seeds", "outside the stored seeds", "no score"]


@dataclass(frozen=True)
class Again:
    """A trial's stored score and the one that it has now."""

    job: str
    key: Key
    stored: float
    here: float | None
    same: Same


def presets_of(stored: Stored) -> list[tuple[str, int]]:
    """The presets that the stored jobs came from, each with the first seed of its jobs.

    That seed's first round alone is trained again: a ticket's bits do not depend on what it is trained with.
    """
    names = {job.name for job in stored.jobs}
    files = dict.fromkeys(file for claim in claims() for file in claim.files)
    own = {file: [one for one in experiments(file) if one.name in names] for file in files}
    return [(file, found[0].seeds[0]) for file, found in own.items() if found]


def compared(folder: Path, job: str, trials: Iterable[TrialView]) -> Iterator[Again]:
    """Each trial against the stored one. Raises InputError where the table is missing or not whole."""
    known = scores(folder / job / "trials.csv")
    for trial in trials:
        key = trial.arm, trial.round, trial.seed
        if key in known:
            others = [score for (arm, round, _), score in known.items() if (arm, round) == key[:2]]
            yield Again(job, key, known[key], trial.score, _same(known[key], trial.score, others))


def scores(path: Path) -> dict[Key, float]:
    """The scores of a stored table of trials."""
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = [row for row in csv.DictReader(lines) if row["score"]]
            return {(row["arm"], int(row["round"]), int(row["seed"])): float(row["score"]) for row in rows}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{one_line(path)}: {one_line(error)}: expected the table of a job's trials") from None


def _same(stored: float, here: float | None, others: list[float]) -> Same:
    if here is None:
        return "no score"
    if here == stored:
        return "equal to the last bit"
    between = min(others) <= here <= max(others)
    return "other bits, between the stored seeds" if between else "outside the stored seeds"
