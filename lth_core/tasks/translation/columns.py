"""Sentence pairs from tab-separated columns, with or without quotes, a header row and more columns.

What the experiment does not set is inferred from the first rows of the file.
"""

import csv
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lth_core.errors import InputError
from lth_core.settings.texts import TranslationTask
from lth_core.tasks.text.lines import read_lines
from lth_core.text import one_line

SAMPLE = 1000
"""Rows of a file from which its form is inferred."""
LONGEST_CELL = 10**8
_ROLES = (
    {"source", "src", "sentence1", "text1", "input", "sentence", "original"},
    {"target", "tgt", "trg", "sentence2", "text2", "output", "translation"},
)  # fmt: skip
_NAMES = {
    "en": "english", "de": "german deutsch", "fr": "french français", "es": "spanish español", "it": "italian italiano",
    "pt": "portuguese português", "nl": "dutch nederlands", "cs": "czech čeština", "pl": "polish polski",
    "ru": "russian русский", "zh": "chinese 中文", "ja": "japanese 日本語", "ko": "korean 한국어",
    "tr": "turkish türkçe", "ar": "arabic العربية", "hi": "hindi हिन्दी", "fi": "finnish suomi", "sv": "swedish svenska",
    "ro": "romanian română",
}  # fmt: skip


@dataclass(frozen=True)
class Form:
    """How a file of columns is read. columns: of source and target, from 0; there: columns in the first row."""

    quotes: bool
    header: bool
    columns: tuple[int, int]
    there: int

    @property
    def said(self) -> str:
        """What a reader may not expect about the file's form; empty if it has two plain columns."""
        done = []
        if self.header:
            done.append("header row left out")
        if self.there > 2 or self.columns != (0, 1):
            done.append(f"columns {self.columns[0] + 1} and {self.columns[1] + 1} of {self.there}")
        if self.quotes:
            done.append("quotes around cells taken off")
        return ", ".join(done)


def read(task: TranslationTask, path: Path) -> Iterator[tuple[str, str]]:
    """Source and target of every row. Raises InputError for a row that lacks a column."""
    form = form_of(task, path)
    first, second = form.columns
    for number, row in itertools.islice(_rows(path, form.quotes), int(form.header), None):
        if len(row) <= max(form.columns) or (form.there == 2 and len(row) > 2):
            accepted = "2" if form.there == 2 else f"rows with the columns {first + 1} and {second + 1}"
            raise InputError(f"{one_line(path)}: line {number}: columns between tabs: {len(row)}; expected {accepted}")
        yield row[first], row[second]


def form_of(task: TranslationTask, path: Path) -> Form:
    """The file's form, from the experiment, and the rest from its first rows."""
    if task.quotes is None:
        quotes = _are_quoted(row for _, row in itertools.islice(_rows(path, False), SAMPLE))
    else:
        quotes = task.quotes
    sample = [row for _, row in itertools.islice(_rows(path, quotes), SAMPLE)]
    head = sample[0] if sample else []
    heading, numbers = _heading(head, task.languages), _of_numbers(sample)
    if task.header is None:
        header = heading is not None or any(not head[place].strip().isdecimal() for place in numbers)
    else:
        header = task.header
    if task.columns is not None:
        columns = (task.columns[0] - 1, task.columns[1] - 1)
    elif header and heading is not None:
        columns = heading
    else:
        texts = [place for place in range(len(head)) if place not in numbers]
        columns = (texts[0], texts[1]) if len(texts) > 1 else (0, 1)
    return Form(quotes, header, columns, max(len(head), 2))


def _of_numbers(rows: list[list[str]]) -> set[int]:
    """Columns that hold only numbers in all rows but the first, which may name them; none if there are only two."""
    width = len(rows[0]) if rows else 0
    below = rows[1:] or rows
    cells = [[row[place].strip() for row in below if place < len(row)] for place in range(width)]
    return {place for place in range(width) if width > 2 and cells[place] and all(map(str.isdecimal, cells[place]))}


def _rows(path: Path, quotes: bool) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with its last line's number."""
    lines = read_lines(path)
    if not quotes:
        yield from ((n, line.split("\t")) for n, line in enumerate(lines, 1) if line.strip())
        return
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader((line + "\n" for line in lines), delimiter="\t", strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(
                f"{one_line(path)}: line {reader.line_num}: {one_line(error)}: expected properly quoted "
                "cells; task.quotes = false reads quotes as text"
            ) from None
        if any(cell.strip() for cell in row):
            yield reader.line_num, [" ".join(cell.splitlines()) for cell in row]


def _are_quoted(rows: Iterable[list[str]]) -> bool:
    """Whether quotes come from a program that writes tables, and not from the text.

    Such a program quotes all cells, or those that contain a quote, which it doubles.
    """
    cells = [cell for row in rows for cell in row if cell]
    with_quotes = [cell for cell in cells if '"' in cell]
    whole = [len(c) > 1 and c[0] == c[-1] == '"' and '"' not in c[1:-1].replace('""', "") for c in with_quotes]
    if not with_quotes or not all(whole):
        return False
    return len(with_quotes) == len(cells) or all('""' in cell[1:-1] for cell in with_quotes)


def _heading(row: list[str], languages: tuple[str, str]) -> tuple[int, int] | None:
    """The columns of source and target that a header row names; None if the row is no header."""
    cells = [_words(cell) for cell in row]
    found: list[int | None] = []
    # Names of languages come first: sentence_de is not the source if German is the target.
    for language in languages:
        own = {language.lower(), *_NAMES.get(language.lower(), "").split()}
        found.append(next((place for place, words in enumerate(cells) if words & own), None))
    for side, roles in enumerate(_ROLES):
        if found[side] is None:
            free = (place for place in range(len(cells)) if place not in found)
            found[side] = next((place for place in free if cells[place] & roles), None)
    first, second = found
    return None if first is None or second is None or first == second else (first, second)


def _words(cell: str) -> set[str]:
    """The words of a heading: itself, and its parts if it is one word such as text_de."""
    whole = cell.strip().lower()
    return {whole} if re.search(r"\s", whole) else {whole, *re.split(r"[\W_]+", whole)}
