"""The summary across the jobs of a suite, on simulated jobs: words, margins, failures, scales."""

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest

from lth_core.analysis import statistics
from lth_core.analysis.effect import judge, level_round
from lth_core.analysis.references import ATARI, RANDOM_POLICY
from lth_core.analysis.suite_questions import sentences
from lth_core.analysis.suite_summary import SuiteJob, SuiteSummary, summarise_suite
from lth_core.experiment.experiment import Experiment
from lth_core.settings.control import ControlTask
from lth_core.settings.games import GAMES
from lth_core.settings.minatar import MinAtarTask
from lth_core.tasks.minatar.environments import MinAtar
from tests.analysis.test_verdict import Trial
from tests.small import experiment


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 500)


def settings(environment: str = "CartPole-v1", seeds: int = 8, rounds: int = 6) -> Experiment:
    return experiment(
        seeds=list(range(seeds)), arms=["winning", "random"],
        pruning={"rounds": rounds, "fraction": 0.3}, task={"environment": environment},
    )  # fmt: skip


def job(made: Experiment, score: Callable[[str, int], float], number: int = 1, noise: float = 1.0) -> SuiteJob:
    """`score` gives the mean of (arm, round); seeds have a level of their own and noise."""
    rng = np.random.default_rng(number)
    level = {seed: rng.normal(0, noise) for seed in made.seeds}
    places = [("dense", 0), *((arm, k) for k in range(1, made.pruning.rounds + 1) for arm in made.arms)]
    trials = [
        Trial(arm, k, seed, score=score(arm, k) + level[seed] + rng.normal(0, noise))
        for arm, k in places
        for seed in made.seeds
    ]
    return SuiteJob(number, f"job-{number}", "done", made, trials)


def words(summary: SuiteSummary, place: int = 0) -> list[str]:
    return [answer.word for answer in summary.jobs[place].answers]


def test_the_levels_are_the_round_nearest_a_third_and_the_last() -> None:
    paper = experiment(pruning={"rounds": 20, "fraction": 0.2})
    assert (level_round(paper, "third"), level_round(paper, "last")) == (5, 20)
    assert level_round(experiment(pruning={"rounds": 2, "fraction": 0.2}), "third") == 2
    assert level_round(experiment(pruning={"rounds": 8, "fraction": 0.4}), "third") == 2


def test_a_level_is_the_round_of_the_measured_density() -> None:
    own = experiment(pruning={"rounds": 3, "fraction": 0.2, "scope": "layerwise", "fractions": {"trunk": 0.8}})
    measured = [Trial("winning", k, 0, score=1.0, density=0.35**k) for k in (1, 2, 3)]
    assert level_round(own, "third", measured) == 1 and level_round(own, "third") == 3


SCATTER = np.array([-1.0, 1.0, -0.5, 0.5, 0.3, -0.3, 0.8, -0.8])


@pytest.mark.parametrize(
    ("shift", "scale", "expected"),
    [
        (20.0, 100.0, "helps"),
        (3.0, 100.0, "leaves alone"),
        (-3.0, 100.0, "leaves alone"),
        (0.0, 100.0, "leaves alone"),
        (-20.0, 100.0, "hurts"),
        (-80.0, 100.0, "crashes"),
        (-50.5, 100.0, "hurts"),
        (0.0, 5.0, "inconclusive"),
        (0.0, None, "inconclusive"),
        (20.0, None, "helps"),
        (-80.0, None, "hurts"),
    ],
)
def test_the_rule(shift: float, scale: float | None, expected: str) -> None:
    assert judge((SCATTER + shift).tolist(), scale) == expected


def test_few_seeds_never_decide_and_failures_never_flatter() -> None:
    assert judge([20.0] * 5, 100.0) == "inconclusive"
    for shift, word in ((20.0, "inconclusive"), (0.0, "inconclusive"), (-20.0, "hurts"), (-80.0, "crashes")):
        assert judge((SCATTER + shift).tolist(), 100.0, lost=1) == word
        assert judge((SCATTER + shift).tolist(), 100.0, unfinished=1) == "inconclusive"


def test_a_false_answer_is_rare_where_nothing_differs() -> None:
    rng = np.random.default_rng(5)
    # The exact test decides in 12 of 256 cases at 8 seeds; 0.08 is three standard errors above.
    decided = [judge(rng.normal(0, 10, 8).tolist(), 100.0) for _ in range(400)]
    assert sum(word in ("helps", "hurts", "crashes") for word in decided) / 400 <= 0.08
    # A true loss at twice the margin is hardly ever called equivalent.
    assert sum(judge(rng.normal(-10, 10, 8).tolist(), 100.0) == "leaves alone" for _ in range(400)) / 400 <= 0.03


def test_each_job_has_its_answers_verdicts_and_sentences() -> None:
    def falls(arm: str, round: int) -> float:
        return {"dense": 200.0, "winning": 200.0 if round <= 4 else 40.0, "random": 100.0}[arm]

    def rises(arm: str, round: int) -> float:
        return {"dense": 100.0, "winning": 140.0, "random": 60.0}[arm]

    summary = summarise_suite([job(settings(), falls, 1), job(settings(), rises, 2)])
    assert words(summary, 0) == ["leaves alone", "crashes"]
    assert words(summary, 1) == ["helps", "helps"]
    assert summary.count("third", "helps") == 1
    assert [v.word for v in summary.jobs[1].verdicts] == ["better"]
    assert list(sentences(summary)) == [
        "at about a third kept, of 2 jobs pruning: helps 1, leaves alone 1",
        "at the last round, of 2 jobs pruning: helps 1, crashes 1",
    ]


def test_normalised_scores_are_counted_from_the_reference_in_units_of_the_dense_network() -> None:
    def flat(arm: str, round: int) -> float:
        return {"dense": 122.3, "winning": 72.3, "random": 22.3}[arm]

    summary = summarise_suite([job(settings(), flat, n, noise=0.01) for n in (1, 2)])
    cells = {(cell.level, cell.arm): cell for cell in summary.across}
    winning, drawn, dense = (cells["third", arm] for arm in ("winning", "random", "dense"))
    assert winning.score is not None and winning.score.value == pytest.approx(0.5, abs=1e-3)
    assert winning.score.n == 16 and winning.jobs == 2
    assert drawn.score is not None and drawn.score.value == pytest.approx(0.0, abs=1e-3)
    assert drawn.difference is not None and drawn.difference.value == pytest.approx(0.5, abs=1e-3)
    assert drawn.share is not None and drawn.share.value == 1.0
    assert drawn.improvement is not None and drawn.improvement.value == 1.0 and drawn.improvement.n == 16
    assert dense.share is not None and dense.share.value == 0.0
    assert winning.difference is None and winning.share is None and dense.score is None


def test_a_reference_may_be_given_and_else_zero_serves_only_where_no_return_is_negative() -> None:
    def score(sign: float) -> Callable[[str, int], float]:
        return lambda arm, round: sign * {"dense": 80.0, "winning": 90.0, "random": 300.0}[arm]

    positive = job(settings("FrozenLake-v1"), score(1.0), 1)
    negative = job(settings("FrozenLake-v1"), score(-1.0), 2)
    summary = summarise_suite([positive, negative])
    assert summary.jobs[0].reference == 0.0
    assert summary.jobs[1].reference is None and summary.without_scale == ("job-2",)
    assert words(summary, 1) == ["hurts", "hurts"]  # a crash needs a scale
    assert all(cell.jobs == 1 for cell in summary.across)
    drawn = next(cell for cell in summary.across if cell.arm == "random")
    assert drawn.share is not None and drawn.share.n == 16  # needs no scale: over both
    given = summarise_suite([negative], {"FrozenLake-v1": -500.0})
    assert given.jobs[0].answers[0].scale == pytest.approx(420, abs=2)
    assert given.without_scale == ()


def test_a_dense_network_that_learned_nothing_is_no_scale() -> None:
    summary = summarise_suite([job(settings(), lambda arm, round: 22.3 if arm == "dense" else 60.0)])
    assert summary.without_scale == ("job-1",)
    assert words(summary) == ["helps", "helps"]
    assert all(cell.score is None and cell.difference is None for cell in summary.across)


def test_lost_and_unfinished_seeds_are_counted_and_said() -> None:
    made = settings(seeds=9)
    whole = job(made, lambda arm, round: 200.0)
    assert words(summarise_suite([whole])) == ["leaves alone", "leaves alone"]

    def with_state(state: str) -> SuiteJob:
        trials = [
            Trial(t.arm, t.round, t.seed, state, None)
            if (t.arm, t.round, t.seed) == ("winning", 6, 3) and isinstance(t, Trial)
            else t
            for t in whole.trials
        ]
        return SuiteJob(1, "job-1", "failed", made, trials)

    for state, lost, unfinished in (("failed", 1, 0), ("blocked", 1, 0), ("running", 0, 1), ("cancelled", 0, 1)):
        first, last = summarise_suite([with_state(state)]).jobs[0].answers
        assert first.word == "leaves alone"
        assert (last.word, last.lost, last.unfinished, last.gain.n) == ("inconclusive", lost, unfinished, 8)
        assert ("1 seeds lost" in last.text) == bool(lost)


def test_jobs_that_have_not_begun_and_suites_without_jobs_are_no_error() -> None:
    waiting = SuiteJob(1, "job-1", "queued", settings(), [])
    summary = summarise_suite([waiting])
    assert words(summary) == ["inconclusive", "inconclusive"]
    assert "no pair of winning and dense network is finished yet" in summary.jobs[0].answers[0].text
    assert summarise_suite([]).jobs == ()


def test_the_reference_of_cartpole_is_what_a_random_policy_gets() -> None:
    import gymnasium

    environment = gymnasium.make("CartPole-v1")
    environment.action_space.seed(1)
    environment.reset(seed=1)
    returns = []
    for _ in range(1000):
        environment.reset()
        steps, ended = 0, False
        while not ended:
            _, _, terminated, truncated, _ = environment.step(environment.action_space.sample())
            steps, ended = steps + 1, terminated or truncated
        returns.append(steps)
    error = np.std(returns) / len(returns) ** 0.5
    assert abs(np.mean(returns) - RANDOM_POLICY["CartPole-v1"]) < 4 * error


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("game", get_args(MinAtarTask.model_fields["game"].annotation))
def test_minatars_games_are_measured_by_their_own_random_policy(game: str, full: bool) -> None:
    """Atari's games of these names have other scores; Seaquest's is 68."""
    task = MinAtarTask.model_validate({"game": game, "full_action_set": full})
    wanted = RANDOM_POLICY[task.subject]
    assert task.subject not in ATARI
    count = 512 if game == "freeway" else 64
    games, rng = MinAtar(task, [1], count), np.random.default_rng(1)
    games.reset()
    earned, ended = 0.0, 0
    for _ in range(300):
        step = games.step(rng.integers(0, games.actions, (1, count)))
        earned += float(step.rewards.sum())
        ended += int((step.terminated | step.truncated).sum())
    if ended:  # freeway's games last 2,500 steps
        assert earned / ended == pytest.approx(wanted, rel=0.35, abs=0.05)
    else:
        assert earned / count * 2_500 / 300 == pytest.approx(wanted, rel=0.6)


def test_returns_of_both_signs_have_no_zero_to_count_from() -> None:
    made = job(settings("FrozenLake-v1"), lambda arm, round: {"dense": 50.0, "winning": 60.0, "random": -20.0}[arm])
    assert summarise_suite([made]).without_scale == ("job-1",)


def test_where_less_is_better_a_lower_score_is_a_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ControlTask, "higher_is_better", False)
    made = job(settings("FrozenLake-v1"), lambda arm, round: {"dense": 100.0, "winning": 80.0, "random": 300.0}[arm])
    without = summarise_suite([made])
    assert words(without) == ["helps", "helps"] and without.without_scale == ("job-1",)
    assert without.jobs[0].answers[0].short.endswith("], more is better")  # the sign is not that of the scores
    drawn = next(cell for cell in without.across if cell.arm == "random")
    assert drawn.share is not None and drawn.share.value == 1.0
    given = summarise_suite([made], {"FrozenLake-v1": 500.0})
    assert given.jobs[0].answers[0].scale == pytest.approx(400, abs=2)
    winning = next(cell for cell in given.across if cell.arm == "winning")
    assert winning.score is not None and winning.score.value == pytest.approx(1.05, abs=0.01)


def test_in_the_chance_of_improvement_a_failed_run_counts_as_the_worst() -> None:
    made = settings()
    whole = job(made, lambda arm, round: {"dense": 200.0, "winning": 190.0, "random": 60.0}[arm])
    trials = [
        Trial(t.arm, t.round, t.seed, "failed", None) if (t.arm, t.seed) == ("winning", 3) else t for t in whole.trials
    ]
    (drawn,) = [c for c in summarise_suite([SuiteJob(1, "job", "failed", made, trials)]).across
                if (c.arm, c.level) == ("random", "third")]  # fmt: skip
    assert drawn.share is not None and (drawn.share.value, drawn.share.n) == (1.0, 7)
    assert drawn.improvement is not None and drawn.improvement.value == pytest.approx(7 / 8)


def test_atari_games_have_a_column_of_human_normalised_scores() -> None:
    def game(name: str, dense: float, number: int) -> SuiteJob:
        made = Experiment.from_fields(
            {
                "name": name, "seeds": list(range(8)), "arms": ["winning", "random"], "pruning": {"rounds": 2},
                "task": {"kind": "atari", "game": name},
            }
        )  # fmt: skip
        return job(made, lambda arm, _: {"dense": dense, "winning": dense, "random": 1.7}[arm], number, noise=0.01)

    # Breakout: random 1.7, human 30.5. Half way between, and a human's score: 0.5 and 1.
    half, whole = game("breakout", 16.1, 1), game("Breakout", 30.5, 2)
    summary = summarise_suite([half])
    found = {cell.arm: cell.human for cell in summary.across if cell.level == "last"}
    assert found["dense"] is not None and found["dense"].value == pytest.approx(0.5, abs=0.01)
    assert found["winning"] is not None and found["winning"].value == pytest.approx(0.5, abs=0.01)
    assert found["random"] is not None and found["random"].value == pytest.approx(0.0, abs=0.01)
    both = {cell.arm: cell.human for cell in summarise_suite([half, whole]).across if cell.level == "last"}
    assert both["dense"] is not None and both["dense"].value == pytest.approx(0.75, abs=0.01)
    assert both["dense"].n == 16


def test_without_a_game_nothing_is_human_normalised() -> None:
    summary = summarise_suite([job(settings(), lambda *_: 100.0)])
    assert all(cell.human is None for cell in summary.across)


def test_every_published_score_is_of_a_known_game_and_a_human_is_better_than_chance() -> None:
    assert set(ATARI) <= set(GAMES)
    assert all(human > random for random, human in ATARI.values())
    assert all(RANDOM_POLICY[game] == random for game, (random, _) in ATARI.items())
    nine = ("assault", "berzerk", "breakout", "centipede", "kangaroo", "krull", "qbert", "seaquest", "space_invaders")
    assert set(nine) <= set(ATARI)
