"""The paper's figures, drawn from stored results: lottery curves of the jobs that stand in their place."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth_core.analysis.statistics import Interval
from lth_core.claims.claim import STORED, Panel, PaperFigure, stored_experiment
from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.report.drawing import Look, density_axis, legend, looks, panels, styled
from lth_core.report.figures import band, dense_line
from lth_core.text import one_line

Row = Mapping[str, str]


def draw(figure: PaperFigure, folder: Path) -> Figure | None:
    """The panels whose jobs are stored in this folder; None if none is. Raises InputError for a damaged table."""
    shown = [panel for panel in figure.panels if (folder / panel.job / "lottery.csv").exists()]
    if not shown:
        return None
    with styled():
        drawn, axes = panels(len(shown))
        scores, found = [], [_stored(folder / panel.job) for panel in shown]
        look = _looks([experiment for experiment, _ in found])
        for one, panel, (experiment, rows) in zip(axes, shown, found, strict=True):
            try:
                _panel(one, rows, panel, look)
            except (ValueError, KeyError) as error:
                raise InputError(f"{one_line(folder / panel.job)}/lottery.csv: {one_line(error)}: {STORED}") from None
            scores.append(experiment.judged_by)
        drawn.supxlabel("prunable parameters kept (%, logarithmic)", fontsize=9)
        drawn.supylabel(" or ".join(dict.fromkeys(scores)), fontsize=9)
        legend(drawn, axes)
    return drawn


def _looks(experiments: Sequence[Experiment]) -> dict[str, Look]:
    """The same of an arm in all panels: those of the experiment with the most arms, and of others what it has not."""
    found: dict[str, Look] = {}
    for experiment in sorted(experiments, key=lambda one: -len(one.arms)):
        found = looks(experiment) | found
    return found


def _panel(axes: Axes, rows: list[Row], panel: Panel, look: Mapping[str, Look]) -> None:
    for row in rows:
        if row["arm"] == DENSE and row["score"]:
            dense_line(axes, _score(row))
    densities = [1.0]
    for arm in reversed(panel.arms):  # the first on top
        own = sorted((row for row in rows if row["arm"] == arm and row["score"]), key=lambda row: int(row["round"]))
        x = [float(row["density"]) for row in own]
        band(axes, x, [_score(row) for row in own], look[arm], arm)
        densities += x
    density_axis(axes, sorted(set(densities), reverse=True))
    axes.set_title(one_line(panel.title, 60))


def _score(row: Row) -> Interval:
    low, high = (float(row[name] or math.nan) for name in ("score_low", "score_high"))
    return Interval(float(row["score"]), low, high, int(row["seeds"]))


def _stored(folder: Path) -> tuple[Experiment, list[Row]]:
    experiment, path = stored_experiment(folder), folder / "lottery.csv"
    try:
        return experiment, list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, ValueError) as error:
        raise InputError(f"{one_line(path)}: {one_line(error, 200)}: {STORED}") from None
