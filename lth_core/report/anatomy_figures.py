"""Figures of the analysis of tickets: effective sparsity, overlap and distance by density; inputs still in use."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth_core.analysis.anatomy import pixels_seen
from lth_core.analysis.connectivity import STABLE
from lth_core.analysis.inspection import Inspected
from lth_core.report.drawing import GREY, Look, density_axis, legend, looks, order, panels, percent, scaled
from lth_core.report.record import JobRecord
from lth_core.settings.minatar import MinAtarTask
from lth_core.settings.networks import Board, Convolutional
from lth_core.settings.tasks import AtariTask

ROUND_LOOKS = (
    Look(GREY, "o", "-"), Look("#0072B2", "s", (0, (4, 1.5))), Look("#D55E00", "^", (0, (1.5, 1))),
    Look("#009E73", "D", (0, (5, 1.5, 1, 1.5))),
)  # fmt: skip
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
    figure.supxlabel("prunable parameters kept (%, logarithmic)")
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
    """Scores at the ends and at the worst point between, for each pair of successive rounds."""
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
    axes.set_ylabel(f"barrier of {record.barriers[0].metric}")
    axes.set_title(f"{record.experiment.reference}: between trained networks of successive rounds")
    return figure, (
        "Error barrier on the straight line between trained networks of successive rounds: how far the worst network "
        "on it lies below the line between the ends' scores; interquartile mean over seeds, 95 % intervals."
    )


def instability(record: JobRecord) -> tuple[Figure, str] | None:
    """Instability against the rewind point, one line per round."""
    found = record.instabilities
    if not found:
        return None
    figure, (axes,) = panels(1, width=5.6, height=3.0)
    points = sorted({one.point for one in found})
    for place, round in enumerate(dict.fromkeys(one.round for one in found)):
        own = [one for one in found if one.round == round]
        x = np.array([points.index(one.point) for one in own]) + 0.06 * place
        y, low, high = (100 * np.array([getattr(one.share, part) for one in own]) for part in ("value", "low", "high"))
        look = ROUND_LOOKS[place % len(ROUND_LOOKS)]
        label = "dense" if round == 0 else f"round {round}"
        axes.plot(x, y, color=look.colour, linestyle=look.line, marker=look.marker, label=label)
        axes.vlines(x, low, high, color=look.colour, linewidth=1)
    axes.axhline(100 * STABLE, color=GREY, linewidth=0.9, dashes=(3, 2))
    axes.set_xticks(range(len(points)), [f"{point:,}" for point in points])
    axes.set_xlabel(f"rewind point ({record.experiment.training.unit} of {record.experiment.training.length:,})")
    axes.set_ylabel("instability (% of the score)")
    axes.set_ylim(bottom=0)
    legend(figure, [axes])
    return figure, (
        f"Instability to noise (Frankle et al. 2020): {found[0].metric} at the worst point between two trainings that "
        "differ in noise alone, below the mean of their ends; interquartile mean over seeds, 95 % intervals; dashed: "
        f"{STABLE:.0%}, below which a point counts as stable."
    )


_PLACES = 64


def inputs(record: JobRecord) -> tuple[Figure, str] | None:
    """The inputs that the reference arm still uses: a picture of the first layer, round by round."""
    own = [i for i in record.inspected if i.arm == record.experiment.reference and i.inputs is not None]
    kept = [np.asarray(i.inputs) for i in own]
    if not kept:
        return None
    if kept[0].ndim == 3:
        return _pixels(record, own, kept)
    return _numbered_inputs(record, own, kept)


def _numbered_inputs(
    record: JobRecord, own: Sequence[Inspected], kept: Sequence[npt.NDArray[np.float64]]
) -> tuple[Figure, str]:  # fmt: skip
    """Rounds against inputs, or against words in the order of their numbers, binned if there are many."""
    many = kept[0].size > _PLACES
    rows = [np.array([part.mean() for part in np.array_split(row, _PLACES)]) if many else row for row in kept]
    picture = 100 * np.array(rows)
    width = 6.4 if many else max(4.2, 1.6 + 0.3 * picture.shape[1])
    figure, (axes,) = panels(1, width=width, height=1.2 + 0.22 * len(own))
    image = axes.imshow(picture, cmap="viridis", vmin=0, vmax=100, aspect="auto")
    axes.grid(visible=False)
    axes.set_yticks(range(len(own)), [f"{i.round} ({percent(i.density)} %)" for i in own])
    words = record.experiment.model.kind in ("lstm", "transformer", "seq2seq")
    if many:
        edges = [round(place * kept[0].size / _PLACES) for place in range(0, _PLACES, 8)]
        axes.set_xticks(range(0, _PLACES, 8), [f"{edge:,}" for edge in edges])
    else:
        step = max(1, picture.shape[1] // 16)
        axes.set_xticks(range(0, picture.shape[1], step))
    axes.set_xlabel("word, by its number in the vocabulary" if words else "input")
    axes.set_ylabel("round (kept)")
    axes.set_title(f"what {record.experiment.reference} looks at")
    figure.colorbar(image, ax=axes, label="% kept", pad=0.01)
    what = "word" if words else "input"
    binned = f", in {_PLACES} bins" if many else ""
    return figure, (
        f"What the tickets still look at: percentage of the first layer's weights from each {what}{binned} that are "
        "kept and on a path to an output, by round, mean over seeds."
    )


def _pixels(
    record: JobRecord, own: Sequence[Inspected], kept: Sequence[npt.NDArray[np.float64]]
) -> tuple[Figure, str]:  # fmt: skip
    """For each round the kernel of each channel, and beside it how much of the image is still used."""
    shown = _spread(list(range(len(own))), 5)
    channels = min(kept[0].shape[0], 4)
    figure = Figure(figsize=scaled(1.35 * (channels + 1) + 1.0, 1.35 * len(shown) + 0.9), layout="constrained")
    axes = figure.subplots(len(shown), channels + 1, squeeze=False)
    image = None
    for row, place in enumerate(shown):
        for channel in range(channels):
            one = axes[row][channel]
            image = one.imshow(100 * kept[place][channel], cmap="viridis", vmin=0, vmax=100)
            if row == 0:
                one.set_title(f"channel {channel}")
        seen = _looked_at(record, kept[place])
        last = axes[row][channels]
        last.imshow(100 * seen, cmap="viridis", vmin=0, vmax=100)
        axes[row][0].set_ylabel(f"round {own[place].round}\n{percent(own[place].density)} %", fontsize=8)
        if row == 0:
            last.set_title("pixels")
    for one in axes.flat:
        one.grid(visible=False)
        one.set_xticks([])
        one.set_yticks([])
    if image is not None:
        figure.colorbar(image, ax=list(axes.flat), label="% kept", pad=0.01)
    return figure, (
        f"What {record.experiment.reference} still looks at: percentage of the first layer's filters that keep each "
        "place of their kernel, by input channel, and (right) of the weights through which each pixel of the image is "
        "seen; kept and on a path to an output, mean over seeds."
    )


def _looked_at(record: JobRecord, kept: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(height, width): share of each pixel's weights that is kept, over channels and positions of the kernel."""
    model, task = record.experiment.model, record.experiment.task
    assert isinstance(model, (Convolutional, Board)) and isinstance(task, (AtariTask, MinAtarTask))  # noqa: S101 of images
    first, (_, height, width) = model.layers[0][0], task.shape
    return pixels_seen(kept.mean(axis=0), (height, width), first.stride, first.padding)


def _spread(places: list[int], most: int) -> list[int]:
    """At most `most` of these places, including the first and the last."""
    if len(places) <= most:
        return places
    return [places[round(i * (len(places) - 1) / (most - 1))] for i in range(most)]
