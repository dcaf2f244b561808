"""What a run is trained on changes under it, or its database goes: texts, caches, environments, batches' folders."""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lth_core.store import views
from tests.faults.runs import Run, assert_whole, short
from tests.warm.warm import ROOT

EXPERIMENT = """
name = "text"
seeds = 1
arms = ["winning"]
[task]
kind = "language_model"
source = "files"
train = "data/train.txt"
valid = "data/valid.txt"
test = "data/test.txt"
window = 8
[model]
embedding = 16
hidden = 16
[training]
length = 120
batch = 8
learning_rate = 1e-2
record_every = 40
checkpoint_every = 20
[pruning]
rounds = 1
[rewinding]
weights = 10
"""


def write(folder: Path, salt: int) -> None:
    """Three texts of random words."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(("train", "valid", "test")):
        draw = random.Random(10 * salt + number)
        lines = (" ".join(f"w{draw.randrange(40)}" for _ in range(12)) for _ in range(300))
        (folder / "data" / f"{part}.txt").write_text("\n".join(lines))


@pytest.fixture
def text_run(make_run: Callable[..., Run], tmp_path: Path) -> Callable[..., Run]:
    """Runs in folders of their own, each with a text under the same relative name."""
    (tmp_path / "text.toml").write_text(EXPERIMENT)

    def make(name: str, salt: int, cache: str) -> Run:
        environment = {"LTH_CACHE": str(tmp_path / cache)}
        run: Run = make_run(tmp_path / "text.toml", name=name, slots=1, environment=environment)
        write(run.folder, salt)
        return run

    return make


def _doctor(run: Run) -> str:
    command = [sys.executable, "-m", "lth_core.cli", "doctor", "--repair", f"--workspace={run.workspace}"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def _states(run: Run) -> dict[int, str]:
    with run.database() as database:
        return {job.id: job.state for job in views.jobs(database)}


@pytest.mark.slow
@pytest.mark.fault("a text that changes under a half-trained run")
def test_a_text_that_changes_under_a_run_is_another_experiment_and_the_half_trained_one_says_so(
    text_run: Callable[..., Run], seen: Any
) -> None:
    alone = {salt: text_run(f"alone-{salt}", salt, f"cache-{salt}") for salt in (1, 2)}
    for run in alone.values():
        run.finish()
    run = text_run("run", 1, "cache")
    run.start()
    run.until(lambda: bool(list(run.workspace.rglob("step-*.safetensors"))))
    run.kill()
    write(run.folder, 2)
    run.finish()
    assert run.digest(job=2) == alone[2].digest()
    assert _states(run) == {1: "failed", 2: "done"}
    assert all("data/test.txt: changed since the job was queued" in error for error in run.errors())
    write(run.folder, 1)
    run.finish()
    assert _states(run) == {1: "done", 2: "done"}
    assert run.digest() == alone[1].digest()
    seen("it fails with the file and both hashes; the same command is another job; put back, it goes on; same bits")


@pytest.mark.slow
@pytest.mark.fault("a cache that another folder of the same name has filled")
def test_two_projects_that_share_a_cache_and_their_names_share_nothing_else(
    text_run: Callable[..., Run], seen: Any
) -> None:
    alone = text_run("alone", 2, "cache-of-its-own")
    alone.finish()
    for name, salt in (("one", 1), ("two", 2)):
        run = text_run(name, salt, "shared")
        run.finish()
    assert run.digest() == alone.digest()
    seen("token files of its own; same bits as with a cache of its own")


@pytest.fixture
def registered() -> Iterator[None]:
    """The environment that changes, in this process too: experiments are resolved here."""
    import gymnasium

    gymnasium.register("Faulty-v0", "tests.faults.environment:Faulty", max_episode_steps=500)
    yield
    gymnasium.registry.pop("Faulty-v0")


@pytest.mark.slow
@pytest.mark.fault("an environment that changes under a run")
def test_an_environment_that_changes_under_a_run_fails_it_and_as_it_was_it_goes_on(
    make_run: Callable[..., Run], registered: None, seen: Any
) -> None:
    experiment = short(task={"environment": "Faulty-v0"})
    alone = make_run(experiment, name="alone", fault={"environment": "none"})
    alone.finish()
    run = make_run(experiment, slots=1, fault={"environment": "none"})
    run.start()
    run.until(lambda: bool(list(run.workspace.rglob("step-*.safetensors"))))
    run.kill()
    other = make_run(experiment, slots=1, fault={"environment": "heavier"}, workspace=run.workspace)
    other.finish(1)
    assert all(
        "Faulty-v0: first observations: differs from what this job was trained on" in error for error in other.errors()
    )
    run.finish()
    assert_whole(run, alone.digest())
    seen("its batch fails with both digests; with the environment as it was the same command goes on; same bits")


@pytest.mark.slow
@pytest.mark.fault("the database deleted")
@pytest.mark.parametrize("aside", [False, True], ids=["batches in place", "batches set aside"])
def test_a_deleted_database_is_refused_and_made_again(
    make_run: Callable[..., Run], left_alone: Any, seen: Any, aside: bool
) -> None:
    whole = left_alone()
    run = make_run()
    run.start()
    run.until(lambda: run.said("round 0 finished"))
    run.kill()
    for path in run.workspace.glob("workspace.sqlite*"):
        path.unlink()
    if aside:  # as earlier versions did
        for number, folder in enumerate(sorted((run.workspace / "batches").iterdir())):
            folder.rename(folder.with_name(f"{folder.name}.aside-{number}"))
    run.finish(2)
    assert "`lth doctor --repair` rebuilds it" in run.output.read_text()
    assert not list(run.workspace.glob("batches/*/attempt-2"))
    _doctor(run)
    run.finish()
    assert run.digest() == whole  # checkpoints of a batch that had just ended may stay: gc finds them
    seen("exit code 2, nothing trained; repaired, the same command goes on from the checkpoints; same bits")


@pytest.mark.slow
@pytest.mark.fault("folders set aside whose numbers another job has")
def test_batches_that_were_set_aside_and_lost_their_numbers_become_a_workspace(
    make_run: Callable[..., Run], left_alone: Any, seen: Any
) -> None:
    run = make_run()
    run.finish()
    other = make_run(short("other", seeds=1, training={"length": 19_000}), name="other")
    other.finish()
    for folder in (run.workspace / "batches").iterdir():
        folder.rename(other.workspace / "batches" / f"{folder.name}.aside-1")
    commands = _doctor(other).partition("untouched: `")[2].partition("` makes")[0]
    typed = commands.replace("lth doctor", f"{sys.executable} -m lth_core.cli doctor")
    subprocess.run(["sh", "-c", typed], check=True, cwd=ROOT)
    run.workspace = other.workspace.with_name("workspace-aside")
    assert run.digest() == left_alone()
    seen("named, with the commands that make a workspace of them; all results there")
