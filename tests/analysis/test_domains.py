"""Is it about images? Simulated suites whose gaps are known: larger, the same, known by bounds, not asked."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lth_core.analysis import statistics
from lth_core.analysis.suite_questions import suite_findings
from lth_core.analysis.suite_summary import SuiteJob, SuiteSummary, summarise_suite
from lth_core.cli.shapes import ShownSuite
from lth_core.cli.suite_result import _fields
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import resolve
from lth_core.report import suite_table
from lth_core.report.answers import SuiteAnswers
from lth_core.report.tables import domain_rows
from tests.analysis.test_verdict import Trial
from tests.small import experiment

PICTURES = {
    "task": {"kind": "images"}, "model": {"kind": "lenet"}, "training": {"algorithm": "supervised", "length": 100},
}  # fmt: skip


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 300)


def settings(images: bool = False, **fields: object) -> Experiment:
    base: dict[str, object] = {
        "name": "it-games", "seeds": list(range(8)), "arms": ["winning", "random"],
        "pruning": {"rounds": 16, "fraction": 0.2},
    }  # fmt: skip
    if images:
        return resolve({**base, **PICTURES, "name": "it-digits", **fields}, "digits")
    return experiment(**{**base, **fields})


def job(made: Experiment, number: int, ratio: float, half: float = 0.06, lost: int = 0) -> SuiteJob:
    """Scores fall from 1 to 0 around each chain's critical density: `half` of winning, `ratio` times that of random."""
    rng = np.random.default_rng(number)
    centre = {(a, s): (half if a == "winning" else half * ratio) * np.exp(rng.normal(0, 0.1)) for a in made.arms
              for s in made.seeds}  # fmt: skip
    trials = [Trial("dense", 0, seed, score=400.0, density=1.0) for seed in made.seeds]
    for (arm, seed), own in centre.items():
        for k in range(1, made.pruning.rounds + 1):
            density = made.pruning.density(k)
            score = 400.0 / (1 + np.exp(-np.log(density / own) / 0.1))
            gone = seed < lost and k == 2
            trials.append(Trial(arm, k, seed, "failed" if gone else "done", None if gone else float(score), density))
    return SuiteJob(number, made.name, "done", made, trials)


def asked(*jobs: SuiteJob) -> SuiteSummary:
    return summarise_suite(jobs, {})


Make = Callable[[], list[SuiteJob]]


def test_the_gap_of_images_is_compared_with_each_other_job_and_all_together() -> None:
    jobs = [job(settings(True), 1, 5), job(settings(), 2, 2.5), job(settings(name="it-more"), 3, 2.5)]
    summary = asked(*jobs)
    found = summary.domains
    assert found is not None and found.short_names == ["digits", "games", "more"]
    assert [(c.other, c.word, c.bound) for c in found.contrasts] == [
        ("the others", "larger", ""), ("it-games", "larger", ""), ("it-more", "larger", ""),
    ]  # fmt: skip
    together = found.contrasts[0]
    assert together.factor.value == pytest.approx(2, rel=0.15) and together.factor.low > 1.5
    assert together.short.startswith("the gap between winning and random is ")
    assert together.short.endswith("]") and " times as large for images as for the others [" in together.short
    assert "seeds not paired, n=8 and 16, p=0.000" in together.facts[1]
    assert found.finding == suite_findings(jobs, summary)[-1] and found.finding.word == "larger"
    games, digits = found.members[1], found.members[0]
    assert digits.ratio.value == pytest.approx(5, rel=0.15) and (digits.bound, digits.why) == ("", "")
    third, last = games.scales
    assert third.reference is not None and third.reference.value == pytest.approx(1, abs=0.01)
    assert last.control is not None and last.control.value == pytest.approx(0, abs=0.05)
    # As all show it: the table, the rows of files, --json.
    answers = SuiteAnswers("it", tuple(jobs), summary)
    assert len(domain_rows(found)) == 6
    assert ShownSuite.model_validate(_fields(answers)).domains == found
    assert found.finding.question in [str(part) for part in suite_table.parts(answers)]


def test_equal_gaps_are_open_and_a_running_job_decides_nothing() -> None:
    same = asked(job(settings(True), 1, 3), job(settings(), 2, 3)).domains
    assert same is not None
    (contrast,) = same.contrasts
    assert contrast.word == "open" and contrast.short.startswith("open: the gap between winning and random is ")
    running = job(settings(), 2, 1.2)
    running = replace(running, trials=[replace(running.trials[-1], state="running", score=None), *running.trials[:-1]])
    unfinished = asked(job(settings(True), 1, 6), running).domains
    assert unfinished is not None
    assert unfinished.contrasts[0].word == "open" and unfinished.contrasts[0].short.startswith("so far: the gap")


def test_censored_chains_give_bounds_and_never_an_answer_against_them() -> None:
    floor = settings().pruning.density(16)
    deep, plain = job(settings(True), 1, 30, half=floor / 10), job(settings(), 2, 1.5)
    found = asked(deep, plain).domains
    assert found is not None
    (contrast,) = found.contrasts
    assert found.members[0].bound == "at least" and contrast.bound == "at least" and contrast.word == "larger"
    assert "is at least 2 times as large" in contrast.short and "no bound]" in contrast.short
    assert any("8 of 8 chains of winning" in fact for fact in contrast.facts)
    # Images' gap is at least 3, the other's 6: that it is smaller cannot be said.
    against = asked(deep, job(settings(), 2, 6)).domains
    assert against is not None and against.contrasts[0].word == "open" and against.contrasts[0].p > 0.5


def test_lost_seeds_and_jobs_without_a_scale_count_against() -> None:
    clear = asked(job(settings(True), 1, 5), job(settings(), 2, 2)).domains
    some = asked(job(settings(True), 1, 5, lost=2), job(settings(), 2, 2)).domains
    most = asked(job(settings(True), 1, 5, lost=5), job(settings(), 2, 2)).domains
    assert clear is not None and some is not None and most is not None
    assert clear.contrasts[0].p < some.contrasts[0].p < most.contrasts[0].p
    assert most.contrasts[0].word == "open" and most.members[0].lost == 5
    assert "5 seeds lost a trial and are not known at all" in most.contrasts[0].facts
    flat = job(settings(), 2, 2)
    flat = replace(flat, trials=[replace(t, score=-1.0) for t in flat.trials])
    both = asked(job(settings(True), 1, 5), flat, job(settings(name="it-more"), 3, 2)).domains
    assert both is not None
    together, none, other = both.contrasts  # three comparisons, though one says nothing
    assert (none.word, none.p, none.short) == ("open", 1.0, "open: nothing can be said of games")
    assert none.facts[0].startswith("games is left out: no reference score")
    assert other.p == together.p == pytest.approx(3 * clear.contrasts[0].p)


@pytest.mark.parametrize(
    "make",
    [
        lambda: [job(settings(), 1, 3), job(settings(name="it-more"), 2, 3)],
        lambda: [job(settings(True), 1, 3)],
        lambda: [job(settings(True), 1, 3), job(settings(arms=["winning", "reinit"]), 2, 3)],
        lambda: [job(settings(True), 1, 3), job(settings(pruning={"rounds": 1}), 2, 3)],
        list,
    ],
)
def test_it_is_asked_where_images_and_others_have_both_arms(make: Make) -> None:
    assert asked(*make()).domains is None
