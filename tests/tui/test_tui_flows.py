"""Each flow of the workbench with all its keys in one write, in one app: what it leads to is what the keys say."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from test_tui_bursts import burst
from textual.pilot import Pilot
from tui_helpers import Open, looked_at, until
from workspace_fixture import Writer, experiment

from lth_core.store import metrics
from lth_core.store.metrics import Point
from lth_tui.app import Workbench
from lth_tui.content.listing import Listing
from lth_tui.reading.reader import Reader
from lth_tui.screens.add import Add
from lth_tui.screens.ask import Ask
from lth_tui.screens.compare import ComparePage
from lth_tui.screens.edit import Edit
from lth_tui.screens.help import Help
from lth_tui.screens.job import JobPage
from lth_tui.screens.messages import Messages
from lth_tui.screens.metrics import MetricsPage
from lth_tui.screens.queue import QueuePage
from lth_tui.screens.suite import SuitePage
from lth_tui.widgets.heatmap import Heatmap


class At(NamedTuple):
    """What a flow has led to."""

    app: Workbench
    writer: Writer

    @property
    def asked(self) -> list[tuple[str, object]]:
        """The commands so far: the kind, and the job or what else was asked for."""
        return [(kind, payload.get("job", payload.get("count"))) for kind, payload in self.writer.asked()]

    @property
    def sent(self) -> list[dict[str, object]]:
        """What the commands so far say; something without words where there are none."""
        return [payload for _, payload in self.writer.asked()] or [{"replaces": None, "after_round": None}]

    @property
    def made(self) -> dict[str, object]:
        """The fields of the experiment that was queued."""
        return dict(json.loads(str(self.sent[0].get("experiment", '{"seeds": null}'))))

    @property
    def cell(self) -> tuple[int, int | None]:
        """Where the cursor of the layers is."""
        heatmap = self.app.screen.query_one(Heatmap)
        return heatmap.row, heatmap.column

    @property
    def log(self) -> str:
        """The title of the log, empty where it is not shown."""
        found = self.app.screen.query("#log")
        return self.pane("log", head=True) if found and found.first().display else ""

    def saved(self, pattern: str) -> bool:
        """Whether such a file was saved."""
        return bool(list(self.writer.workspace.folder.glob(f"exports/{pattern}")))

    def page(self, kind: type, job: int | None = None) -> bool:
        """Whether this page is on top, of this job."""
        screen = self.app.screen
        return isinstance(screen, kind) and (job is None or getattr(screen, "job_id", None) == job)

    def said(self, words: str) -> bool:
        """Whether a message since the flow began has these words."""
        return any(words in text for *_, text in self.app.said)

    def pane(self, name: str, *, head: bool = False) -> str:
        """The text of a pane of the page on top, or its title."""
        found = self.app.screen.query(f"#{name}")
        if not found:
            return ""
        pane = found.first()
        return pane.render_line(0).text if head else pane.text  # type: ignore[attr-defined]


def asks(*wanted: tuple[str, int | None]) -> Callable[[At], bool]:
    """Whether exactly these commands were sent, and a page of the queue is on top."""
    return lambda at: at.asked == list(wanted) and at.page(QueuePage)


def filters(words: str) -> Callable[[At], bool]:
    """Whether the queue has this filter, and nothing was commanded."""
    return lambda at: at.page(QueuePage) and at.app.screen.listing.filter == words and not at.asked  # type: ignore[attr-defined]


FLOWS: list[tuple[str, Callable[[At], bool]]] = [
    (":4\np", asks(("pause", 4))),
    ("n\x1bp", asks(("pause", 2))),
    ("?\x1b\np", lambda at: at.asked == [("pause", 2)] and at.page(JobPage, 2)),
    (":3\nr", asks(("retry", 3))),
    ("xy", asks(("cancel", 2))),
    (":2\nxn:2\nxe", lambda at: at.asked == [("cancel", 2)] and at.sent[0]["after_round"] is True),
    (":4\nJK+-", asks(("move", 4), ("move", 4), ("priority", 4), ("priority", 4))),
    (":1\nDy:3\nDnu", asks(("delete", 1), ("restore", 1))),
    (":3\n  pL", asks(("pause", 4), ("launch", 3), ("launch", 4))),
    ("*r*", asks(("retry", 3))),
    ("w7\n", asks(("slots", 7))),
    ("w\x1bw4\n", asks(("slots", 4))),
    ("w", lambda at: at.page(Ask)),
    ("d+\x1b", asks(("slots", 2))),
    ("d\x1b?", lambda at: at.page(Help)),
    # the form
    ("npend\x13seeds=4\n\x13", lambda at: at.asked == [("submit", None)] and at.made["seeds"] == [0, 1, 2, 3]),
    (":4\neseeds=5\n\x13", lambda at: at.sent[0]["replaces"] == 4 and at.made["seeds"] == [0, 1, 2, 3, 4]),
    (":4\ncseeds=[5\n\x13", lambda at: at.page(Edit) and not at.asked),
    (":4\ncseeds=[5]\x13", lambda at: at.made["seeds"] == [5]),
    (":4\neseeds=5\n\x1b\x1by", asks()),
    # what opens nothing takes what was typed for it with it
    (":2\neseeds=5\n\x13", lambda at: asks()(at) and at.said("job 2 has begun")),
    (":1\nxyq", lambda at: asks()(at) and at.said("nothing is left to cancel")),
    ("vbspx", lambda at: asks()(at) and at.said("mark two or more jobs")),
    # finding
    ("/acro\n", filters("acro")),
    ("/pause\n", filters("pause")),
    ("/3cDu*q\n", filters("3cDu*q")),
    ("/nan\n\n", lambda at: at.page(JobPage, 3) and at.log != ""),
    ("ooO", lambda at: "sorted by state, reversed" in at.pane("listing")),
    ("?sort ord\n", lambda at: "sorted by name" in at.pane("listing")),
    (":3\n:reverse\n", lambda at: "reversed" in at.pane("listing")),
    ("\x10next sort\n", lambda at: "sorted by name" in at.pane("listing")),
    ("!\x1bd\x1b:mess\n", lambda at: at.page(Messages)),
    ("\n\x1bn", lambda at: at.page(Add)),
    # a job's page
    (":1\n\nmeval\n", lambda at: at.page(JobPage, 1) and "return/eval" in at.pane("curves")),
    (":1\n\nM/eval\nv", lambda at: at.page(MetricsPage) and "return/eval" in at.pane("facts")),
    (":2\n\n,,aabt", lambda at: at.page(JobPage, 2) and "3, 22 %" in at.pane("curves")),
    (":1\n\nvHH", lambda at: "winning - random" in at.pane("curves")),
    (":2\n\n3jjhh", lambda at: at.page(JobPage, 2) and at.cell == (2, 3)),
    (":2\nl/check\n", lambda at: "with check" in at.log),
    (":1\n\nE", lambda at: at.saved("*.csv")),
    (":1\naE", lambda at: at.saved("table-*.csv")),
    ("S", lambda at: at.saved("*.svg")),
    # several
    ("gaoO/random\n", lambda at: at.page(SuitePage) and "with random" in at.pane("answers", head=True)),
    ("gaE", lambda at: at.page(SuitePage) and at.saved("table-*.csv")),
    ("*v.bs", lambda at: at.page(ComparePage) and "2 baseline" in at.pane("together")),
]
"""Keys, and what they lead to. Each starts at job 2 in the queue, without filter, marks or commands."""


@pytest.mark.thorough
async def test_every_flow_in_one_burst(opened: Open, writer: Writer) -> None:
    wrong = []
    prepare(writer)
    async with opened((80, 24)) as (app, pilot):
        at = At(app, writer)
        for keys, led in FLOWS:
            await anew(app, pilot, writer)
            burst(app, keys)
            await handled(app, pilot)
            try:
                await until(pilot, lambda led=led: led(at), 10)  # type: ignore[misc]
            except AssertionError:
                wrong.append(f"{keys!r} led to {app.screen}, {writer.asked()}, {list(app.said)[-1:]}")
    assert not wrong, "\n".join(wrong)


def prepare(writer: Writer) -> None:
    """A suite, a job that can be edited, a log, a second metric."""
    writer.sql("UPDATE jobs SET suite = 'both' WHERE id IN (1, 2)")
    writer.sql("UPDATE jobs SET started = NULL WHERE id = 4")
    batch = writer.database.row("SELECT id FROM batches WHERE job = 2 ORDER BY id DESC LIMIT 1")
    assert batch is not None
    log = Path(writer.workspace.batch(batch["id"])) / "attempt-1" / "log.txt"
    log.parent.mkdir(parents=True)
    log.write_text("2026-11-29 15:38:05,327 INFO checkpoint at step 20,000\n")
    with writer.database.transaction() as connection:
        metrics.write(connection, [Point(1, "return/eval", step, 100.0) for step in (2_000, 4_000)])


async def handled(app: Workbench, pilot: Pilot[int]) -> None:
    """Wait until all keys of a burst have had their effect."""
    taken = asyncio.Event()
    app.call_later(taken.set)
    await taken.wait()
    await until(pilot, lambda: not app._type_ahead.busy)


async def anew(app: Workbench, pilot: Pilot[int], writer: Writer) -> None:
    """At the running job of the queue, with nothing marked, sorted, saved or asked for."""
    while len(app.screen_stack) > 1:
        app.pop_screen()
    queue = app.screen
    assert isinstance(queue, QueuePage)
    queue.action_leave()
    queue._relist(Listing())
    queue.go_to(2)
    writer.sql("DELETE FROM commands")
    for path in app.exports.glob("*"):
        path.unlink()
    app.deleted.clear()
    app.said.clear()
    await until(pilot, lambda: looked_at(app, 2))


async def test_keys_for_a_job_wait_until_it_has_been_read(
    opened: Open, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(writer)
    read, own = threading.Event(), Reader.read
    monkeypatch.setattr(Reader, "read", lambda *given: (read.wait(60), own(*given))[1])
    read.set()
    async with opened() as (app, pilot):
        read.clear()
        burst(app, ":1\n\nmpause\x1b9E")
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        for _ in range(20):  # were a key lost, those after it would be commands by now
            await pilot.pause(0.01)
        assert app.screen.focused is not None and not writer.asked()
        read.set()
        await handled(app, pilot)
        await until(pilot, lambda: At(app, writer).saved("table-*.csv"))
        assert isinstance(app.screen, JobPage) and not writer.asked()
        read.clear()
        burst(app, "\x1b:2\n\n\x1b")  # what needs nothing read does not wait
        await handled(app, pilot)
        assert isinstance(app.screen, QueuePage)
        read.set()


async def test_enter_after_an_experiment_was_queued_opens_that_one(opened: Open, writer: Writer) -> None:
    async with opened() as (app, pilot):
        burst(app, "npend\n\n")
        await until(pilot, lambda: bool(writer.asked()))
        number = writer.job(experiment("pendulum", 2, 1), "queued")
        writer.answer_all({"job": number})
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        assert app.screen.job_id == number  # type: ignore[attr-defined]
