"""Sentence pairs of a task's parts, one at a time, from any source. Knows no tokens."""

import functools
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lth_core.errors import InputError
from lth_core.settings.texts import PARTS, TranslationTask
from lth_core.tasks.text import hub
from lth_core.tasks.text.lines import BLANK, CHECKED, check_file, read_lines
from lth_core.tasks.translation import columns
from lth_core.tasks.translation.grammar import sentences
from lth_core.text import one_line

BUILTIN = {"train": (0, 18_000), "valid": (18_000, 19_000), "test": (19_000, 20_000)}
Pairs = Iterator[tuple[str, str]]


def read(task: TranslationTask, part: str) -> Pairs:
    """Source and target of a part's pairs; of train the first task.pairs. Raises InputError if they cannot be read."""
    return itertools.islice(_all(task, part), task.pairs if part == "train" else None)


def _all(task: TranslationTask, part: str) -> Pairs:
    if task.source == "builtin":
        first, last = BUILTIN[part]
        found = iter(_builtin()[first:last])
        return found if task.languages == ("en", "de") else ((german, english) for english, german in found)
    if task.source == "files":
        return _from_files(task, part)
    return _from_hub(task, part)


@functools.cache
def _builtin() -> list[tuple[str, str]]:
    return list(sentences.pairs(max(last for _, last in BUILTIN.values())))


def check(task: TranslationTask, part: str) -> None:
    """Raise InputError if the first CHECKED characters of a part's files hold no pairs, or only one language."""
    size, blank = 0, [True, True]
    for pair in read(task, part):
        size += sum(map(len, pair)) + 2
        blank = [was and not text.strip() for was, text in zip(blank, pair, strict=True)]
        if size > CHECKED:
            break
    if any(blank):
        there = files(task, part)
        raise InputError(f"task.{part} = {one_line(there[blank.index(True) if len(there) == 2 else 0])}: {BLANK}")


def files(task: TranslationTask, part: str) -> list[Path]:
    """The files of a part: one of pairs, or one per language. Raises InputError that names the field."""
    field, name = f"task.{part}", str(getattr(task, part))
    if kind(name):
        return [check_file(field, name)]
    found = []
    for language in task.languages:
        options = [f"{name}.{language}", f"{name}.{language}.gz"]
        there = [option for option in options if Path(option).exists()]
        if not there:
            raise InputError(
                f"{field} = {one_line(name)}: neither {one_line(options[0])} nor {one_line(options[1])} is there; "
                "expected the stem of a file for each language, or a .tsv or .jsonl file (plain or .gz)"
            )
        found.append(check_file(field, there[0]))
    return found


def forms(task: TranslationTask) -> dict[str, str]:
    """How files of columns are read, by part, if not as two plain columns."""
    if task.source != "files":
        return {}
    tables = {part: files(task, part)[0] for part in PARTS if kind(str(getattr(task, part))) == ".tsv"}
    return {part: said for part, path in tables.items() if (said := columns.form_of(task, path).said)}


def kind(name: str) -> str:
    """The ending of a file of pairs, .tsv or .jsonl; empty for the stem of two files."""
    suffix = Path(name.removesuffix(".gz")).suffix
    return suffix if suffix in (".tsv", ".jsonl") else ""


def _from_files(task: TranslationTask, part: str) -> Pairs:
    paths = files(task, part)
    if len(paths) == 2:
        yield from _side_by_side(paths[0], paths[1])
        return
    (path,) = paths
    if kind(path.name) == ".tsv":
        yield from columns.read(task, path)
        return
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            yield _object(json.loads(line), task.languages)
        except UnicodeEncodeError:
            raise InputError(
                f"{one_line(path)}: line {number}: holds half of a character (\\ud800 to \\udfff without its other "
                "half), which no text file can hold"
            ) from None
        except (ValueError, KeyError, TypeError, RecursionError):
            first, second = task.languages
            raise InputError(
                f'{one_line(path)}: line {number}: expected an object with texts "{first}" and "{second}", or with '
                'these in "translation"'
            ) from None


def _side_by_side(first: Path, second: Path) -> Pairs:
    lines, others = read_lines(first), read_lines(second)
    missing = object()
    for pairs, (a, b) in enumerate(itertools.zip_longest(lines, others, fillvalue=missing)):
        if a is missing or b is missing:
            left = 1 + sum(1 for _ in (others if a is missing else lines))
            numbers = (pairs, pairs + left) if a is missing else (pairs + left, pairs)
            raise InputError(
                f"{one_line(first)} has {numbers[0]:,} lines and {one_line(second)} has {numbers[1]:,}: "
                "line i of one must translate line i of the other"
            )
        yield str(a), str(b)


def _object(row: Any, languages: tuple[str, str]) -> tuple[str, str]:
    row = row.get("translation", row) if isinstance(row, dict) else None
    first, second = row[languages[0]], row[languages[1]]
    if not (isinstance(first, str) and isinstance(second, str)):
        raise TypeError("no text")
    (first + second).encode()  # UnicodeEncodeError for half of a character
    return first, second


def _from_hub(task: TranslationTask, part: str) -> Pairs:
    """A data set with a column for each language, or with both in `translation`."""
    for row in hub.rows(task.source, part, task.languages):
        try:
            first, second = _object(row, task.languages)
        except (KeyError, TypeError, UnicodeEncodeError):
            raise InputError(
                f'task.source = "{one_line(task.source)}": no texts "{task.languages[0]}" and "{task.languages[1]}" '
                f"among {sorted(row)}"
            ) from None
        yield " ".join(first.split()), " ".join(second.split())
