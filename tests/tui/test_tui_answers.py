"""The answers of a job and of a suite: all that `lth show` prints, sorted, copied, saved."""

import csv
import io
import re

from rich.console import Console
from test_tui_bursts import burst
from tui_helpers import Open, until
from workspace_fixture import Writer

from lth_core.report import suite_table
from lth_core.report.answers import job_answers, suite_answers
from lth_core.report.table import answer_lines
from lth_core.store import views
from lth_tui.screens.answers_pane import AnswersPane
from lth_tui.screens.job import JobPage
from lth_tui.screens.queue import QueuePage


async def test_a_burst_opens_the_answers_of_a_job_sorts_and_saves_them(opened: Open, writer: Writer) -> None:
    async with opened((80, 24)) as (app, pilot):
        burst(app, "aooo")  # sorted by difference
        await until(pilot, lambda: isinstance(app.screen, JobPage) and app.screen.query("AnswersPane"))
        pane = app.screen.query_one(AnswersPane)
        await until(pilot, lambda: "sorted by difference" in pane.text)
        job = views.job(writer.database, 2)
        assert job is not None
        unfolded = pane.text.replace("\n", " ")
        for line in answer_lines(job_answers(writer.database, job).findings):
            assert line.plain.strip() in unfolded
        for words in ("Critical densities", "winning minus arm", " p ", "[", "audit: "):
            assert words in pane.text
        assert all(len(line) <= 80 for line in pane.text.splitlines() if line.startswith("round "))
        burst(app, "gOEy")
        await until(pilot, lambda: list(writer.workspace.folder.glob("exports/table-*.csv")) != [])
        rows = list(csv.DictReader(next(iter(writer.workspace.folder.glob("exports/table-*.csv"))).open()))
        gaps = [float(row["reference_minus_arm"]) for row in rows if row["reference_minus_arm"]]
        assert gaps == sorted(gaps) and {"p_holm", "seeds", "score_low"} <= set(rows[0])
        assert "the table" not in app.clipboard and "Winning or random?" in app.clipboard
        burst(app, "\x1b")
        await until(pilot, lambda: isinstance(app.screen, QueuePage))


async def test_a_suite_has_its_answers_too(opened: Open, writer: Writer) -> None:
    writer.sql("UPDATE jobs SET suite = 'both' WHERE id < 3")
    async with opened((120, 40)) as (app, pilot):
        await until(pilot, lambda: "both" in app.screen.query_one("#jobs").text)  # type: ignore[attr-defined]
        burst(app, "gao/random")
        await until(pilot, lambda: bool(app.screen.query(AnswersPane)))
        pane = app.screen.query_one(AnswersPane)
        await until(pilot, lambda: "suite both: 2 jobs" in pane.text)
        assert "sorted by name" in pane.text and "Verdicts" in pane.text
        assert "with random" in pane.render_line(0).text
        burst(app, "\x1b\x1b")
        await until(pilot, lambda: isinstance(app.screen, QueuePage))


def test_long_names_of_a_suites_jobs_are_cut_in_the_middle_and_its_numbers_are_not(writer: Writer) -> None:
    writer.sql("UPDATE jobs SET suite = 'both', name = 'both-a-job-of-a-long-name-' || id || '-of-two' WHERE id < 3")
    found = suite_answers(writer.database, "both", views.suite_jobs(writer.database, "both"))
    for width, name in ((200, "both-a-job-of-a-long-name-1-of-two "), (90, "of-two "), (78, "…-two ")):
        console = Console(width=width, file=io.StringIO())
        console.print(suite_table.parts(found)[1])
        text = console.file.getvalue()  # type: ignore[attr-defined]
        rows = [line for line in text.splitlines() if re.match(r" *[12] ", line)]
        assert len(rows) == 2 and name in rows[0], text
    assert "both-a" not in text and "(running)" in text
