"""The changes that docs/architecture.md shows: each applies to the program as it is, and what it adds works."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parent.parent
CHANGES = ROOT / "docs" / "adding"
PARTS = ("lth_core", "lth_tui", "configs", "docs", "tests", "pyproject.toml", "README.md", "CHANGELOG.md")

CARTPOLE = """
seeds = 1
arms = [{arms}]
task.environment = "{environment}"
model.hidden = [8]
training = {{ length = 1000, environments = 4, n_steps = 8, record_every = 500, checkpoint_every = 500 }}
pruning = {{ rounds = 1, fraction = 0.3, criterion = "{criterion}" }}
"""
AWR = """
seeds = 1
arms = ["winning"]
task.environment = "CartPole-v1"
model.hidden = [8]
pruning = { rounds = 1, criterion = "snip" }
[training]
algorithm = "awr"
length = 1000
environments = 4
n_steps = 8
record_every = 500
checkpoint_every = 500
"""
TEXT = """
seeds = 1
arms = ["winning"]
task = { kind = "language_model", source = "files", train = "text", valid = "text", test = "text" }
model = { kind = "gru", embedding = 8, hidden = 8 }
training = { length = 4, batch = 2, record_every = 2, checkpoint_every = 4 }
pruning = { rounds = 1, keep = ["embedding"] }
"""
RINGS = """
seeds = 1
arms = ["winning", "random", "small_dense"]
task.kind = "rings"
training = { length = 6, batch = 50, record_every = 3, checkpoint_every = 3 }
pruning = { rounds = 1, fraction = 0.3, keep = ["norm"] }
rewinding.weights = 2
"""


def cartpole(arms: str = '"winning"', environment: str = "CartPole-v1", criterion: str = "magnitude") -> str:
    return CARTPOLE.format(arms=arms, environment=environment, criterion=criterion)


@pytest.fixture
def changed(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of the program with the change applied."""
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("*.svg"))
        else:
            shutil.copy(ROOT / part, tmp_path / part)
    subprocess.run(["git", "apply", CHANGES / f"{request.param}.diff"], cwd=tmp_path, check=True)
    return tmp_path


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, text=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(folder), "LTH_CACHE": str(folder / "cache")},
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


@pytest.mark.parametrize(
    ("changed", "experiment"),
    [
        ("algorithm", AWR),
        ("arm", cartpole(arms='"winning", "random_rewound"')),
        ("criterion", cartpole(criterion="product")),
        ("environment", cartpole(environment="Corridor-v0")),
        ("model", TEXT),
        ("family", RINGS),
    ],
    indirect=["changed"],
    ids=["algorithm", "arm", "criterion", "environment", "model", "family"],
)
def test_what_is_added_is_trained_audited_and_reported(changed: Path, experiment: str) -> None:
    (changed / "mine.toml").write_text(experiment)
    (changed / "text").write_text("a few words that are read again and again\n" * 40)
    run(changed, "ruff", "check", "lth_core")
    run(changed, "ruff", "format", "--check", "lth_core")
    out = run(changed, "lth_core.cli", "headless", "mine.toml", "--device", "cpu", "--slots", "1")
    assert ", 0 failed" in out


@pytest.mark.parametrize("changed", ["view"], indirect=True)
def test_a_view_of_the_workbench_that_is_added_is_reached_by_its_key(changed: Path) -> None:
    run(changed, "ruff", "check", "lth_tui")
    run(changed, "pytest", "tests/tui/test_tui_job.py", "-k", "views_by_number", "-p", "no:cacheprovider")


def test_every_change_that_is_shown_is_tried() -> None:
    tried = {"algorithm", "arm", "criterion", "environment", "family", "model", "view"}
    assert {path.stem for path in CHANGES.iterdir()} == tried
