"""Compare's relative scores: better is always above, whatever the sign of the scores."""

from types import SimpleNamespace
from typing import Any

import pytest

from lth_core.analysis.verdict import summarise
from lth_tui.content.compare_many import band_chart, small_charts
from lth_tui.content.compare_table import table_rows
from lth_tui.content.comparison import _turned, chart, verdict_rows
from lth_tui.plot.canvas import drawn
from lth_tui.plot.chart import KEPT, TICK
from lth_tui.plot.viewport import Viewport
from tests.analysis.test_critical import curve
from tests.analysis.test_verdict import Trial
from tests.analysis.test_verdict import job as survivors
from tests.small import experiment


def relative(task: dict[str, Any], dense: float, winning: float) -> tuple[Any, float]:
    made = experiment(task=task, arms=["winning", "random"], pruning={"rounds": 1})
    trials = [Trial("dense", 0, s, score=dense + s / 10, density=1.0) for s in made.seeds]
    trials += [Trial("winning", 1, s, score=winning + s / 10) for s in made.seeds]
    job: Any = SimpleNamespace(id=3, experiment=made, name="a")
    shown = chart([job], {3: summarise(made, trials)}, 0, relative=True)
    (one,) = [series for series in shown.series if series.label == "3 winning"]
    return shown, float(one.y[-1])


@pytest.mark.parametrize(("dense", "winning"), [(-100.0, -120.0), (-100.0, -80.0)])
def test_negative_returns_are_counted_from_the_random_policy(dense: float, winning: float) -> None:
    shown, value = relative({"environment": "Acrobot-v1"}, dense, winning)
    assert value == pytest.approx((winning + 499.1) / (dense + 499.1), rel=1e-3)
    assert shown.reference == (1.0, "dense") and "normalised score" in shown.title


def test_without_a_scale_the_difference_is_shown_and_that_is_said() -> None:
    shown, value = relative({"environment": "Acrobot-v1"}, -500.0, -503.0)
    assert value == pytest.approx(-3.0)
    assert shown.reference == (0.0, "dense") and "job 3: no scale" in shown.title


def test_where_less_is_better_a_better_score_is_above() -> None:
    made: Any = SimpleNamespace(task=SimpleNamespace(higher_is_better=False))
    dense: Any = SimpleNamespace(score=SimpleNamespace(value=40.0))
    summary: Any = SimpleNamespace(zero=None, scale=None, cell=lambda arm, round: dense)
    zero, unit = _turned(made, summary, normalised=False)
    assert (38.0 - zero) / unit == 2.0


@pytest.mark.parametrize(("beside", "seeds", "word"), [
    (-120.0, 4, "better"), (-80.0, 4, "worse"), (-99.9, 4, "open"), (-100.0, 4, "open"), (-120.0, 1, "open"),
])  # fmt: skip
def test_beside_a_baseline_only_intervals_that_do_not_overlap_are_better_or_worse(
    beside: float, seeds: int, word: str
) -> None:
    jobs, summaries = [], {}
    for number, winning in ((3, -100.0), (4, beside)):
        made = experiment(
            task={"environment": "Acrobot-v1"}, arms=["winning", "random"], pruning={"rounds": 1}, seeds=[*range(seeds)]
        )
        trials = [Trial("dense", 0, s, score=-90 + s / 10, density=1.0) for s in made.seeds]
        trials += [Trial("winning", 1, s, score=winning + s / 10) for s in made.seeds]
        one: Any = SimpleNamespace(id=number, experiment=made, name="a", state="done")
        jobs.append(one)
        summaries[number] = summarise(made, trials)
    _, rows = table_rows(jobs, summaries, jobs[1])
    assert f"{-100 - beside:+.3g} {word:>6}" in "".join(text for text, _ in rows[0])


def test_small_plots_and_the_band_have_the_unit_of_all_jobs_together() -> None:
    jobs, summaries = [], {}
    for number, dense in ((3, -100.0), (4, -500.0)):  # the second gains nothing over a random policy: no scale
        made = experiment(task={"environment": "Acrobot-v1"}, arms=["winning", "random"], pruning={"rounds": 1})
        trials = [Trial("dense", 0, s, score=dense + s / 10, density=1.0) for s in made.seeds]
        trials += [Trial("winning", 1, s, score=dense - 3 + s / 10) for s in made.seeds]
        one: Any = SimpleNamespace(id=number, experiment=made, name="a")
        jobs.append(one)
        summaries[number] = summarise(made, trials)
    small = small_charts(jobs, summaries, 0, relative=True, pinned=None, among=jobs)
    band = band_chart(jobs, summaries, relative=True, pinned=4, here=4)
    assert [float(chart.series[-1].y[-1]) for chart in small] == pytest.approx([-3.0, -3.0])
    assert all(chart.reference == (0.0, "dense") and chart.x_name == KEPT for chart in (*small, band))
    assert len({series.label for series in band.series}) == len(band.series) == 3
    assert band.brief.startswith("gain over dense, more is better")


def test_several_jobs_are_compared_by_the_pruning_that_their_arms_survive() -> None:
    made = survivors(8, rounds=16)
    summary = summarise(made, curve(made, lambda arm, seed: (0.06 if arm == "winning" else 0.18) * 1.05**seed))
    one: Any = SimpleNamespace(id=3, experiment=made, name="a", state="done")
    for turned in (False, True):
        shown = chart([one], {3: summary}, 0, relative=turned)
        assert shown.title.endswith(" · ┃ half of the gain lost")
        ticks = {series.label: series.tick for series in shown.series}
        assert [ticks[label][0] for label in ("3 winning", "3 random")] == [c.density.value for c in summary.halves]
        assert ticks["3 winning"][1] == pytest.approx(0.5 if turned else summary.halves[0].level)
    view = Viewport()
    view.show(chart([one], {3: summary}, 0, relative=True))
    assert "".join(drawn(view, 20, 80, None).text).count(TICK) == 2
    said = ["".join(span for span, _ in row) for row in verdict_rows([one], {3: summary})]
    assert said[1].startswith("   half of the dense network's gain is lost at: winning 7.")
    assert said[2].startswith("   winning survives 3.1 times as much pruning as random [") and "p=" in said[2]
    assert said[3].startswith("   winning is better than random")
