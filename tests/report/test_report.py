"""Pages, figures and tables of jobs and suites, from the store alone."""

import csv
import html
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas
import pytest
from matplotlib.colors import to_rgb

from lth_core.analysis import statistics
from lth_core.analysis.questions import NOT_ASKED
from lth_core.errors import InputError
from lth_core.report import suite_table, write
from lth_core.report.answers import suite_answers
from lth_core.report.card import card
from lth_core.report.drawing import looks, percent
from lth_core.report.figures import job_figures, lottery_figure
from lth_core.report.page import table
from lth_core.report.record import job_record, suite_record
from lth_core.report.suite_figures import suite_figures
from lth_core.report.table_files import as_csv, as_json_lines
from lth_core.report.tables import job_tables, suite_tables
from lth_core.report.write import write_job
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from tests.command import lth
from tests.report.conftest import job


class Links(HTMLParser):
    """All that a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found += [str(value) for name, value in attributes if name in ("src", "href", "srcset")]


@pytest.fixture(scope="module")
def written(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of job 1: for reading only."""
    made = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "RESAMPLES", 200)
        database = Database(Workspace(folder).database, writer=False)
        files = write_job(job_record(database, job(database, 1)), made)
        database.close()
    assert sorted(files) == sorted(path for path in made.rglob("*") if path.is_file())
    return made


def test_a_jobs_report_is_one_self_contained_page_with_figures_and_tables(written: Path) -> None:
    names = {str(path.relative_to(written)) for path in written.rglob("*")}
    for figure in ("lottery", "differences", "learning", "layers"):
        assert {f"figures/{figure}.{suffix}" for suffix in ("pdf", "png", "svg")} <= names
    assert {"index.html", "tables/trials.csv", "tables/trials.jsonl", "tables/lottery.csv"} <= names
    assert (written / "figures" / "lottery.pdf").read_bytes().startswith(b"%PDF")
    content = (written / "index.html").read_text()
    page = Links()
    page.feed(content)
    assert page.found and all(link.startswith("data:image/svg+xml;base64,") for link in page.found)
    assert "script" not in page.tags and "link" not in page.tags


def test_the_page_holds_the_same_answers_as_the_terminal_and_the_failed_trial(
    database: Database, written: Path
) -> None:
    record = job_record(database, job(database, 1))
    content = (written / "index.html").read_text()
    assert {finding.word for finding in record.findings} > {NOT_ASKED}
    for finding in record.findings:
        lines = [line for line in finding.lines if line.word != NOT_ASKED]
        said = [finding.question.rstrip("?"), *(part for line in lines for part in (line.short, *line.facts))]
        assert all(html.escape(part) in content for part in said), finding
    assert "1 of 136 trials failed or were blocked" in content
    assert "&lt;script&gt;alert(1)&lt;/script&gt; diverged" in content
    assert "<script" not in content and "\x1b" not in content


@pytest.mark.thorough
def test_the_same_store_gives_the_same_bytes(database: Database, written: Path, tmp_path: Path) -> None:
    write_job(job_record(database, job(database, 1)), tmp_path)
    for path in sorted(written.rglob("*")):
        other = tmp_path / path.relative_to(written)
        assert path.is_dir() or path.read_bytes() == other.read_bytes(), path.name


@pytest.mark.thorough
def test_a_suite_has_a_grid_of_its_jobs_and_their_reports(
    folder: Path, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "FORMATS", ("svg",))
    shutil.copytree(folder, tmp_path / "workspace")
    done = lth("report", "pair", cwd=tmp_path)
    assert done.returncode == 0 and "report-pair/index.html" in done.stdout
    made = tmp_path / "report-pair"
    files = {path.name for path in made.rglob("*")}
    assert {"grid.svg", "effects.svg", "profiles.svg", "3-lottery.svg", "4-layers.svg", "across.csv"} <= files
    content = (made / "index.html").read_text()
    assert content.count("<img") == 3 + 2 * 4
    assert "of 2 jobs" in content and "Job 3: pair-a" in content
    record = suite_record(database, "pair", views.suite_jobs(database, "pair"))
    figure, _ = suite_figures(record)["grid"]
    assert [axes.get_title() for axes in figure.axes] == ["a", "b"]


@pytest.mark.parametrize("number", [2, 5])
def test_a_job_that_runs_or_waits_has_a_report_too(
    number: int, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "FORMATS", ("svg",))
    record = job_record(database, job(database, number))
    files = write_job(record, tmp_path)
    assert files[0].name == "index.html"
    assert (len(job_figures(record)) > 0) == (number == 2)


def test_captions_say_over_how_many_seeds_and_which_way_is_better(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = job_record(database, job(database, 3))
    *cells, last = record.summary.cells
    some = replace(record.summary, cells=(*cells, replace(last, score=replace(last.score, n=3))))
    monkeypatch.setattr(type(record.experiment.task), "higher_is_better", False)
    made = {name: caption for name, (_, caption) in job_figures(replace(record, summary=some)).items()}
    assert made["lottery"].startswith("Lottery curves: interquartile mean over 3 to 8 seeds; bands")
    assert "Less is better." in made["lottery"] and "below zero winning is ahead" in made["differences"]


def test_a_single_seed_has_no_intervals_to_speak_of(database: Database) -> None:
    record = job_record(database, job(database, 3))
    cells = tuple(replace(cell, score=replace(cell.score, n=1)) for cell in record.summary.cells)
    found = lottery_figure(replace(record, summary=replace(record.summary, cells=cells)))
    assert found is not None and found[1].startswith("Lottery curves of a single seed, which has no interval.")
    assert "ess is better" not in found[1]


def test_the_card_of_a_job_that_runs_says_how_much_of_it_has_ended(database: Database) -> None:
    found = dict(card(job_record(database, job(database, 2))))
    assert found["Cost"].startswith("8 of 56 trainings ended, ")
    assert found["Lost"] == "No trial of 56 failed. 48 trials did not end, or not yet."


def test_a_suites_gains_are_told_from_scores_of_which_less_is_better(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = suite_answers(database, "pair", views.suite_jobs(database, "pair"))
    turned = "over dense: a gain, so more is better; of the scores of pair-a, pair-b less is"
    assert turned not in map(str, suite_table.parts(found))
    monkeypatch.setattr(type(found.jobs[0].experiment.task), "higher_is_better", False)
    assert turned in map(str, suite_table.parts(found))


def test_large_numbers_keep_their_digits(database: Database) -> None:
    assert ">12346<" in table([{"score": 12345.6}], {"score": "score"})
    found = dict(card(replace(job_record(database, job(database, 3)), active=3.6e6)))
    assert ", 1000 hours with a batch running" in found["Cost"]


def test_the_page_says_what_its_tables_hold(written: Path) -> None:
    content = (written / "index.html").read_text()
    assert (
        "<p>score: return/train, interquartile mean over 8 seeds [95 % bootstrap]; p: of winning minus arm, " in content
    )
    assert "collapsed: seeds with under 50% of the dense network" in content and "<th>collapsed</th>" in content
    assert "turned so that more is better" in content


def test_lottery_curves_draw_the_numbers_of_the_table(database: Database) -> None:
    record = job_record(database, job(database, 1))
    figure, _ = job_figures(record)["lottery"]
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    rows = [row for row in job_tables(record)["lottery"] if row["arm"] == "winning"]
    assert np.asarray(lines["winning"].get_xdata()).tolist() == [row["density"] for row in rows]
    assert np.asarray(lines["winning"].get_ydata()).tolist() == [row["score"] for row in rows]
    low, high = figure.axes[0].get_xlim()
    assert low > high  # from dense to sparse


def test_no_text_of_a_figure_overlaps_another(database: Database) -> None:
    """Titles, labels and legends; tick labels of one axis among themselves."""
    made = job_figures(job_record(database, job(database, 1)))
    made |= suite_figures(suite_record(database, "pair", views.suite_jobs(database, "pair")))
    for name, (figure, _) in made.items():
        figure.draw_without_rendering()
        boxes = [text for text in (figure._supxlabel, figure._supylabel) if text is not None]  # type: ignore[attr-defined]
        boxes += [*figure.legends]
        for axes in figure.axes:
            boxes += [t for t in (axes.title, axes.xaxis.label, axes.yaxis.label) if t.get_text()]
            ticks = [t for t in axes.get_xticklabels() if t.get_text() and axes.get_xaxis().get_visible()]
            places = sorted(t.get_window_extent().x0 for t in ticks), sorted(t.get_window_extent().x1 for t in ticks)
            assert all(right <= left + 0.5 for left, right in zip(places[0][1:], places[1], strict=False)), name
        extents = [box.get_window_extent() for box in boxes]
        for i, one in enumerate(extents):
            assert not any(one.overlaps(other) for other in extents[i + 1 :]), (name, i)
            assert one.x0 >= -1 and one.x1 <= figure.bbox.x1 + 1, name


def test_arms_are_told_apart_without_colour_and_by_those_who_see_no_red_or_green(database: Database) -> None:
    look = looks(job(database, 1).experiment)
    assert len({(one.marker, one.line) for one in look.values()}) == len(look)

    def as_seen(colour: str) -> np.ndarray:
        """Deuteranopia after Machado et al. 2009, severity 1."""
        matrix = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
        return matrix @ np.array(to_rgb(colour))

    colours = [as_seen(one.colour) for one in look.values()]
    distances = [np.abs(a - b).max() for i, a in enumerate(colours) for b in colours[i + 1 :]]
    assert min(distances) > 0.1


def test_tables_are_ready_for_pandas_and_say_the_same_in_each_format(database: Database, tmp_path: Path) -> None:
    record = suite_record(database, "pair", views.suite_jobs(database, "pair"))
    tables = {name: rows for name, rows in suite_tables(record).items() if rows}
    assert len(tables) >= 4
    for name, rows in tables.items():
        (tmp_path / "t.csv").write_bytes(as_csv(rows))
        (tmp_path / "t.jsonl").write_bytes(as_json_lines(rows))
        table = pandas.read_csv(tmp_path / "t.csv")
        lines = pandas.read_json(tmp_path / "t.jsonl", lines=True)
        assert len(table) == len(lines) == len(rows), name
        assert list(table.columns) == list(lines.columns) == list(rows[0]), name
        for column in table.select_dtypes("number"):
            assert np.allclose(table[column].astype(float), lines[column].astype(float), equal_nan=True), (name, column)


def test_a_failed_trial_is_a_row_and_no_cell_is_a_formula(database: Database) -> None:
    rows = job_tables(job_record(database, job(database, 1)))["trials"]
    (lost,) = [row for row in rows if row["state"] == "failed"]
    assert (lost["arm"], lost["round"], lost["seed"], lost["score"]) == ("random", 3, 2, None)
    assert "\x1b" not in str(lost["error"])
    (line,) = list(csv.DictReader(as_csv([{"text": "=1+1", "value": float("nan")}]).decode().splitlines()))
    assert line == {"text": "'=1+1", "value": ""}
    assert json.loads(as_json_lines([{"value": float("nan")}])) == {"value": None}


def test_the_card_says_what_was_pruned_reset_evaluated_and_seeded_and_what_it_cost(database: Database) -> None:
    record = job_record(database, job(database, 1))
    found = dict(card(record))
    assert "smallest 40% of what remains, by magnitude" in found["Pruned"] and "4 rounds" in found["Pruned"]
    assert "initialisation" in found["Reset"]
    assert "mean of the last 100 training episodes" in found["Score"]
    assert "seeds 0, 1, 2, 3, 4, 5, 6, 7" in found["Seeds"]
    steps = sum(trial.step for trial in record.trials)
    assert steps > 0 and f"136 trainings, {steps:,} steps" in found["Cost"]
    assert record.experiment.identity in found["Identity"]


def test_export_as_a_command(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "workspace")
    done = lth("export", "1", "-o", "numbers", cwd=tmp_path)
    assert done.returncode == 0 and re.search(r"numbers/lottery\.csv", done.stdout)
    assert len(pandas.read_csv(tmp_path / "numbers" / "trials.csv")) == 136


def test_bad_subjects_and_folders_are_one_sentence(folder: Path, tmp_path: Path) -> None:
    done = lth("report", "pear", "-w", folder, cwd=tmp_path)
    assert done.returncode == 2 and 'suites: pair, did you mean "pair"?' in done.stderr
    (tmp_path / "file").write_text("")
    done = lth("export", "1", "-w", folder, "-o", "file", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("lth: file: cannot be created")
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(("density", "text"), [(1.0, "100"), (0.327, "33"), (0.0857, "8.6"), (0.0119, "1.2")])
def test_percentages_are_short(density: float, text: str) -> None:
    assert percent(density) == text


def test_a_folder_that_cannot_be_made_is_bad_input(database: Database, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="cannot be created"):
        write_job(job_record(database, job(database, 5)), tmp_path / "taken")
