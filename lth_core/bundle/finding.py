"""What one check of a bundle found, as a sentence."""

from dataclasses import dataclass
from typing import Literal

from lth_core.text import one_line

Part = Literal[
    "manifest", "jobs", "records", "results", "tables", "answers", "card", "masks", "tickets", "trained again"
]
"""Which check it is of."""


@dataclass(frozen=True)
class Finding:
    """good: it holds; bad: it does not; note: it could not be checked, or is worth knowing."""

    part: Part
    state: Literal["good", "note", "bad"]
    sentence: str


def bad(part: Part, sentence: str) -> Finding:
    """Something that does not hold; the sentence may hold text of the bundle."""
    return Finding(part, "bad", one_line(sentence, 600))


def note(part: Part, sentence: str) -> Finding:
    """Something that could not be checked, or is worth knowing."""
    return Finding(part, "note", one_line(sentence, 600))


def good(part: Part, sentence: str) -> Finding:
    """Something that holds."""
    return Finding(part, "good", one_line(sentence, 600))
