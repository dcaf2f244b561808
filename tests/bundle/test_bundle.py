"""`lth bundle` and `lth verify`: what is in a bundle, that it holds, and that its bytes are always the same."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.bundle.conftest import said
from tests.command import lth


@pytest.mark.parametrize("name", ["job", "weights", "suite"])
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
    lth("bundle", 1, "-o", "again.zip", "-w", "moved", cwd=tmp_path)
    assert (tmp_path / "again.zip").read_bytes() == (bundles / "job.zip").read_bytes()


def test_all_tickets_are_derived_again_where_weights_are_in_it_and_trials_train_from_them(bundles: Path) -> None:
    done = lth("verify", bundles / "weights.zip", "--trials", 1, "--seed", 0, "--json")
    found = json.loads(done.stdout)
    assert "10 derived again from weights and seeds" in next(
        one["sentence"] for one in found["findings"] if one["part"] == "tickets"
    )
    assert [(one["drawn"], one["state"]) for one in found["trained_again"]] == [(True, "equal")]
    assert found["draw"] == 0 and done.returncode == 0


def test_nothing_names_the_machine(bundles: Path, workspace: Path) -> None:
    archive = zipfile.ZipFile(bundles / "weights.zip")
    whole = b"\n".join(archive.read(name) for name in archive.namelist())
    assert str(workspace).encode() not in whole and b'"host"' not in whole and b"/two.toml" not in whole


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
