"""The paper's claims: the list, what a workspace says of them, and what is stored of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lth_core.analysis.contrast import Contrast, Sums, contrast
from lth_core.analysis.references import RANDOM_POLICY
from lth_core.analysis.statistics import Interval, interquartile_mean
from lth_core.batches.spent import SPENT, cpu_seconds
from lth_core.claims import again, answer, stored
from lth_core.claims import page as page_module
from lth_core.claims.again import RanWith, changed, compared, ran_with
from lth_core.claims.answer import answered, is_same
from lth_core.claims.claim import (
    Claim,
    Comparison,
    Panel,
    PaperFigure,
    Sign,
    claims,
    experiments,
    paper_figures,
)
from lth_core.claims.figures import _looks, draw
from lth_core.claims.page import page
from lth_core.claims.table import scores
from lth_core.cli.claims import _said, run
from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.report.drawing import looks
from lth_core.store import views
from lth_core.store.database import Database
from tests.report.conftest import job
from tests.small import experiment

ROOT = Path(__file__).parents[2]


def made(*tests: Comparison, number: int = 1) -> Claim:
    return Claim(
        number=number,
        says="It holds.",
        paper="Figure 0.",
        scale="Small.",
        chosen="Drawn.",
        files=["tiny"],
        tests=[*tests],
    )


def of(job_name: str = "cartpole", expected: Sign = "above", **weights: float) -> Comparison:
    return Comparison(job=job_name, weights=weights, expected=expected, says=f"{' '.join(weights)} on {job_name}")


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch, database: Database) -> list[Claim]:
    """Claims about the jobs of the workspace; what is listed is what the caller puts in."""
    own: list[Claim] = []
    known = (job(database, 1).experiment, job(database, 2).experiment)
    for module in (again, answer, stored, page_module):
        monkeypatch.setattr(module, "experiments", lambda file: known)
    drawn = PaperFigure(number=4, says="Control", panels=[
        Panel(job="cartpole", title="Cart", arms=["winning", "one_shot"]),
        Panel(job="under-way", title="Later", arms=["winning"]),
    ])  # fmt: skip
    for module in (stored, page_module):
        monkeypatch.setattr(module, "paper_figures", lambda: (drawn,))
    for place in (
        *(f"lth_core.claims.{name}.claims" for name in ("again", "stored", "page")),
        "lth_core.cli.claims.claims",
    ):
        monkeypatch.setattr(place, lambda: tuple(own))
    return own


def test_every_test_is_about_a_job_of_its_claims_preset_and_arms_that_it_has() -> None:
    for one in claims():
        own = {experiment.name: experiment for file in one.files for experiment in experiments(file)}
        for test in one.tests:
            assert test.job in own
            assert test.than is None or test.than in own
            assert set(test.weights) <= {*own[test.job].arms, DENSE}


def test_every_figure_is_of_arms_that_its_jobs_have() -> None:
    own = {one.name: one for claim in claims() for file in claim.files for one in experiments(file)}
    for figure in paper_figures():
        for panel in figure.panels:
            assert set(panel.arms) <= {*own[panel.job].arms}


def test_claims_are_held_contradicted_open_or_not_ended(database: Database, listed: list[Claim]) -> None:
    def state(*tests: Comparison) -> str:
        return answered(database, made(*tests)).state

    assert state(of(winning=1, one_shot=-1)) == "held"
    assert state(of(one_shot=1, winning=-1)) == "contradicted"
    assert state(of(expected="near zero", winning=1, one_shot=-1)) == "contradicted"
    assert state(of(expected="no loss", winning=1, one_shot=-1)) == "held"
    assert state(of(expected="no loss", one_shot=1, winning=-1)) == "contradicted"
    assert state(of(winning=1, one_shot=-1), of(one_shot=1, winning=-1)) == "mixed"
    assert state(of("under-way", winning=1, random=-1)) == "running"
    assert state(of("under-way", winning=1, random=-1), of(winning=1, one_shot=-1)) == "held"


def test_a_claim_about_some_cases_is_held_as_soon_as_one_is(database: Database, listed: list[Claim]) -> None:
    def state(*tests: Comparison) -> str:
        return answered(database, made(*tests).model_copy(update={"some": True})).state

    assert state(of(winning=1, one_shot=-1), of(one_shot=1, winning=-1)) == "held"
    assert state(of(one_shot=1, winning=-1)) == "contradicted"
    # Some other case may yet hold: it is not contradicted by those where it does not.
    assert state(of(one_shot=1, winning=-1), of("under-way", winning=1, random=-1)) == "open"


def test_a_difference_within_the_margin_is_near_zero_though_it_is_seen() -> None:
    value = Interval(0.01, 0.005, 0.015, 8)
    found = Contrast(value, 0.0078, (0.0039, 0.0039), 0.04, 0.11, 1, 0, ended=True)
    assert found.word(found.p) == "above"
    assert answer._state(found, "above", "near zero") == answer._state(found, "above", "no loss") == "held"
    assert answer._state(found, "above", "above") == "held" and answer._state(found, "above", "below") == "contradicted"


def test_no_loss_is_not_shown_while_a_seed_falls() -> None:
    """Of ten seeds nine gain a little and one loses a third of the dense network's gain, which the interquartile mean
    leaves out, and the mean outweighs."""

    def of_seeds(*gains: float) -> Contrast:
        return contrast(Sums(dict(enumerate(gains)), [dict(enumerate(gains))], 0.4, frozenset(), True, margin=5.0))

    typical = [6.0, 7.0, 8.0, 9.0, 6.5, 7.5, 8.5, 5.0, 5.5]
    whole, fell = of_seeds(*typical, 6.0), of_seeds(*typical, -33.0)
    assert (whole.fallen, whole.no_loss) == (0, True)
    assert (fell.fallen, fell.no_loss, fell.near_zero) == (1, False, False)
    assert fell.value.low > -5.0 and fell.near is not None and fell.near[0] <= 0.05
    for expected in ("no loss", "near zero"):
        assert answer._state(fell, "above", expected) == ("open" if expected == "no loss" else "contradicted")
    assert answer._state(whole, "above", "no loss") == "held"
    assert answer._state(fell, "below", "no loss") == "contradicted"
    close = [1.0, -1.0, 2.0, -2.0, 1.5, -1.5, 0.5, -0.5, 0.8]
    near, other, turned = of_seeds(*close, -0.8), of_seeds(*close, 33.0), of_seeds(*(-one for one in close), -33.0)
    assert near.near_zero and not other.near_zero and not turned.near_zero
    assert (other.risen, turned.fallen) == (1, 1) and (other.no_loss, turned.no_loss) == (True, False)


def test_no_difference_is_harder_to_show_in_one_of_many_tests() -> None:
    found = Contrast(Interval(0, -0.01, 0.01, 8), 1.0, (0.0039, 0.0039), 0.04, 0.11, 1, 0, ended=True)
    few, many = answer._many(found, 5), answer._many(found, 13)
    assert few is not None and few.no_loss and few.near_zero
    assert many is not None and not many.no_loss and not many.near_zero


def test_tests_that_are_not_run_yet_count_in_the_correction(database: Database, listed: list[Claim]) -> None:
    later = of("under-way", winning=1, random=-1)
    alone, one, two = (answered(database, made(of(winning=1, one_shot=-1), *[later] * k)).tested[0].p for k in range(3))
    assert (one, two) == (pytest.approx(2 * alone), pytest.approx(3 * alone))


def test_a_workspace_without_the_job_has_not_run_it(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    other = job(database, 1).experiment.model_copy(update={"seeds": (1, 2)})
    monkeypatch.setattr(answer, "experiments", lambda file: (other,))
    found = answered(database, made(of(winning=1, random=-1)))
    assert (found.state, found.done) == ("not run", (0, 0))


def test_where_a_text_lies_makes_no_other_experiment() -> None:
    def reading(train: str) -> Experiment:
        task = {"kind": "language_model", "source": "files", "train": train, "valid": "v", "test": "t"}
        return Experiment.from_fields({"name": "text", "task": task, "model": {"kind": "lstm"}, "seeds": [0]})

    assert is_same(reading("a.txt"), reading("b.txt"))
    assert not is_same(reading("a.txt"), reading("a.txt").model_copy(update={"seeds": (1,)}))


def test_a_text_of_the_hub_may_lie_here_as_files() -> None:
    def of_task(**task: str) -> Experiment:
        fields = {"name": "text", "task": {"kind": "language_model", **task}, "model": {"kind": "lstm"}, "seeds": [0]}
        return Experiment.from_fields(fields)

    here = of_task(source="files", train="t", valid="v", test="u")
    assert is_same(here, of_task(source="wikitext-2"))
    assert not is_same(of_task(source="builtin"), of_task(source="wikitext-2"))


def test_what_is_stored_makes_the_page_and_stays_when_another_workspace_knows_less(
    database: Database, listed: list[Claim], tmp_path: Path
) -> None:
    hedged = made(of(winning=1, one_shot=-1)).model_copy(update={"but": "in rain"})
    listed += [hedged, made(of("under-way", winning=1, random=-1), number=2)]
    first = stored.store(database, tmp_path)
    assert {path.name for path in (tmp_path / "cartpole").iterdir()} >= {"trials.csv", "card.md", "lottery.svg"}
    assert [one.number for one in first.claims] == [1]
    assert stored.read(tmp_path) == first
    text = page(first, "claims")
    assert "| 1 | It holds. | held; in rain |" in text
    assert "| 2 | It holds. | not run |" in text
    assert "- winning random on under-way: **not run**" in text
    assert "winning one_shot on cartpole: **held**, +" in text
    assert "![Control](claims/figure-4.svg)" in text
    assert "Not run yet: Later." in text
    assert (tmp_path / "figure-4.svg").read_text().count("<svg") == 1
    listed.clear()
    assert stored.store(database, tmp_path).claims == first.claims


def test_trials_trained_again_are_compared_with_the_stored_ones(
    database: Database, listed: list[Claim], tmp_path: Path
) -> None:
    listed.append(made(of(winning=1, one_shot=-1)))
    stored.store(database, tmp_path)
    trials = [one for one in views.trials(database, 1) if one.round == 1 and one.seed == 0 and one.arm == "winning"]
    (same,) = compared(tmp_path, "cartpole", trials)
    assert (same.key, same.same) == (("winning", 1, 0), "equal to the last bit")
    score = trials[0].score
    assert score is not None
    known = [
        one
        for (arm, round, _), one in scores(tmp_path / "cartpole" / "trials.csv").items()
        if (arm, round) == ("winning", 1)
    ]
    width = max(known) - min(known)
    found = (score * (1 + 1e-12), max(known) + width, min(known) - 3 * width, None)
    words = [one.same for one in compared(tmp_path, "cartpole", [replace(trials[0], score=one) for one in found])]
    assert words == [
        "other bits, between the stored seeds", "other bits, near the stored seeds", "far from the stored seeds",
        "no score",
    ]  # fmt: skip
    table = tmp_path / "cartpole" / "trials.csv"
    table.write_text(table.read_text().replace(str(score), "1e9"))
    assert [one.same for one in compared(tmp_path, "cartpole", trials)] == ["far from the stored seeds"]
    table.unlink()
    with pytest.raises(InputError, match="expected the table of a job's trials"):
        list(compared(tmp_path, "cartpole", trials))


def test_what_a_job_ran_with_is_stored_with_the_scale_of_its_margins(
    database: Database, listed: list[Claim], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed.append(made(of(winning=1, one_shot=-1)))
    (stored_job,) = [one for one in stored.store(database, tmp_path).jobs if one.name == "cartpole"]
    trials = [(a, r, score) for (a, r, _), score in scores(tmp_path / "cartpole" / "trials.csv").items()]
    dense = interquartile_mean([score for arm, _, score in trials if arm == DENSE])
    assert (stored_job.reference, stored_job.reference_is) == (RANDOM_POLICY["CartPole-v1"], "random play")
    assert stored_job.gain == pytest.approx(float(dense) - RANDOM_POLICY["CartPole-v1"])
    assert stored_job.margin == pytest.approx(0.05 * float(stored_job.gain or 0))
    assert stored_job.cpu_hours is None  # its attempts have no log
    assert "Queued with lth" in page(stored.read(tmp_path), "claims")
    trained = stored_job.model_copy(update={"workers": "lth 1, revision of the workers"})
    shown = page(stored.Stored(claims=(), jobs=(trained,)), "claims")
    assert "Trained with lth 1, revision of the workers. Identity" in shown and "Queued with" not in shown
    assert f"nothing learned: {stored_job.reference} (random play); the dense network gains" in page(
        stored.read(tmp_path), "claims"
    )
    run = job(database, 1)
    monkeypatch.setattr(again, "said", lambda runs: "numpy 2, 1 thread, revision abc")

    def beside(workers: str) -> RanWith:
        return ran_with(database, stored_job.model_copy(update={"workers": workers}), run)

    assert beside("1 thread, numpy 2, revision abc") == RanWith("cartpole", (), (), revision=False)
    assert beside("numpy 2, 1 thread, revision d, lth 1") == RanWith("cartpole", (), (), revision=True)
    assert beside("numpy 1, 1 thread") == RanWith("cartpole", ("numpy 1",), ("numpy 2",), revision=True)
    unknown = beside("")
    assert [*_said([unknown], [])] == ["cartpole: stored with versions that are not recorded: the last bits may differ"]


@pytest.mark.parametrize(("log", "seconds"), [
    ("2026 INFO 1.50 CPU seconds spent on this attempt, the worker's start included\n", 1.5), ("killed\n", None),
])  # fmt: skip
def test_an_attempts_log_has_its_processors_time(log: str, seconds: float | None, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(log)
    assert cpu_seconds(tmp_path) == seconds
    assert seconds is None or SPENT % seconds in log


def test_an_attempt_that_wrote_nothing_took_no_time_and_one_without_a_log_does_not_say(tmp_path: Path) -> None:
    assert cpu_seconds(tmp_path / "absent") is None
    assert cpu_seconds(tmp_path) == 0
    (tmp_path / "records.jsonl").touch()
    assert cpu_seconds(tmp_path) is None


def test_a_job_whose_preset_has_changed_since_is_not_trained_again(
    database: Database, listed: list[Claim], tmp_path: Path
) -> None:
    listed.append(made(of(winning=1, one_shot=-1)))
    (tmp_path / "cartpole").mkdir()
    path = tmp_path / "cartpole" / "experiment.json"
    path.write_text(job(database, 1).experiment.canonical())
    assert changed(tmp_path, ["cartpole"]) == []
    path.write_text(path.read_text().replace('"rounds":', '"rounds":1'))
    assert changed(tmp_path, ["cartpole", "another"]) == ["cartpole", "another"]
    path.write_text("{}")
    with pytest.raises(InputError, match=r"experiment.json: .*expected what `lth claims store` wrote"):
        changed(tmp_path, ["cartpole"])


def test_a_job_that_has_ended_is_stored_before_its_claim_is_answered(
    database: Database, listed: list[Claim], tmp_path: Path
) -> None:
    listed.append(made(of("under-way", winning=1, random=-1)))
    found = stored.store(database, tmp_path)
    assert found.claims == () and [one.name for one in found.jobs] == ["cartpole"]


def test_a_test_that_this_workspace_has_not_run_keeps_its_stored_answer(
    database: Database, listed: list[Claim], tmp_path: Path
) -> None:
    listed.append(made(of("under-way", winning=1, random=-1), of(winning=1, one_shot=-1)))
    first = stored.store(database, tmp_path)
    kept = first.claims[0].tests[0].model_copy(update={"state": "contradicted", "text": "as it was"})
    claim = first.claims[0].model_copy(update={"tests": (kept, first.claims[0].tests[1])})
    (tmp_path / "claims.json").write_text(first.model_copy(update={"claims": (claim,)}).model_dump_json())
    (again,) = stored.store(database, tmp_path).claims
    assert (again.state, again.tests[0].text) == ("mixed", "as it was")
    assert "| mixed |" in page(stored.read(tmp_path), "claims")


def test_a_job_run_again_with_the_same_scores_keeps_the_answer_that_was_corrected_with_all_tests(
    database: Database, listed: list[Claim], tmp_path: Path
) -> None:
    listed.append(made(of("under-way", winning=1, random=-1), of(winning=1, one_shot=-1)))
    first = stored.store(database, tmp_path)
    here = first.claims[0].tests[1]

    tests = (first.claims[0].tests[0], here.model_copy(update={"text": "of both tests"}))
    known = first.model_copy(update={"claims": (first.claims[0].model_copy(update={"tests": tests}),)})

    def again() -> str:
        (tmp_path / "claims.json").write_text(known.model_dump_json())
        return stored.store(database, tmp_path).claims[0].tests[-1].text

    assert again() == "of both tests"
    table = tmp_path / "cartpole" / "trials.csv"
    score = next(iter(scores(table).values()))
    table.write_text(table.read_text().replace(str(score), str(score + 1)))
    assert again() == here.text
    listed[0] = made(of(winning=1, one_shot=-1))  # all of this one has been run here
    assert again() != "of both tests"


def test_a_figure_of_a_damaged_table_is_refused(database: Database, listed: list[Claim], tmp_path: Path) -> None:
    listed.append(made(of(winning=1, one_shot=-1)))
    stored.store(database, tmp_path)
    (figure,) = stored.paper_figures()
    (tmp_path / "cartpole" / "lottery.csv").write_text("arm,round\nwinning,1\n")
    with pytest.raises(InputError, match=r"lottery\.csv: .*expected what `lth claims store` wrote"):
        draw(figure, tmp_path)


@pytest.mark.parametrize("content", [None, "{}", "no"])
def test_a_folder_with_something_else_is_refused(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "claims.json").write_text(content)
    with pytest.raises(InputError, match=r"claims\.json: .*expected .*lth claims store"):
        stored.read(tmp_path)


def test_the_list_is_printed_and_read_by_scripts(
    folder: Path, database: Database, listed: list[Claim], capsys: pytest.CaptureFixture[str]
) -> None:
    listed.append(made(of(winning=1, one_shot=-1), of("under-way", winning=1, random=-1)))
    run(folder)
    assert "running" in (printed := capsys.readouterr().out)
    assert "lth headless tiny" in printed
    run(folder, as_json=True)
    (one,) = json.loads(capsys.readouterr().out)["claims"]
    assert [test["state"] for test in one["tests"]] == ["held", "running"]


def test_an_arm_looks_the_same_in_all_panels() -> None:
    few, many = experiment(arms=["winning", "random"]), experiment(arms=["winning", "one_shot", "random"])
    for order in ([few, many], [many, few]):
        assert _looks(order) == looks(many) and looks(few)["random"] != looks(many)["random"]


def test_stored_results_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "claims.json"
    for content, said in (
        ("[1", "Invalid JSON.*"),
        ('{"claims": [], "jobs": [{"name": 3}]}', r"jobs\.0\.name: Input should be a valid string"),
        (None, "No such file or directory"),
    ):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content)
        with pytest.raises(InputError, match=rf"claims\.json: {said}: expected what `lth claims store` wrote$"):
            stored.read(tmp_path)
