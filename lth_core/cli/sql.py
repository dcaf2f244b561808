"""`lth sql`: a query on the database's views, printed as a table, CSV or JSON."""

import csv
import math
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from lth_core.cli.console import make_console
from lth_core.cli.shapes import Rows, print_json
from lth_core.errors import InputError
from lth_core.store import sql
from lth_core.store.workspace import Workspace
from lth_core.text import clean, one_line


def run(statement: str | None, folder: Path, limit: int, seconds: float, *, as_csv: bool, as_json: bool) -> None:
    """Print the rows; without a statement the views with their columns."""
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
        _print_table(found)
    if found.more:
        print(f"lth: sql: only the first {limit} rows; --limit allows more", file=sys.stderr)


def _print_table(found: sql.Answer) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in found.columns:
        table.add_column(Text(one_line(name)), overflow="fold")
    for row in found.rows:
        table.add_row(*(Text(one_line(_shown(value, 4000), 4000)) for value in row))
    make_console().print(table)


def _plain(value: Any) -> Any:
    """A value of SQLite's for JSON: bytes in hexadecimal."""
    return value.hex() if isinstance(value, bytes) else value


def _shown(value: Any, limit: int) -> str:
    """A value as text without control characters; nothing for NULL and for numbers that are not finite."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return clean(_plain(value), limit)
