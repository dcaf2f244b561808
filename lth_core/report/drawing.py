"""The style of figures: sizes, an Okabe-Ito look per arm, the density axis, deterministic files. Uses matplotlib."""

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lth_core.analysis.kinds import is_random
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.text import one_line

FORMATS = ("pdf", "png", "svg")
Format = Literal["pdf", "png", "svg"]
VECTORS: tuple[Format, ...] = ("pdf", "svg")
"""Formats without pixels, fonts included."""
Line = str | tuple[float, tuple[float, ...]]
GREY = "#3f3f3f"
_REFERENCE = "#0072B2"  # winning tickets are blue in the paper's figures, random ones red
_RANDOM = "#D55E00"
_OTHERS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("s", "^", "D", "v", "P", "X", "<", ">", "h")
_DASHES: tuple[tuple[float, ...], ...] = ((4, 1.5), (1.5, 1), (5, 1.5, 1, 1.5), (3, 1), (6, 2), (1, 1))

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans", "font.size": 9, "axes.titlesize": 9.5, "axes.labelsize": 9,
    "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8, "legend.frameon": False, "figure.labelsize": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6, "axes.axisbelow": True, "lines.linewidth": 1.5, "lines.markersize": 4,
    "pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "lth", "figure.dpi": 100,
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A width in which journals and conferences set figures, in inches; fonts: their sizes there, in points."""

    name: str
    width: float
    fonts: float


COLUMNS = (Column("single", 3.25, 7.0), Column("double", 6.75, 8.0))
"""One column of a page of two, and the whole page."""
_column: ContextVar[Column | None] = ContextVar("column", default=None)
_NARROWEST = 1.5
"""Inches of a panel in a column."""


@contextmanager
def in_column(column: Column) -> Iterator[None]:
    """Within the block figures are drawn exactly as wide as this column, with its sizes of fonts."""
    token = _column.set(column)
    try:
        yield
    finally:
        _column.reset(token)


@dataclass(frozen=True)
class Look:
    """How an arm is drawn; it can be told apart without colour."""

    colour: str
    marker: str
    line: Line


def looks(experiment: Experiment) -> dict[str, Look]:
    """A look per arm: the reference solid and blue, the first random arm red."""
    found = {experiment.reference: Look(_REFERENCE, "o", "-")}
    random = next((arm for arm in experiment.arms if is_random(experiment.arm_named(arm))), None)
    others = [arm for arm in experiment.arms if arm != experiment.reference]
    rest = [arm for arm in others if arm != random]
    for i, arm in enumerate(others):
        colour = _RANDOM if arm == random else _OTHERS[rest.index(arm) % len(_OTHERS)]
        found[arm] = Look(colour, _MARKERS[i % len(_MARKERS)], (0, _DASHES[i % len(_DASHES)]))
    found[DENSE] = Look(GREY, "", (0, (1, 1)))
    return found


def order(experiment: Experiment) -> list[str]:
    """Controls first, so that the reference arm is drawn on top of them."""
    return [*(a for a in experiment.arms if a != experiment.reference), experiment.reference]


_SIZES = (
    "font.size", "axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize",
    "figure.labelsize",
)  # fmt: skip


@contextmanager
def styled() -> Iterator[None]:
    """Within the block figures have this style, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        if (column := _column.get()) is not None:
            own: dict[Any, Any] = {**dict.fromkeys(_SIZES, column.fonts), "lines.linewidth": 1.1}
            matplotlib.rcParams.update(own)
        yield


def rendered(figure: Figure, format: Format) -> bytes:
    """The figure as a file's content; the same figure gives the same bytes."""
    out = io.BytesIO()
    metadata: dict[str, str | None] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[format]  # type: ignore[assignment]
    with styled():
        figure.savefig(out, format=format, dpi=160, metadata=metadata)
    return out.getvalue()


def panels(count: int, *, columns: int = 3, width: float = 3.1, height: float = 2.4) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels in rows of at most `columns`; width and height of each in inches."""
    column = _column.get()
    fit = columns if column is None else min(columns, int(column.width / _NARROWEST))
    across = max(1, min(fit, count))
    down = max(1, math.ceil(count / across))
    across = max(1, math.ceil(count / down))  # four panels as two and two
    size = max(width * across, 4.2), height * down + 0.35
    if column is not None:
        size = column.width, max(height * min(1.0, column.width / across / width), 1.3) * down + 0.3
    figure = Figure(figsize=size, layout="constrained")
    axes = [figure.add_subplot(down, across, i + 1) for i in range(count)]
    return figure, axes


def scaled(width: float, height: float) -> tuple[float, float]:
    """The size of a figure in inches: in a column as wide as that."""
    column = _column.get()
    return (width, height) if column is None else (column.width, height * column.width / width)


def density_axis(axes: Axes, densities: Sequence[float], *, inches: float = 2.5) -> None:
    """The fraction remaining on a logarithmic axis from dense to sparse, with ticks at as many rounds as fit.

    densities: of all rounds, from 1 for the dense network down. inches: the width of the panel.
    """
    if (column := _column.get()) is not None and (place := axes.get_subplotspec()) is not None:
        inches = 0.8 * column.width / place.get_gridspec().ncols
    axes.set_xscale("log")
    densities = [one for one in densities if math.isfinite(one)]
    axes.set_xlim(1.06, densities[-1] / 1.06)
    room = math.log(densities[0] / densities[-1]) * 0.3 / inches
    ticks = [densities[0]]
    for density in densities[1:]:
        if math.log(ticks[-1] / density) >= room:
            ticks.append(density)
    axes.xaxis.set_major_locator(matplotlib.ticker.FixedLocator(ticks))
    axes.xaxis.set_major_formatter(matplotlib.ticker.FixedFormatter([percent(d) for d in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())


def percent(density: float) -> str:
    """A percentage without its sign: `100`, `67`, `8.6`, `1.2`."""
    value = 100 * density
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.995 else f"{value:.2g}"


def legend(figure: Figure, axes: Sequence[Axes], *, most_columns: int = 6) -> None:
    """One legend for all panels, above them."""
    entries: dict[str, Artist] = {}
    for one in axes:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        columns = max(1, min(len(entries), most_columns, int(figure.get_figwidth() / 1.15)))
        figure.legend(
            list(entries.values()), [one_line(label, 30) for label in entries],
            loc="outside upper center", ncols=columns, handlelength=2.6,
        )  # fmt: skip
