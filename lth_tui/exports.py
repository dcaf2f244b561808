"""Saving what is on screen: picture, table, figure, copied words. The figure is drawn by another process."""

import csv
import io
import json
import subprocess
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from lth_core import places
from lth_core.batches.processes import command
from lth_core.errors import InputError
from lth_core.report.rows import Row as Fields
from lth_core.report.table_files import as_csv
from lth_core.store.records import finite
from lth_core.text import one_line
from lth_tui.plot.chart import Chart


def save_picture(folder: Path, svg: str) -> Path:
    """Write an SVG of the screen; returns the file. Raises OSError."""
    return _write(folder, "screen", "svg", svg)


def save_table(folder: Path, chart: Chart) -> Path:
    """Write the curves as CSV, one row per point; returns the file. Raises OSError."""
    return _write(folder, "curves", "csv", table(chart))


def save_fields(folder: Path, rows: Sequence[Fields]) -> Path:
    """Write the rows of a table as CSV; returns the file. Raises OSError."""
    return _write(folder, "table", "csv", as_csv(rows).decode())


def save_figure(folder: Path, chart: Chart) -> Path:
    """Draw the curves as PNG; returns the file. Raises OSError, and InputError without matplotlib."""
    if find_spec("matplotlib") is None:
        raise InputError("a PNG needs matplotlib, which is not installed: pip install matplotlib")
    path = _new(folder, "figure", "png")
    done = subprocess.run(
        command("lth_tui.figure", str(path)), input=json.dumps(finite(as_data(chart))),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode:
        raise InputError(f"the figure could not be drawn: {one_line(done.stderr[-300:])}")
    return path


def save_copy(words: str) -> Path:
    """Write copied text to a file, for terminals without clipboard support (tmux)."""
    folder = places.caches() / "lth"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "clipboard.txt"
    path.write_text(words)
    return path


def table(chart: Chart) -> str:
    """CSV with the columns curve, x, y, low, high; x and y are headed by axis and metric. Omits hidden curves."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["curve", chart.x_name.removeprefix("% "), chart.y_name, "low", "high"])
    for series in chart.shown:
        label = f"{series.label} (raw)" if series.faint else series.label
        for i, (x, y) in enumerate(zip(series.x, series.y, strict=True)):
            bounds = ["" if b is None else repr(float(b[i])) for b in (series.low, series.high)]
            writer.writerow([label, repr(float(x)), repr(float(y)), *bounds])
    return out.getvalue()


def as_data(chart: Chart) -> dict[str, object]:
    """A chart as plain data."""
    return {
        "title": chart.title, "x_range": list(chart.x_range), "log_x": chart.log_x, "log_y": chart.log_y,
        "x_name": chart.x_name, "y_name": chart.y_name, "reference": chart.reference,
        "x_ticks": [list(tick) for tick in chart.x_ticks],
        "series": [
            {
                "label": s.label, "colour": f"#{s.look.colour:06x}", "dash": list(s.look.dash), "faint": s.faint,
                "marker": s.look.marker if s.markers else None, "x": s.x.tolist(), "y": s.y.tolist(),
                "low": None if s.low is None else s.low.tolist(), "high": None if s.high is None else s.high.tolist(),
            }
            for s in chart.shown
        ],
    }  # fmt: skip


def _write(folder: Path, what: str, suffix: str, content: str) -> Path:
    path = _new(folder, what, suffix)
    path.write_text(content)
    return path


def _new(folder: Path, what: str, suffix: str) -> Path:
    """A path that does not exist yet."""
    folder.mkdir(parents=True, exist_ok=True)
    stem, number = f"{what}-{time.strftime('%Y%m%d-%H%M%S')}", 1
    path = folder / f"{stem}.{suffix}"
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.{suffix}"
    return path
