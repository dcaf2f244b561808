"""Words at the boundary: cleaning foreign text for a terminal, and checking names that become paths."""

import difflib
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence

NAMES = "up to 80 letters, digits, '_', '-' and '.'"
"""What `is_name` accepts, for sentences."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_KEPT_CONTROLS = {"\n", "\t"}
# Cf holds bidirectional overrides and other invisible characters, Cs lone surrogates.
_DANGEROUS = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_UNDECODED = re.compile("[\udc80-\udcff]")
"""Bytes of a file's name that are not in the encoding of names here, as Python holds them."""
_ESCAPE_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|\x9d|\x90)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[@-Z\\-_]?"
)


def clean(text: object, limit: int = 4000) -> str:
    """Return `text` without terminal control characters; line feeds and tabs stay.

    Used on all text that the program did not write itself: names, errors, logs, file names.
    At most `limit` characters are kept.
    """
    plain = _UNDECODED.sub("\ufffd", _ESCAPE_SEQUENCE.sub("", str(text)[: 4 * limit]))
    kept = (c for c in plain if c in _KEPT_CONTROLS or unicodedata.category(c) not in _DANGEROUS)
    return "".join(kept)[:limit]


def one_line(text: object, limit: int = 400) -> str:
    """`clean`, folded into a single line."""
    return " ".join(clean(text, limit).split())


def plural(count: int, word: str) -> str:
    """`1 job`, `2 jobs`, `3,168 checks`."""
    return f"{count:,} {word}{'s' * (count != 1)}"


def either(words: Sequence[str]) -> str:
    """`queued`, `queued or running`, `queued, running or paused`."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def significant(value: float, digits: int, *, signed: bool = False) -> str:
    """`value` with this many significant digits, but all before the point below ten million: `1617`, not `1.62e+03`."""
    sign = "+" if signed else ""
    value = float(f"{value:.12g}")  # or else the last bit decides how a tie, such as 20.175, is rounded
    if 10**digits - 0.5 <= abs(value) < 1e7:
        return f"{value:{sign}.0f}"
    return f"{value:{sign}.{digits}g}"


def megabytes(count: int) -> str:
    """Bytes in words: `67 kB`, `27 MB`, `1,487 MB`."""
    return f"{count / 1e6:,.0f} MB" if count > 999_000 else f"{math.ceil(count / 1e3)} kB"


def ranges(numbers: Iterable[int]) -> str:
    """`0-2, 5` for 0, 1, 2 and 5."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def is_name(text: str) -> bool:
    """Whether `text` may become part of a path: letters, digits, `_`, `.`, `-`, at most 80, no leading dot."""
    return _NAME.fullmatch(text) is not None and ".." not in text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suffix such as `, did you mean "rounds"?`, or an empty string when nothing known is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f', did you mean "{near[0]}"?' if near else ""
