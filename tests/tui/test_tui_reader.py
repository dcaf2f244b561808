"""Reading: only what is new, joined over seeds correctly, at little cost."""

import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from tui_helpers import wait_for
from workspace_fixture import Writer, experiment

from lth_core.analysis.statistics import bootstrap, interquartile_mean
from lth_core.store import views
from lth_core.store.metrics import curves
from lth_core.store.workspace import Workspace
from lth_tui.content.drawing import arms_of, partner
from lth_tui.reading.curves import MOST_POINTS, RoundCurves, _aligned
from lth_tui.reading.feed import Feed
from lth_tui.reading.job_reader import newest_round
from lth_tui.reading.reader import Reader
from lth_tui.reading.snapshot import Watch


def test_curves_grow_and_agree_with_reading_all(writer: Writer) -> None:
    made = experiment(seeds=4)
    grown = RoundCurves("return/train")
    for share in (0.6, 0.7, 1.0):
        writer.round(2, made, 5, share=share)
        trials = [t for t in views.trials(writer.database, 2) if t.round == 5]
        assert grown.update(writer.database, trials)
        assert not grown.update(writer.database, trials)
        whole = RoundCurves("return/train")
        whole.update(writer.database, trials)
        for arm, curve in whole.arms.items():
            for name in ("steps", "value", "low", "high", "least", "most"):
                np.testing.assert_array_equal(getattr(curve, name), getattr(grown.arms[arm], name))
    own = [t.id for t in trials if t.arm == "winning"]
    table = np.array([c.values for c in curves(writer.database, own, "return/train").values()])
    np.testing.assert_allclose(grown.arms["winning"].value, interquartile_mean(table.T))
    exact = bootstrap(table[:, -1].tolist())
    assert abs(grown.arms["winning"].low[-1] - exact.low) < 0.2 * (exact.high - exact.low)


def test_seeds_that_lag_do_not_bend_the_mean(writer: Writer) -> None:
    trials = [t for t in views.trials(writer.database, 2) if t.round == 5]
    late = next(t.id for t in trials if t.arm == "winning")
    writer.sql("DELETE FROM metrics WHERE trial = ? AND step > 10000", late)
    grown = RoundCurves("return/train")
    grown.update(writer.database, trials)
    assert grown.arms["winning"].steps[-1] == 10_000 and grown.arms["random"].steps[-1] == 36_000


def test_a_slot_whose_batch_is_over_is_idle(writer: Writer) -> None:
    reader = Reader(writer.workspace)
    (busy,) = reader.read(Watch()).slots
    assert (busy.job, busy.trials) == (2, 16)
    writer.round(2, experiment(seeds=4), 5)
    (idle,) = reader.read(Watch()).slots
    assert (idle.batch, idle.job, idle.trials, idle.fraction, idle.rate) == (None, None, 0, 0.0, None)


def test_a_seed_that_failed_holds_the_others_back_no_longer(writer: Writer) -> None:
    late = next(t.id for t in views.trials(writer.database, 2) if (t.round, t.arm) == (5, "winning"))
    writer.sql("DELETE FROM metrics WHERE trial = ? AND step > 10000", late)
    writer.sql("UPDATE trials SET state = 'done' WHERE job = 2 AND round = 5 AND id != ?", late)
    grown = RoundCurves("return/train")
    for state, last in (("running", 10_000), ("failed", 36_000)):
        writer.sql("UPDATE trials SET state = ?, step = 10000 WHERE id = ?", state, late)
        for _ in range(2):
            grown.update(writer.database, [t for t in views.trials(writer.database, 2) if t.round == 5])
        assert grown.arms["winning"].steps[-1] == last


def test_a_trial_that_starts_again_is_read_again(writer: Writer) -> None:
    grown = RoundCurves("return/train")
    trials = [t for t in views.trials(writer.database, 2) if t.round == 5]
    grown.update(writer.database, trials)
    writer.sql("DELETE FROM metrics WHERE trial IN (SELECT id FROM trials WHERE job = 2 AND round = 5)")
    writer.round(2, experiment(seeds=4), 5, share=0.2)
    trials = [t for t in views.trials(writer.database, 2) if t.round == 5]
    grown.update(writer.database, trials)
    assert grown.arms["winning"].steps[-1] == 12_000


def test_a_cancelled_trial_that_goes_on_is_read_on(writer: Writer) -> None:
    made = experiment(seeds=4)
    grown = RoundCurves("return/train")

    def read(state: str) -> int:
        writer.sql("UPDATE trials SET state = ? WHERE job = 2 AND round = 5", state)
        for _ in range(2):
            grown.update(writer.database, [t for t in views.trials(writer.database, 2) if t.round == 5])
        return int(grown.arms["winning"].steps[-1])

    assert read("cancelled") == 36_000
    writer.round(2, made, 5, share=0.9)
    assert read("running") == 54_000


def test_long_curves_are_thinned() -> None:
    from lth_core.store.metrics import Curve

    pieces = [Curve(np.arange(5000), np.full(5000, float(seed))) for seed in range(3)]
    steps, table = _aligned(pieces, None)
    assert len(steps) <= MOST_POINTS and (table == [[0.0], [1.0], [2.0]]).all()


def test_nothing_new_costs_nothing(writer: Writer) -> None:
    reader = Reader(writer.workspace)
    for _ in range(10):
        first = reader.read(Watch(2))
    started = time.thread_time()
    assert reader.read(Watch(2)) is first
    assert time.thread_time() - started < 0.005
    writer.event(2, "round", "something")
    second = reader.read(Watch(2))
    assert second is not first and second.detail is not None and second.detail.events[-1].text == "something"


def test_rounds_and_layers(writer: Writer) -> None:
    detail = Reader(writer.workspace).read(Watch(2)).detail
    assert detail is not None and detail.round == 5 == newest_round(detail.trials)
    cell = detail.grid.cells["winning", 4, 3]
    assert (cell.least, cell.most, cell.seeds, cell.dead) == (0, 28, 4, 2)
    assert detail.grid.rows[4].layer == "policy_head.weight" and detail.grid.rows[4].shape == (2, 64)


def test_random_tickets_are_compared_with_first(writer: Writer) -> None:
    made = experiment("late", seeds=2, rounds=1, arms=("winning", "one_shot", "random"))
    job = writer.job(made, "done")
    for number in (0, 1):
        writer.round(job, made, number)
    reader = Reader(writer.workspace)
    reader.read(Watch(job))
    detail = reader.read(Watch(job)).detail
    assert detail is not None and detail.summary is not None
    assert [verdict.control for verdict in detail.summary.verdicts] == ["random", "one_shot"]
    assert arms_of(detail) == ("winning", "random", "one_shot") and partner(detail, "") == "random"


def test_a_damaged_store_is_a_sentence(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.database.write_bytes(b"not a database, really not" * 100)
    feed = Feed(workspace, period=0.01)
    feed.start()
    wait_for(lambda: feed.latest is not None)
    feed.stop()
    assert feed.latest is not None and feed.latest.error and "cannot be used as a database" in feed.latest.error


def test_a_reading_that_fails_takes_nothing_off_the_screen(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    feed = Feed(writer.workspace, period=0.01)
    feed.start()
    wait_for(lambda: feed.latest is not None)
    with monkeypatch.context() as patch:
        patch.setattr(Reader, "read", locked)
        wait_for(lambda: feed.latest is not None and feed.latest.error == "database is locked")
        assert feed.latest is not None and len(feed.latest.jobs) == 4
    wait_for(lambda: feed.latest is not None and feed.latest.error is None)
    feed.stop()


@pytest.mark.parametrize("value", [0, 41, 4325, 400_000])
def test_durations(value: int) -> None:
    from lth_tui.words import duration

    assert duration(value) == {0: "0:00", 41: "0:41", 4325: "1:12:05", 400_000: "4.6 d"}[value]


def test_numbers_beside_an_axis_keep_sign_and_exponent() -> None:
    from lth_tui.plot.chart import y_labels
    from lth_tui.words import fitted

    values = (-1250, -12_500, 1e-4, -1e-5, 2.5e-5, -0.00025, 0.0025, -2.5e-10, -123_456, 0)
    shown = [fitted(value, 6) for value in values]
    assert shown == ["-1.25k", "-12.5k", "0.0001", "-1e-5", "2.5e-5", "-25e-5", "0.0025", "-3e-10", "-123k", "0"]
    assert {"0.0001┤", " 1e-5 ┤"} <= set(y_labels(1e-6, 1e-2, 14, log=True))
    assert len({len(label) for label in y_labels(-12_500, 0, 12)}) == 1


def test_short_numbers() -> None:
    from lth_tui.words import bar, compact, percent

    assert [compact(v) for v in (0, 61_234.5, 999_950, 0.0123, -455.6, float("nan"))] == [
        "0", "61.2k", "1M", "0.0123", "-456", "nan",
    ]  # fmt: skip
    assert [percent(v) for v in (1, 0.36, 0.047, 0.0083, 0.0002, 0.00001, 0)] == [
        "100",
        "36",
        "4.7",
        ".83",
        ".02",
        "<.1",
        "0",
    ]
    assert bar(0.5, 4) == "██··" and bar(2, 3) == "███" and bar(0, 3) == "···"
