"""Rows as files for other programs: CSV, JSON lines, and Parquet if pyarrow is installed."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from lth_core.errors import InputError
from lth_core.report.rows import Row, Value
from lth_core.store.records import finite
from lth_core.store.tensors import write_atomically
from lth_core.text import one_line


def as_csv(rows: Sequence[Row]) -> bytes:
    """CSV with a header line; None and not-a-number are empty fields."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue().encode()


def _cell(value: Value) -> Value:
    """A value as a cell; text that a spreadsheet would read as a formula gets a leading apostrophe."""
    if isinstance(value, str):
        value = one_line(value, 4000)
        return f"'{value}" if value.startswith(("=", "+", "-", "@")) else value
    return finite(value)  # type: ignore[no-any-return]


def as_json_lines(rows: Sequence[Row]) -> bytes:
    """One JSON object per line; not-a-number is null."""
    return "".join(json.dumps(finite(row)) + "\n" for row in rows).encode()


def as_parquet(rows: Sequence[Row]) -> bytes | None:
    """Parquet, or None if pyarrow (the extra `parquet`) is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return None
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([finite(row) for row in rows]), out)
    return out.getvalue()


def write_tables(folder: Path, tables: Mapping[str, Sequence[Row]]) -> list[Path]:
    """Write each table with rows in each available format; returns the files. Raises InputError like `make_folder`."""
    make_folder(folder)
    written = []
    for name, rows in tables.items():
        contents = {"csv": as_csv(rows), "jsonl": as_json_lines(rows), "parquet": as_parquet(rows)} if rows else {}
        for suffix, content in contents.items():
            if content is not None:
                path = folder / f"{name}.{suffix}"
                write_atomically(path, content)
                written.append(path)
    return written


def make_folder(folder: Path) -> None:
    """Create a folder and its parents; raises InputError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{one_line(folder)}: cannot be created: {error.strerror}") from None
