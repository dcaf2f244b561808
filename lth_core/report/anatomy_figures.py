"""Figures of what tickets are made of: effective sparsity, overlap, distance by density; inputs that are looked at."""

import math
from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth_core.analysis.inspection import Inspected
from lth_core.report.drawing import GREY, density_axis, legend, looks, order, panels
from lth_core.report.record import JobRecord

_MOST_INPUTS = 64
Value = Callable[[Inspected], float | None]


def anatomy(record: JobRecord) -> tuple[Figure, str] | None:
    """Four panels over density, one line per arm."""
    if not record.inspected:
        return None
    panels_of: list[tuple[str, Value]] = [
        ("effective, of what is kept (%)", lambda i: _percent(i.effective_density, i.density)),
        ("overlap between seeds, times chance", lambda i: i.across.jaccard / i.across.chance if i.across else None),
        ("signs of initialisation kept (%)", lambda i: 100 * i.signs),
        ("distance from dense solution", lambda i: i.to_dense),
    ]
    shown = [(title, value) for title, value in panels_of if any(_known(value(i)) for i in record.inspected)]
    figure, axes = panels(len(shown), columns=2, width=3.3, height=2.3)
    for one, (title, value) in zip(axes, shown, strict=True):
        _lines(one, record, value)
        one.set_title(title)
    figure.supxlabel("prunable parameters remaining (%, logarithmic)", fontsize=9)
    legend(figure, axes)
    return figure, (
        "Means over seeds. Effective: on a path from an input to an output. Overlap: intersection over union of the "
        "masks of two seeds, over what masks drawn at random with the same count in each layer share. Distance: of "
        "trained ticket and trained dense network over the ticket's mask, relative to the latter."
    )


def _percent(part: float | None, whole: float) -> float | None:
    return None if part is None else 100 * part / whole


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _lines(axes: Axes, record: JobRecord, value: Value) -> None:
    look = looks(record.experiment)
    for arm in order(record.experiment):
        points = [(i.density, v) for i in record.inspected if i.arm == arm and (v := value(i)) is not None]
        points = [(x, y) for x, y in points if math.isfinite(y)]
        if points:
            x, y = zip(*sorted(points, reverse=True), strict=True)
            axes.plot(x, y, color=look[arm].colour, linestyle=look[arm].line, marker=look[arm].marker, label=arm)
    reference = [i.density for i in record.inspected if i.arm == record.experiment.reference]
    density_axis(axes, [1.0, *reference])


def barriers(record: JobRecord) -> tuple[Figure, str] | None:
    """Scores at the ends and at the worst point between, per two successive rounds."""
    if not record.barriers:
        return None
    figure, (axes,) = panels(1, width=5.6, height=3.0)
    colour = looks(record.experiment)[record.experiment.reference].colour
    places = np.arange(len(record.barriers))
    heights = [b.height for b in record.barriers]
    values = np.array([h.value for h in heights])
    spread = np.array([[h.value - h.low for h in heights], [h.high - h.value for h in heights]])
    axes.bar(places, values, color=colour, width=0.6)
    if np.isfinite(spread).all():
        axes.errorbar(places, values, yerr=np.maximum(spread, 0), fmt="none", ecolor=GREY, capsize=3, linewidth=1)
    axes.set_xticks(places, [f"{b.round}-{b.following}" for b in record.barriers])
    axes.set_xlabel("rounds (0 is the dense network)")
    axes.set_ylabel("barrier, in units of the score")
    axes.set_title(f"{record.experiment.reference}: between trained networks of successive rounds")
    return figure, (
        "Error barrier on the straight line between trained networks of successive rounds: how far the worst network "
        "on it lies below the line between the ends' scores; interquartile mean over seeds, 95 % intervals."
    )


def inputs(record: JobRecord) -> tuple[Figure, str] | None:
    """Rounds against inputs: share of the first layer's weights that the reference arm still has."""
    own = [i for i in record.inspected if i.arm == record.experiment.reference and i.inputs is not None]
    kept = [np.asarray(i.inputs).reshape(-1) for i in own]
    if not kept or kept[0].size > _MOST_INPUTS:
        return None
    picture = 100 * np.array(kept)
    figure, (axes,) = panels(1, width=max(4.2, 1.6 + 0.3 * picture.shape[1]), height=1.2 + 0.22 * len(own))
    image = axes.imshow(picture, cmap="viridis", vmin=0, vmax=100, aspect="auto")
    axes.grid(visible=False)
    axes.set_yticks(range(len(own)), [str(i.round) for i in own])
    step = max(1, picture.shape[1] // 16)
    axes.set_xticks(range(0, picture.shape[1], step))
    axes.set_xlabel("input")
    axes.set_ylabel("round")
    axes.set_title(f"first layer of {record.experiment.reference}")
    figure.colorbar(image, ax=axes, label="% kept", pad=0.01)
    return figure, (
        "What the tickets still look at: percentage of the first layer's weights from each input that is kept, by "
        "round, mean over seeds. For a convolution: its channels and places in the kernel, in order."
    )
