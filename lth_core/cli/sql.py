"""`lth sql`: a query on the database's views, printed as a table, CSV or JSON."""

import csv
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from lth_core.cli.console import make_console
from lth_core.cli.shapes import Rows, print_json
from lth_core.errors import InputError
from lth_core.store import sql
from lth_core.store.workspace import Workspace
from lth_core.text import clean, one_line

_LEAST = 8
"""Cells of a text column that are always shown; with less room, each value has a line of its own."""


def run(
    statement: str | None, folder: Path, limit: int, seconds: float, *, as_csv: bool, as_json: bool, long: bool = False
) -> None:
    """Print the rows; without a statement the views with their columns. long: each value whole, on lines of its own."""
    if as_csv and as_json:
        raise InputError("sql: expected --csv or --json, not both")
    path = Workspace(folder).database
    if statement is None:
        rows = [(name, ", ".join(columns)) for name, columns in sql.columns(path).items()]
        found = sql.Answer(["view", "columns"], rows, False)
    else:
        found = sql.query(path, statement, limit, seconds)
    if as_json:
        print_json(Rows(columns=found.columns, rows=[[_plain(v) for v in row] for row in found.rows], more=found.more))
        return
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([clean(name) for name in found.columns])
        writer.writerows([[_shown(value, 1_000_000) for value in row] for row in found.rows])
    else:
        _print_text(found, long=long)
    if found.more:
        print(f"lth: sql: only the first {limit} rows; --limit allows more", file=sys.stderr)


def _print_text(found: sql.Answer, *, long: bool) -> None:
    """A line for each row, or for each value if columns are many or wide; what is too long is cut, unless `long`."""
    console, names = make_console(), [one_line(name) for name in found.columns]
    rows = [[one_line(_shown(value, 4000), 4000) for value in row] for row in found.rows]
    numbers = [all(isinstance(row[i], int | float | None) for row in found.rows) for i in range(len(names))]
    needed = [max(map(cell_len, column)) for column in zip(names, *rows, strict=True)]
    widths = None if long else _widths(names, needed, numbers, console.width)
    if widths is not None:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name, width in zip(names, widths, strict=True):
            table.add_column(Text(name), width=width, no_wrap=True, overflow="ellipsis")
        for row in rows:
            table.add_row(*map(Text, row))
        console.print(table)
    else:
        indent = max(map(cell_len, names), default=0) + 4
        for number, row in enumerate(rows, start=1):
            console.print(Text(f"row {number}", style="bold"))
            lines = Table.grid(padding=(0, 2, 0, 0))
            lines.add_column(min_width=indent - 2, no_wrap=True)
            lines.add_column(no_wrap=not long, overflow="fold" if long else "ellipsis")
            for name, value in zip(names, row, strict=True):
                lines.add_row(Text(f"  {name}", style="dim"), Text(value))
            console.print(lines)
        widths = [console.width - indent] * len(names)
    if not long and any(width < need for width, need in zip(widths, needed, strict=True)):
        print("lth: sql: long values are cut (…); --long, --csv or --json prints them whole", file=sys.stderr)


def _widths(names: Sequence[str], needed: Sequence[int], numbers: Sequence[bool], room: int) -> list[int] | None:
    """Columns' widths in a table of `room` cells, with numbers whole and texts cut; None if they do not fit."""
    least = [need if number else min(need, max(_LEAST, cell_len(name)))
             for name, need, number in zip(names, needed, numbers, strict=True)]  # fmt: skip
    spare = room - 3 * len(names) - sum(least)
    if spare < 0:
        return None
    for place in sorted(range(len(names)), key=lambda place: needed[place]):  # the short ones whole, the longest cut
        more = min(spare, needed[place] - least[place])
        least[place] += more
        spare -= more
    return least


def _plain(value: Any) -> Any:
    """A value of SQLite's for JSON: bytes in hexadecimal."""
    return value.hex() if isinstance(value, bytes) else value


def _shown(value: Any, limit: int) -> str:
    """A value as text without control characters; nothing for NULL and for numbers that are not finite."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return clean(_plain(value), limit)
