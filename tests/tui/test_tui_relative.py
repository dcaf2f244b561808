"""Compare's relative scores: better is always above, whatever the sign of the scores."""

from types import SimpleNamespace
from typing import Any

import pytest

from lth_core.analysis.verdict import summarise
from lth_tui.content.comparison import _turned, chart
from tests.analysis.test_verdict import Trial
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
