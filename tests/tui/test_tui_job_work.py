"""Looking closely at a job: zoom, cursor, smoothing, axes, metrics, arms, overlap of masks, saving, devices."""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save
from textual.events import MouseScrollUp
from tui_helpers import Open, until
from workspace_fixture import LAYERS, Writer

from lth_core.settings.control import ControlTask
from lth_tui.screens.job import JobPage
from lth_tui.screens.metrics import MetricsPage
from lth_tui.widgets.heatmap import Heatmap
from lth_tui.widgets.line_plot import LinePlot
from lth_tui.widgets.list_pane import ListPane


async def plot_of(app, pilot) -> LinePlot:  # type: ignore[no-untyped-def]
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, JobPage))
    plot = app.screen.query_one("#curves", LinePlot)
    await until(pilot, lambda: "winning" in plot.text)
    return plot


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_cursor_tells_exact_values_and_the_gap(opened: Open, size: tuple[int, int]) -> None:
    async with opened(size) as (app, pilot):
        plot = await plot_of(app, pilot)
        await pilot.press("v", "H")
        curves = app.snapshot.detail.curves
        text = plot.cursor_text
        step = float(text.split()[2].replace(",", ""))
        at = {arm: curves[arm].value[list(curves[arm].steps).index(step)] for arm in ("winning", "random")}
        found = re.search(r"winning - random \+([\d.]+) \(better\)", text)  # to the last digit of the two values
        assert found is not None and float(found[1]) == pytest.approx(at["winning"] - at["random"], abs=6e-5)
        assert f"winning {at['winning']:.7g}" in text and text.startswith(f"╷ at {step:,.0f} steps")
        assert " ".join(plot.cursor_text.split()) in " ".join(plot.text.split()), "in as many rows as it takes"
        assert all(len(line) <= plot.size.width for line in plot.text.splitlines())
        await pilot.press("l", "l", "l", "l")
        assert plot.cursor_text != text
        await pilot.press("y")
        await until(pilot, lambda: any("copied" in n.message for n in app._notifications))
        assert app.clipboard == plot.cursor_text
        await pilot.press("escape")  # ends the cursor, not the page
        assert plot.cursor_text == "" and isinstance(app.screen, JobPage)
        await pilot.press("escape")
        assert not isinstance(app.screen, JobPage)


async def test_a_zoom_stands_in_the_title_whatever_its_length(opened: Open) -> None:
    async with opened((60, 16)) as (app, pilot):
        plot = await plot_of(app, pilot)
        await pilot.press("right_square_bracket", "plus", "Y")
        title = plot.text.splitlines()[0]
        assert len(title) <= plot.size.width and title.startswith("return/train · r5") and "zoom 67 % · log y" in title


def _x_axis(plot: LinePlot) -> str:
    return next(line for line in plot.text.splitlines() if line.startswith("steps "))


async def test_zoom_pan_fit_and_logarithm(opened: Open) -> None:
    async with opened((80, 24)) as (app, pilot):
        plot = await plot_of(app, pilot)
        before = plot.text
        await pilot.press("plus", "plus")
        assert "zoom 44 %" in plot.text
        axis = _x_axis(plot)
        await pilot.press("h")
        assert _x_axis(plot) != axis
        await pilot.press("Y")
        assert "log y" in plot.text
        await pilot.press("Y", "left_curly_bracket", "0")
        assert plot.text == before


async def test_smoothing_axes_and_arms(opened: Open) -> None:
    async with opened((120, 40)) as (app, pilot):
        plot = await plot_of(app, pilot)
        await pilot.press("right_square_bracket")
        assert "smoothed 0.5" in plot.text and sum(series.faint for series in plot.chart.series) == 2
        await pilot.press("left_square_bracket", "t")
        training = app.snapshot.detail.job.experiment.training
        per_update = training.environments * training.n_steps
        assert plot.chart.x_name == "updates"
        assert plot.chart.series[-1].x[-1] * per_update == app.snapshot.detail.curves["winning"].steps[-1]
        await pilot.press("a", "space")
        assert "random hidden" in plot.text and [s.label for s in plot.chart.series if s.hidden] == ["random"]
        await pilot.press("space", "i")
        assert {s.label for s in plot.chart.shown} == {"winning", "random"}
        await pilot.press("i")
        assert len(plot.chart.shown) == 5


async def test_other_metrics_and_some_are_logarithmic(
    opened: Open, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ControlTask, "logarithmic", ("perplexity",))
    writer.sql("INSERT INTO metric_names (name) VALUES ('perplexity/valid')")
    writer.sql(
        "INSERT INTO metrics SELECT trial, (SELECT id FROM metric_names WHERE name = 'perplexity/valid'), step, "
        "1000.0 - value FROM metrics"
    )
    async with opened((80, 24)) as (app, pilot):
        plot = await plot_of(app, pilot)
        await until(pilot, lambda: len(app.snapshot.detail.metrics) == 2)
        await pilot.press("m", *"perp", "enter")
        await until(pilot, lambda: "perplexity/valid" in plot.text and "log y" in plot.text)
        await pilot.press("m", "down", "enter")
        await until(pilot, lambda: "return/train" in plot.text and "log y" not in plot.text)
        await pilot.press("M", "v", "L")
        await until(pilot, lambda: isinstance(app.screen, MetricsPage))
        first, second = (app.screen.query_one(f"#small-{number}", LinePlot) for number in (0, 1))
        await until(
            pilot,
            lambda: (
                "winning - random" in first.text
                and "winning - random" in second.text
                and "▶ return/train" in shown(second)
            ),
        )
        assert first.cursor_text.split()[1:3] == second.cursor_text.split()[1:3], "cursors are linked"
        await pilot.press("left", "enter")
        await until(pilot, lambda: "perplexity/valid" in plot.text and app.screen.has_class("-single"))


def leave_masks(writer: Writer) -> None:
    """Masks of round 1 of the winning arm: of every layer seeds keep 50 %, two seeds the same half."""
    rows = writer.database.rows("SELECT id, seed FROM trials WHERE job = 2 AND arm = 'winning' AND round = 1")
    shapes = [[name, list(shape)] for name, shape in LAYERS]
    size = sum(int(np.prod(shape)) for _, shape in LAYERS)
    import json

    for row in rows:
        bits = np.arange(size) % 2 == (0 if row["seed"] < 2 else 1)
        path = writer.workspace.folder / f"trial-{row['id']}.safetensors"
        values = {"values": json.dumps({"mask": shapes})}
        path.write_bytes(save({"mask": np.packbits(bits)}, metadata=values))
        writer.sql("UPDATE trials SET tensors = ? WHERE id = ?", path.name, row["id"])


async def test_masks_of_seeds_are_compared(opened: Open, writer: Writer) -> None:
    leave_masks(writer)
    async with opened((120, 40)) as (app, pilot):
        await plot_of(app, pilot)
        await pilot.press("3", "m", "z")
        layers = app.screen.query_one(Heatmap)
        await until(pilot, lambda: "overlap between seeds" in layers.text and "33" in layers.text)
        for _ in range(8):
            await pilot.press("left")
        await pilot.press("right")
        # Of 6 pairs of seeds two agree wholly and four not at all; halves overlap by a third by chance.
        assert "overlap 33.3 % (mean of 6 pairs of seeds, 0.0 to 100.0) · by chance 33.3 %" in layers.text
        await pilot.press("a")
        await until(pilot, lambda: "fewer than two seeds have finished" in layers.text)


async def test_a_damaged_mask_is_no_crash(opened: Open, writer: Writer) -> None:
    leave_masks(writer)
    for path in writer.workspace.folder.glob("trial-*"):
        path.write_bytes(path.read_bytes()[:50])
    async with opened((80, 24)) as (app, pilot):
        await plot_of(app, pilot)
        await pilot.press("3", "m")
        await until(pilot, lambda: "fewer than two seeds" in app.screen.query_one(Heatmap).text)


async def test_what_is_on_screen_can_be_saved(opened: Open, writer: Writer) -> None:
    async with opened((80, 24)) as (app, pilot):
        plot = await plot_of(app, pilot)
        await pilot.press("S", "E")
        folder = writer.workspace.folder / "exports"
        await until(pilot, lambda: len(list(folder.glob("*"))) == 2 and len(app.said) == 2)
        assert next(folder.glob("*.svg")).read_text().startswith("<svg")
        rows = list(csv.reader(next(folder.glob("*.csv")).open()))
        assert rows[0] == ["curve", "steps", "return/train", "low", "high"]
        winning = [row for row in rows if row[0] == "winning"]
        series = next(s for s in plot.chart.series if s.label == "winning")
        assert [float(row[2]) for row in winning] == list(series.y) and float(winning[3][3]) == series.low[3]


@pytest.mark.processes
async def test_the_figure_is_drawn_elsewhere(opened: Open, writer: Writer) -> None:
    pytest.importorskip("matplotlib", reason="PNG figures need matplotlib")
    import sys

    before = "matplotlib.pyplot" in sys.modules
    async with opened((80, 24)) as (app, pilot):
        await plot_of(app, pilot)
        await pilot.press("2", "P")
        folder = writer.workspace.folder / "exports"
        await until(pilot, lambda: any("saved" in text for _, _, text in app.said), seconds=60)
        assert next(folder.glob("*.png")).read_bytes().startswith(b"\x89PNG")
        assert ("matplotlib.pyplot" in sys.modules) == before


async def test_devices_and_log(opened: Open, writer: Writer) -> None:
    batch = writer.database.row("SELECT id FROM batches WHERE job = 2 ORDER BY id DESC LIMIT 1")
    assert batch is not None
    folder = Path(writer.workspace.batch(batch["id"])) / "attempt-1"
    folder.mkdir(parents=True)
    stamp = "2026-11-29 15:38:05,327"
    lines = [f"{stamp} INFO step {n:,} of 60,000 steps, 88,000 steps/s" for n in range(90)]
    (folder / "log.txt").write_text("\n".join([*lines, f"{stamp} WARNING a warning of the worker", ""]))
    async with opened((120, 40)) as (app, pilot):
        await plot_of(app, pilot)
        await pilot.press("5")
        log = app.screen.query_one("#log", ListPane)
        await until(pilot, lambda: "15:38:05 WARNING a warning of the worker" in log.text)
        assert "15:38:05 step 7 of 60,000 steps, 88,000 steps/s" in log.text and "INFO" not in log.text
        assert "log · following" in log.render_line(0).text
        await pilot.press("k")
        assert "G follows again" in log.render_line(0).text
        with (folder / "log.txt").open("a") as file:
            file.write(f"{stamp} INFO dense round 0 seed 1 done at step 60,000: score 471, audit passed\n")
        writer.event(2, "round", "something else")  # the log is read with what changes in the database
        await pilot.press("G")
        await until(pilot, lambda: "score 471" in log.render_line(log.size.height - 1).text)
        await pilot.press("8")
        devices = app.screen.query_one("#devices", ListPane)
        await until(pilot, lambda: "memory" in devices.text and "GiB" in devices.text)
        assert "cpu:0" in devices.text and "2 cartpole" in devices.text and "CPU" in devices.text


async def test_a_figures_marks_and_axis_are_those_of_the_screen(opened: Open, writer: Writer) -> None:
    from lth_tui.exports import as_data
    from lth_tui.figure import _MARKERS
    from lth_tui.palette import _REFERENCE

    async with opened((80, 24)) as (app, pilot):
        await plot_of(app, pilot)
        await pilot.press("2")
        await until(pilot, lambda: bool(app.screen.query_one("#lottery", LinePlot).chart.series))
        data: Any = as_data(app.screen.query_one("#lottery", LinePlot).chart)
        assert data["y_name"] and {s["marker"] for s in data["series"]} <= {None, *_MARKERS}
        assert next(s for s in data["series"] if s["label"] == "winning")["marker"] == _REFERENCE.marker


def shown(widget: LinePlot) -> str:
    """The title of a plot as it is drawn."""
    return widget.render_line(0).text


async def test_the_mouse_zooms_drags_and_hides(opened: Open) -> None:
    async with opened((80, 24)) as (app, pilot):
        plot = await plot_of(app, pilot)
        spot = (40, 5)
        await pilot._post_mouse_events([MouseScrollUp], "#curves", spot, 0)
        await until(pilot, lambda: "zoom 80 %" in plot.text)
        before = plot.text
        await pilot.mouse_down("#curves", offset=spot)
        await pilot.hover("#curves", offset=(30, 5))
        await pilot.mouse_up("#curves", offset=(30, 5))
        await until(pilot, lambda: plot.text != before or not plot.in_use)
        assert plot.cursor_text == "", "a drag is no click"
        row, line = next((y, line) for y, line in enumerate(plot.text.splitlines()) if "random" in line and y > 5)
        await pilot.click("#curves", offset=(line.index("random") + 1, row))
        await until(pilot, lambda: [s.label for s in plot.chart.series if s.hidden] == ["random"])
