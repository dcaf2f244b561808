"""`lth bundle` and `lth verify`: what is in a bundle, that it holds, and that its bytes are always the same."""

import json
import shutil
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from lth_core.bundle.again import compared
from lth_core.bundle.archive import Archive
from lth_core.bundle.compare import differences
from lth_core.bundle.verify import manifest_findings, opened
from lth_core.upkeep.facts import facts_of
from tests.bundle.conftest import said
from tests.bundle.forger import Forger
from tests.command import lth


@pytest.mark.parametrize("name", ["job", "suite"])
def test_a_bundle_holds(name: str, bundles: Path) -> None:
    assert said(bundles / f"{name}.zip") == []


def test_a_bundle_has_everything_and_says_what_to_quote(bundles: Path) -> None:
    names = set(zipfile.ZipFile(bundles / "job.zip").namelist())
    job = {f"jobs/0001/{name}" for name in ("job.json", "experiment.json", "card.md", "answers.json")}
    tables = {
        f"jobs/0001/tables/{name}.csv" for name in ("trials", "lottery", "verdicts", "answers", "layers", "curves")
    }
    assert {"manifest.json", "README.txt", "batches/000001/spec.json", *job, *tables} <= names
    assert "jobs/0001/masks/random/round-02/seed-0.safetensors" in names
    assert not [name for name in names if "trial-" in name]
    assert [name for name in zipfile.ZipFile(bundles / "weights.zip").namelist() if "trial-" in name]
    assert "SHA-256 of its manifest: " in (bundles / "job.txt").read_text()


def test_the_same_workspace_gives_the_same_bytes(bundles: Path, workspace: Path, tmp_path: Path) -> None:
    shutil.copytree(workspace, tmp_path / "moved")
    done = lth("bundle", 1, "-o", "again.zip", "-w", "moved", cwd=tmp_path)
    assert " kB, without weights" in done.stdout
    assert (tmp_path / "again.zip").read_bytes() == (bundles / "job.zip").read_bytes()


def test_all_tickets_are_derived_again_where_weights_are_in_it(bundles: Path) -> None:
    done = lth("verify", bundles / "weights.zip")
    assert done.returncode == 0 and "10 derived again from weights and seeds" in done.stdout
    assert done.stdout.endswith("holds; --trials N also trains N of its trials again\n")


@pytest.mark.parametrize("name", ["job", "weights"])
def test_masks_that_change_during_training_hold(name: str, mobile: Path) -> None:
    done = lth("verify", mobile / f"{name}.zip")
    assert done.returncode == 0, done.stdout
    how = {"job": "3 derived again from seeds", "weights": "11 derived again from weights and seeds"}
    assert how[name] in done.stdout


@pytest.mark.slow
def test_a_trial_is_trained_from_the_weights_of_those_before_it(bundles: Path) -> None:
    done = lth("verify", bundles / "weights.zip", "--trials", 1, "--seed", 0, "--json")
    found = json.loads(done.stdout)
    assert [(one["drawn"], one["state"]) for one in found["trained_again"]] == [(True, "equal")]
    assert found["draw"] == 0 and done.returncode == 0


def test_nothing_names_the_machine(bundles: Path, workspace: Path) -> None:
    archive = zipfile.ZipFile(bundles / "weights.zip")
    whole = b"\n".join(archive.read(name) for name in archive.namelist())
    assert str(workspace).encode() not in whole and b'"host":' not in whole and b"/two.toml" not in whole


def test_what_cannot_be_bundled_is_refused(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "there.zip").touch()
    for asked, sentence in (
        ((1, "-o", "there.zip"), "there.zip already exists: expected the name of a new file"),
        ((7, "-o", "new.zip"), "there is no job or suite 7; jobs: 1, 2; suites: two"),
        ((1, "-o", "no/new.zip"), "no/new.zip: cannot be written: No such file or directory"),
    ):
        done = lth("bundle", *asked, "-w", workspace, cwd=tmp_path)
        assert done.returncode == 2 and sentence in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.zip"]


def test_a_device_that_is_not_here_is_refused(bundles: Path) -> None:
    done = lth("verify", bundles / "job.zip", "--trials", 1, "--device", "cuda:77")
    assert (done.returncode, done.stdout) == (2, "")
    assert "device cuda:77: expected auto or cpu on this machine" in done.stderr


def test_where_bits_may_differ_a_score_is_accepted_within_the_stated_range(bundles: Path) -> None:
    with (
        closing(Archive(bundles / "job.zip")) as archive,
        opened(archive, manifest_findings(archive)[0]) as (bundle, _),
    ):
        assert bundle is not None
        (job,) = bundle.jobs
        key, trial = next((key, trial) for key, trial in job.trials.items() if trial.state == "done")
        stored = facts_of(bundle.rebuilt.database.connection, trial.id)

        def state(score: float | None, *, same: bool) -> tuple[str, str]:
            found = compared(job, key, True, stored, {**stored, ("result", "score"): score}, same)
            return found.state, found.text

        assert state(trial.score, same=False)[0] == "equal"
        one = compared(job, key, True, stored, stored, same=False)
        assert state(one.high, same=True)[0] == "not equal"
        assert [state(score, same=False)[0] for score in (one.low, one.high)] == ["within", "within"]
        assert [state(score, same=False)[0] for score in (one.low - 1, one.high + 1)] == ["outside", "outside"]
        assert state(None, same=False)[0] == "not trained"
        assert f"{one.low:.6g} to {one.high:.6g} accepted" in state(one.high, same=False)[1]


def test_code_that_a_task_names_is_not_run_unless_asked(bundles: Path, tmp_path: Path) -> None:
    forger = Forger(bundles / "job.zip")
    forger.experiment(1, lambda fields: fields["task"].update(environment="nowhere:Env"))
    path = forger.save(tmp_path / "code.zip")
    done = lth("verify", path, "--trials", 1, "--json")
    notes = [one["sentence"] for one in json.loads(done.stdout)["findings"] if one["state"] == "note"]
    why = "its task names the module nowhere, which is run only with --run-code"
    assert f"job 1: not derived again: {why}" in notes and f"job 1: not trained again: {why}" in notes
    forger.results_again()
    shown = lth("verify", forger.save(tmp_path / "again.zip"), "--trials", 1)
    assert shown.stdout.endswith("holds; no trial was trained again\n")


def test_numbers_of_another_processor_are_close_and_others_are_not() -> None:
    table = b"arm,round,mean\nwinning,1,%s\n"
    (near,) = differences("a.csv", table % b"0.30000000000000004", table % b"0.3")
    (far,) = differences("a.csv", table % b"0.30000001", table % b"0.3")
    assert (near.close, far.close) == (True, False)
    assert far.place == "arm winning, round 1: mean"
