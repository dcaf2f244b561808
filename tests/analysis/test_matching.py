"""Matching as an equivalence test, and how far an arm can be pruned."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from lth_core.analysis import statistics
from lth_core.analysis.collapse import upper_bound
from lth_core.analysis.effect import EQUIVALENT, effect_of_pruning
from lth_core.analysis.matching import Reach, judge_match, match, reach, reach_facts, reach_short
from lth_core.analysis.scores import JobScores
from lth_core.experiment.experiment import Experiment
from lth_core.settings.control import ControlTask
from tests.analysis.test_verdict import Trial
from tests.small import experiment


def sentence(found: Reach | None) -> str:
    return "; ".join((reach_short(found, "winning"), *reach_facts(found)))


SCATTER = np.array([-1.0, 1.0, -0.5, 0.5, 0.3, -0.3, 0.8, -0.8])


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 500)


def settings(rounds: int = 5) -> Experiment:
    return experiment(seeds=list(range(8)), arms=["winning"], pruning={"rounds": rounds})


def trials(made: Experiment, losses: list[float], lost: tuple[int, int] | None = None) -> list[Trial]:
    """The dense network scores 122.3, 100 above a random policy; `losses` per round."""
    found = [Trial("dense", 0, seed, score=122.3 + SCATTER[seed]) for seed in made.seeds]
    for round, loss in enumerate(losses, start=1):
        for seed in made.seeds:
            state = "failed" if (round, seed) == lost else "done"
            score = 122.3 - loss + SCATTER[::-1][seed] if state == "done" else None
            found.append(Trial("winning", round, seed, state, score))
    return found


@pytest.mark.parametrize(
    ("shift", "margin", "word"),
    [
        (0.0, 5.0, "equal"), (3.0, 5.0, "equal"), (-3.0, 5.0, "equal"), (4.9, 5.0, "at least"), (50.0, 5.0, "at least"),
        (-4.9, 5.0, "inconclusive"), (-20.0, 5.0, "below"), (0.0, 0.2, "inconclusive"),
    ],
)  # fmt: skip
def test_the_rule(shift: float, margin: float, word: str) -> None:
    assert judge_match((SCATTER + shift).tolist(), margin)[0] == word


def test_failures_never_flatter_and_unfinished_seeds_wait() -> None:
    assert judge_match(SCATTER.tolist(), 5.0, lost=1)[0] == "inconclusive"
    assert judge_match((SCATTER - 20).tolist(), 5.0, lost=1)[0] == "below"
    assert judge_match((SCATTER - 20).tolist(), 5.0, unfinished=1)[0] == "inconclusive"


def test_four_seeds_cannot_match_however_equal_they_are() -> None:
    assert judge_match([0.0] * 4, 5.0)[0] == "inconclusive"
    assert judge_match([0.0, 0.1, -0.1, 0.0, 0.0], 5.0)[0] == "equal"


def test_the_p_of_each_side_is_scipys_one_sided_permutation_test() -> None:
    gains = (SCATTER * 4 - 2).tolist()
    _, below, above = judge_match(gains, 5.0)
    for shifted, mine in (([g + 5 for g in gains], below), ([5 - g for g in gains], above)):
        theirs = scipy.stats.permutation_test(
            (shifted,), lambda x, axis: np.mean(x, axis=axis), permutation_type="samples", n_resamples=np.inf,
            alternative="greater", vectorized=True,
        ).pvalue  # fmt: skip
        assert mine == pytest.approx(float(theirs), abs=1e-9)


@pytest.mark.parametrize("n", [6, 10])
def test_a_loss_of_the_margin_is_called_matching_in_at_most_one_of_twenty(n: int) -> None:
    rng = np.random.default_rng(n)
    called = sum(judge_match(rng.normal(-5, 4, n).tolist(), 5.0)[0] in ("equal", "at least") for _ in range(400))
    assert called <= scipy.stats.binom.ppf(0.999, 400, 0.05)
    # and the test has power: with no loss and this noise it is found more often than not
    found = sum(judge_match(rng.normal(0, 4, n).tolist(), 5.0)[0] in ("equal", "at least") for _ in range(400))
    assert found > 200


def test_the_reach_is_the_last_round_of_the_unbroken_series() -> None:
    made = settings()
    scores = JobScores(made, trials(made, [0, 1, 60, 0, 80]))
    found = reach(scores, "winning")
    assert found is not None and found.last is not None and found.stopped is not None
    assert (found.last.round, found.stopped.round, found.stopped.word) == (2, 3, "below")
    assert found.margin == pytest.approx(EQUIVALENT * 100, rel=0.02)
    said = sentence(found)
    assert said.startswith("typical seeds of winning match the dense network down to 50.0% kept; margin 5")
    assert "gain there" in said and "at 50.0% certainly worse: -60" in said


def test_a_collapse_that_so_few_seeds_cannot_see_does_not_read_as_matching() -> None:
    rng = np.random.default_rng(0)
    for n, certain in ((8, False), (28, False), (29, True)):
        made = experiment(seeds=list(range(n)), arms=["winning"], pruning={"rounds": 1})
        found = [Trial("dense", 0, seed, score=122.3 + rng.normal()) for seed in made.seeds]
        found += [Trial("winning", 1, seed, score=122.3 + rng.normal()) for seed in made.seeds]
        one = reach(JobScores(made, found), "winning")
        assert one is not None and one.certain is certain
        assert sentence(one).startswith("winning matches" if certain else "typical seeds of winning match")
        assert sentence(one).count("excluding 10% takes 29 seeds") == (not certain)
        assert "excluding" not in effect_of_pruning(JobScores(made, found), "last").text  # of the same report
        found[-1] = replace(found[-1], score=90.0)  # a third of the gain is lost in one seed
        fell = match(JobScores(made, found), "winning", 1, 5.0)
        assert fell.word == "inconclusive" and fell.fallen == 1 and f"1 of {n}" in fell.fallen_said


@pytest.mark.parametrize(("seen", "of"), [(0, 8), (0, 29), (1, 10), (3, 10), (9, 10), (10, 10)])
def test_the_bound_on_collapses_is_clopper_and_pearsons(seen: int, of: int) -> None:
    exact = scipy.stats.beta.ppf(0.95, seen + 1, of - seen) if seen < of else 1.0
    assert upper_bound(seen, of) == pytest.approx(exact, abs=1e-9)


def test_where_all_rounds_match_and_where_none_does_it_is_said() -> None:
    made = settings(2)
    assert "every round" in sentence(reach(JobScores(made, trials(made, [0, 0])), "winning"))
    none = sentence(reach(JobScores(made, trials(made, [60, 60])), "winning"))
    assert "not shown to match the dense network at any sparsity" in none


def test_a_lost_seed_ends_the_series() -> None:
    made = settings(3)
    found = reach(JobScores(made, trials(made, [0, 0, 0], lost=(2, 3))), "winning")
    assert found is not None and found.last is not None and found.stopped is not None
    assert (found.last.round, found.stopped.round, found.stopped.lost) == (1, 2, 1)
    assert "1 seeds lost a trial" in sentence(found)


def test_an_inconclusive_round_says_how_many_seeds_would_decide() -> None:
    made = settings(1)
    wide = [
        Trial(t.arm, t.round, t.seed, score=(t.score or 0) + (12 * SCATTER[t.seed] if t.round else 0))
        for t in trials(made, [2])
    ]
    found = reach(JobScores(made, wide), "winning")
    assert found is not None and found.stopped is not None and found.stopped.word == "inconclusive"
    assert "seeds would decide" in sentence(found)


def test_less_may_be_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ControlTask, "higher_is_better", False)
    made = settings(1)
    scores = JobScores(made, trials(made, [-30]), {"CartPole-v1": 200.0})
    found = match(scores, "winning", 1, 5.0)
    assert found.word == "below" and found.gain.value == pytest.approx(-30, abs=1)


def test_without_a_reference_there_is_no_margin() -> None:
    made = experiment(seeds=list(range(8)), arms=["winning"], task={"environment": "FrozenLake-v1"})
    scores = JobScores(made, [Trial("dense", 0, seed, score=-100.0 - seed) for seed in made.seeds])
    assert reach(scores, "winning") is None
    assert "matching cannot be tested: no reference score" in sentence(None)
