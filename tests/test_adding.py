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


def member(
    name: str, *, arms: tuple[str, ...] = ("winning",), environment: str = "CartPole-v1", training: str = "",
    pruning: str = "",
) -> str:  # fmt: skip
    """A small job of control, with what is to be tried."""
    return f"""
[[suite.member]]
name = "{name}"
arms = {list(arms)}
task.environment = "{environment}"
model.hidden = [8]
training = {{ {"length = 1000, environments = 4, n_steps = 8, record_every = 500, checkpoint_every = 500" + training} }}
pruning = {{ {"rounds = 1, fraction = 0.3" + pruning} }}
"""


TOGETHER = f"""
seeds = 1
{member("algorithm", training=', algorithm = "awr"', pruning=', criterion = "snip"')}
{member("arm", arms=("winning", "random_rewound"))}
{member("criterion", pruning=', criterion = "product"')}
{member("environment", environment="Corridor-v0")}
[[suite.member]]
name = "model"
arms = ["winning"]
task = {{ kind = "language_model", source = "files", train = "text", valid = "text", test = "text" }}
model = {{ kind = "gru", embedding = 8, hidden = 8 }}
training = {{ length = 4, batch = 2, record_every = 2, checkpoint_every = 4 }}
pruning = {{ rounds = 1, keep = ["embedding"] }}

[suite]
name = "added"
"""
RINGS = """
seeds = 1
arms = ["winning", "random", "small_dense"]
task.kind = "rings"
training = { length = 6, batch = 50, record_every = 3, checkpoint_every = 3 }
pruning = { rounds = 1, fraction = 0.3, keep = ["norm"] }
rewinding.weights = 2
"""
FIT = ("algorithm", "arm", "criterion", "environment", "model", "view")
"""Those that can all be made at once."""


@pytest.fixture
def changed(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of the program with these changes applied."""
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("*.svg"))
        else:
            shutil.copy(ROOT / part, tmp_path / part)
    for name in request.param:
        subprocess.run(["git", "apply", CHANGES / f"{name}.diff"], cwd=tmp_path, check=True)
    return tmp_path


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, text=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(folder), "LTH_CACHE": str(folder / "cache")},
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


@pytest.mark.parametrize("name", sorted(path.stem for path in CHANGES.iterdir()))
def test_every_change_applies_to_the_program_as_it_is(name: str) -> None:
    assert name in (*FIT, "family")  # which are tried below
    subprocess.run(["git", "apply", "--check", CHANGES / f"{name}.diff"], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("changed", "experiments", "jobs"),
    [(FIT, TOGETHER, 5), (["family"], RINGS, 1)],
    indirect=["changed"],
    ids=["together", "family"],
)
def test_what_is_added_is_trained_audited_and_reported(changed: Path, experiments: str, jobs: int) -> None:
    (changed / "mine.toml").write_text(experiments)
    (changed / "text").write_text("a few words that are read again and again\n" * 40)
    run(changed, "ruff", "check", "lth_core", "lth_tui")
    run(changed, "ruff", "format", "--check", "lth_core", "lth_tui")
    out = run(changed, "lth_core.cli", "headless", "mine.toml", "--device", "cpu", "--slots", "1")
    assert out.count(", 0 failed") == jobs


@pytest.mark.parametrize("changed", [["view"]], indirect=True)
def test_a_view_of_the_workbench_that_is_added_is_reached_by_its_key(changed: Path) -> None:
    run(changed, "pytest", "tests/tui/test_tui_job.py", "-k", "views_by_number", "-p", "no:cacheprovider")
