"""Stored trials trained again: what is compared, what differs, and when `lth claims check` fails."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from lth_core.claims.again import Again, RanWith, Same, _same, odd_jobs, presets_of
from lth_core.claims.claim import experiments, quick_jobs
from lth_core.claims.table import scores
from lth_core.cli.claims import _asked, _said, check, exit_code
from lth_core.cli.headless import Wanted
from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE

ROOT = Path(__file__).parents[2]


def test_what_differs_from_the_stored_versions_is_said_and_other_bits_without_it_are_odd() -> None:
    alike = RanWith("a", (), (), revision=False)
    lines = [*_said([alike, replace(alike, job="b"), replace(alike, job="c", revision=True)], ["b", "c"])]
    assert [line.partition(": ")[0] for line in lines] == ["a", "b", "c"]
    assert [(" yet other bits" in line, "this program gives other results now" in line) for line in lines] == [
        (False, False), (True, False), (True, True)
    ]  # fmt: skip
    other = [RanWith(name, ("numpy 2.4.6",), ("numpy 2.3.5",), revision=True) for name in "ab"]
    assert [*_said(other, [])] == ["a, b: stored with numpy 2.4.6; here numpy 2.3.5: the last bits may differ"]


@pytest.mark.parametrize(
    ("same", "alike", "code"),
    [
        ("equal to the last bit", True, 0), ("other bits, between the stored seeds", False, 0),
        ("other bits, near the stored seeds", False, 0), ("other bits, near the stored seeds", True, 1),
        ("far from the stored seeds", False, 1), ("no score", False, 1),
    ],
)  # fmt: skip
def test_other_bits_fail_the_check_only_where_nothing_explains_them(same: Same, alike: bool, code: int) -> None:
    rows = [Again("a", (DENSE, 0, 0), 1.0, 1.0, same)]
    odd = odd_jobs(rows, {"a": RanWith("a", () if alike else ("numpy 2.4.6",), (), revision=False)})
    assert exit_code(rows, odd) == code
    assert exit_code([], []) == exit_code(rows, ["changed since"]) == 1


def test_a_preset_is_trained_again_with_the_first_seed_of_its_jobs() -> None:
    (experiment,) = experiments("paper/cartpole")
    assert presets_of({experiment.name}) == [("paper/cartpole", experiment.seeds[0])]


def stored_scores() -> Iterator[tuple[float, list[float]]]:
    """Each stored score of a first round, and those of the other seeds."""
    for table in sorted((ROOT / "docs" / "claims").glob("*/trials.csv")):
        by_place: dict[tuple[str, int], list[float]] = {}
        for (arm, round, _), score in scores(table).items():
            if round <= 1:
                by_place.setdefault((arm, round), []).append(score)
        for own in by_place.values():
            yield from ((one, own[:k] + own[k + 1 :]) for k, one in enumerate(own))


def test_a_last_bit_is_never_an_alarm_and_a_stored_score_that_was_changed_is_one() -> None:
    for score, others in stored_scores():
        width = max(others) - min(others)
        if width:
            assert _same(score, score + width / 1e6, others).startswith("other bits")
        beyond = max(*others, score) + 10 * max(width, 1e-3)
        assert _same(beyond, score, others) == "far from the stored seeds"


def test_other_bits_are_no_alarm_where_one_more_seed_could_give_them() -> None:
    """Each stored trial of the first round, as if it were the one trained again, against those of the other seeds."""
    words = [_same(others[-1], one, others) for one, others in stored_scores()]
    assert len(words) > 300
    assert words.count("far from the stored seeds") <= len(words) / 100
    assert words.count("other bits, between the stored seeds") < len(words) * 0.9  # so that is no rule by itself


def test_a_job_that_cannot_run_here_is_left_out_and_the_others_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained: list[str] = []

    def here(files: list[Path], *_: object) -> list[Wanted]:
        if "lstm" in files[0].name:
            raise InputError(f"{files[0]}: no texts")
        return [(one, files[0], None) for one in experiments(str(files[0]))]

    def train(_follower: object, wanted: list[Wanted], _progress: object) -> tuple[list[int], set[int]]:
        trained.extend(one.name for one, *_ in wanted)
        return [1], set()

    monkeypatch.setattr("lth_core.cli.claims.checked", here)
    monkeypatch.setattr("lth_core.cli.claims.train", train)
    monkeypatch.setattr("lth_core.cli.claims.views.job", lambda *_: SimpleNamespace(id=1, name="digits"))
    same = Again("digits", (DENSE, 0, 0), 1.0, 1.0, "equal to the last bit")
    monkeypatch.setattr("lth_core.cli.claims.compared", lambda *_: [same])
    monkeypatch.setattr("lth_core.cli.claims.ran_with", lambda *_: RanWith("digits", (), (), revision=False))

    def code(*jobs: str) -> int:
        return check(ROOT / "docs" / "claims", tmp_path, [*jobs], [], "cpu", 1)

    assert code("digits") == 0
    assert code("lstm-all", "digits") == 1 and trained == ["digits", "digits"]
    assert "lstm-all: not compared: claims/lstm-all: no texts" in capsys.readouterr().out.splitlines()
    with pytest.raises(InputError, match="no texts"):
        code("lstm-all")


def test_a_job_that_is_not_stored_is_named(tmp_path: Path) -> None:
    quick = quick_jobs()[0]
    assert _asked(["a", quick], [], tmp_path) == [quick]
    assert _asked(["a", quick], [], tmp_path, everything=True) == ["a", quick]
    with pytest.raises(InputError, match=rf"has none of {quick}, .*--job, or say --all"):
        _asked(["a", "b"], [], tmp_path)
    assert _asked(["a", "b"], ["b", "b"], tmp_path) == ["b"]
    with pytest.raises(InputError, match=r"--job c: expected a job of .*: a, b"):
        _asked(["a", "b"], ["c"], tmp_path)
    with pytest.raises(InputError, match="no job is stored there"):
        _asked([], [], tmp_path)
