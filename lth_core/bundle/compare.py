"""Compares a table, answer or card of a bundle with the one that follows from its records: names what differs."""

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lth_core.text import one_line

CLOSE = 1e-9
"""Relative difference of numbers that other versions or processors may make."""
_PLACE = ("name", "arm", "against", "round", "seed", "share", "level", "question", "layer", "metric", "step")
"""Columns that say which row it is."""
_MOST = 10_000
"""Differences that are looked at."""


@dataclass(frozen=True)
class Difference:
    """One value. place: which, in words; close: whether both are numbers that differ by CLOSE at most."""

    place: str
    was: str
    now: str
    close: bool


def differences(name: str, was: bytes, now: bytes) -> list[Difference]:
    """Between a file of the bundle and what follows, in the order of the file; empty if they are the same."""
    if was == now:
        return []
    kind = name.rpartition(".")[2]
    read = {"csv": _rows, "json": _values}.get(kind, _lines)
    try:
        found = []
        for number, one in enumerate(read(was.decode(), now.decode())):
            if number == _MOST:
                break
            found.append(one)
    except (ValueError, csv.Error, RecursionError) as error:
        return [Difference("its content", one_line(error, 80), "as it is computed here", False)]
    return found or [Difference("its form", "another", "as it is computed here", False)]


def _difference(place: str, was: Any, now: Any) -> Iterator[Difference]:
    if was != now:
        yield Difference(one_line(place, 200), _word(was), _word(now), _is_close(was, now))


def _word(value: Any) -> str:
    return one_line(json.dumps(value, ensure_ascii=False), 120)


def _is_close(was: Any, now: Any) -> bool:
    try:
        one, other = float(was), float(now)
    except (TypeError, ValueError):
        return False
    return math.isclose(one, other, rel_tol=CLOSE, abs_tol=1e-12)


def _rows(was: str, now: str) -> Iterator[Difference]:
    one, other = list(csv.DictReader(io.StringIO(was))), list(csv.DictReader(io.StringIO(now)))
    for number, (a, b) in enumerate(zip(one, other, strict=False), start=1):
        place = ", ".join(f"{name} {b[name]}" for name in _PLACE if b.get(name)) or f"row {number}"
        for column in dict.fromkeys((*b, *a)):
            yield from _difference(f"{place}: {column}", a.get(column), b.get(column))
    if len(one) != len(other):
        yield Difference("its rows", str(len(one)), str(len(other)), False)


def _values(was: str, now: str) -> Iterator[Difference]:
    yield from _walk("", json.loads(was), json.loads(now))


def _walk(place: str, was: Any, now: Any) -> Iterator[Difference]:
    if isinstance(was, dict) and isinstance(now, dict):
        own = now.get("question") or place
        for name in dict.fromkeys((*now, *was)):
            yield from _walk(f"{own}: {name}" if own else str(name), was.get(name), now.get(name))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for number, (a, b) in enumerate(zip(was, now, strict=True), start=1):
            yield from _walk(f"{place} {number}", a, b)
    elif isinstance(was, list) and isinstance(now, list):
        yield Difference(one_line(place, 200), f"{len(was)} entries", f"{len(now)} entries", False)
    else:
        yield from _difference(place, was, now)


def _lines(was: str, now: str) -> Iterator[Difference]:
    one, other = was.splitlines(), now.splitlines()
    for number, (a, b) in enumerate(zip(one, other, strict=False), start=1):
        yield from _difference(b.partition(":")[0].strip("-* #") or f"line {number}", *_unlike(a, b))
    if len(one) != len(other):
        yield Difference("its lines", str(len(one)), str(len(other)), False)


def _unlike(was: str, now: str) -> tuple[str, str]:
    """Two long lines from where they part on, with a few words before."""
    if was == now:
        return "", ""
    same = next((n for n, (a, b) in enumerate(zip(was, now, strict=False)) if a != b), min(len(was), len(now)))
    start = max(0, was.rfind(" ", 0, max(0, same - 20)) + 1)
    return was[start : start + 80], now[start : start + 80]
