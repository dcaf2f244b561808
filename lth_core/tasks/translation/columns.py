"""Sentence pairs from columns between tabs, as people have them: with or without quotes, a header row, more columns.

What the experiment does not say is found in the first rows of the file.
"""

import csv
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lth_core.errors import InputError
from lth_core.settings.texts import TranslationTask
from lth_core.tasks.text.lines import read_lines
from lth_core.text import one_line

SAMPLE = 1000
"""Rows of a file that its form is found from."""
LONGEST_CELL = 10**8
_HEADINGS = (
    {"source", "src", "sentence1", "text1", "input"}, {"target", "tgt", "trg", "sentence2", "text2", "output"},
)  # fmt: skip
_NAMES = {
    "en": "english", "de": "german", "fr": "french", "es": "spanish", "it": "italian", "pt": "portuguese",
    "nl": "dutch", "cs": "czech", "pl": "polish", "ru": "russian", "zh": "chinese", "ja": "japanese", "ko": "korean",
    "tr": "turkish", "ar": "arabic", "hi": "hindi", "fi": "finnish", "sv": "swedish", "ro": "romanian",
}  # fmt: skip


@dataclass(frozen=True)
class Form:
    """How a file of columns is read. columns: of source and target, from 0; there: columns that the first row has."""

    quotes: bool
    header: bool
    columns: tuple[int, int]
    there: int

    @property
    def said(self) -> str:
        """What was done that a reader may not expect; empty where the file has two bare columns."""
        done = []
        if self.header:
            done.append("header row left out")
        if self.there > 2 or self.columns != (0, 1):
            done.append(f"columns {self.columns[0] + 1} and {self.columns[1] + 1} of {self.there}")
        if self.quotes:
            done.append("quotes around cells taken off")
        return ", ".join(done)


def read(task: TranslationTask, path: Path) -> Iterator[tuple[str, str]]:
    """Source and target of every row. InputError for a row that lacks a column."""
    form = form_of(task, path)
    first, second = form.columns
    for number, row in itertools.islice(_rows(path, form.quotes), int(form.header), None):
        if len(row) <= max(form.columns) or (form.there == 2 and len(row) > 2):
            raise InputError(
                f"{one_line(path)}: line {number}: columns between tabs: {len(row)}; accepted are {form.there}, "
                "two of which task.columns can name"
            )
        yield row[first], row[second]


def form_of(task: TranslationTask, path: Path) -> Form:
    """What the experiment says of the file's form, and for the rest what its first rows look like."""
    if task.quotes is None:
        quotes = _are_quoted(row for _, row in itertools.islice(_rows(path, False), SAMPLE))
    else:
        quotes = task.quotes
    head = next((row for _, row in _rows(path, quotes)), [])
    heading = _heading(head, task.languages)
    header = heading is not None if task.header is None else task.header
    if task.columns is not None:
        columns = (task.columns[0] - 1, task.columns[1] - 1)
    else:
        columns = heading if header and heading is not None else (0, 1)
    return Form(quotes, header, columns, max(len(head), 2))


def _rows(path: Path, quotes: bool) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the number of its last line."""
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
                f"{one_line(path)}: line {reader.line_num}: {one_line(error)}: accepted are cells in quotes "
                "throughout; task.quotes = false keeps quotes as they stand"
            ) from None
        if any(cell.strip() for cell in row):
            yield reader.line_num, [" ".join(cell.splitlines()) for cell in row]


def _are_quoted(rows: Iterable[list[str]]) -> bool:
    """Whether a program that writes tables put the quotes there, and not an author.

    It puts them around all cells, or around those that hold a quote, which it doubles.
    """
    cells = [cell for row in rows for cell in row if cell]
    with_quotes = [cell for cell in cells if '"' in cell]
    whole = [len(c) > 1 and c[0] == c[-1] == '"' and '"' not in c[1:-1].replace('""', "") for c in with_quotes]
    if not with_quotes or not all(whole):
        return False
    return len(with_quotes) == len(cells) or all('""' in cell[1:-1] for cell in with_quotes)


def _heading(row: list[str], languages: tuple[str, str]) -> tuple[int, int] | None:
    """The columns of source and target that a header row names; None where the row is no header."""
    cells = [cell.strip().lower() for cell in row]
    found = []
    for side, language in enumerate(languages):
        own = language.lower()
        names = {own, _NAMES.get(own, own), *_HEADINGS[side]}
        found.append(next((place for place, cell in enumerate(cells) if cell in names), None))
    first, second = found
    return None if first is None or second is None else (first, second)
