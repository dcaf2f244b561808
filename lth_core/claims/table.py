"""The stored table of a job's trials."""

import csv
from collections.abc import Iterable
from pathlib import Path

from lth_core.errors import InputError
from lth_core.invalid import reason
from lth_core.store.views import TrialView
from lth_core.text import one_line

Key = tuple[str, int, int]
"""Arm, round, seed."""


def scores(path: Path) -> dict[Key, float]:
    """The scores of a stored table of trials. Raises InputError where it is missing or not whole."""
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = [row for row in csv.DictReader(lines) if row["score"]]
            return {(row["arm"], int(row["round"]), int(row["seed"])): float(row["score"]) for row in rows}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{one_line(path)}: {reason(error)}: expected the table of a job's trials") from None


def has_same_scores(path: Path, trials: Iterable[TrialView]) -> bool:
    """Whether a stored table has the scores of these trials, to the last bit, and no others; False if there is none."""
    found = {(one.arm, one.round, one.seed): one.score for one in trials if one.score is not None}
    return path.exists() and scores(path) == found
