"""The faults that pairs are drawn from: alone, as rows of the matrix; and that a draw is repeatable and never empty."""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.pairs import draw
from tests.faults.pairs.draw import KINDS, Pair, Whole
from tests.faults.pairs.fault import Fault, NothingHurt
from tests.faults.pairs.scene import JobName, Scene, small_disk
from tests.faults.runs import Run

ENGINE = (
    "import signal, sys, time\nfor n in (1, 2, 15): signal.signal(n, lambda *_: sys.exit(130))\n"
    "print('ready', flush=True)\ntime.sleep(3600)"
)
OF_A_RUN = {
    "two engines, the first one killed", "workspace moved", "environment that raises",
    "environment that calls sys.exit", "environment that ends its process with 85", "output to a full device",
    "output to a closed pipe",
}  # fmt: skip
"""Kinds that need a run which goes on; they are tried alone in the slow rows."""


@pytest.fixture(scope="session")
def whole_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[JobName], Whole]:
    known: dict[str, Whole] = {}

    def found(job: JobName) -> Whole:
        if job not in known:
            known[job] = draw.undisturbed(tmp_path_factory.mktemp("undisturbed"), job)
        return known[job]

    return found


@pytest.mark.slow
@pytest.mark.fault("at a random moment")
@pytest.mark.parametrize("fault", KINDS, ids=lambda fault: fault.name)
def test_one_fault_at_a_random_moment(fault: Fault, whole_of: Any, tmp_path: Path, seen: Any) -> None:
    name = f"{random.SystemRandom().randrange(10**6)}"
    pair = Pair(name, (fault,))
    played = draw.play(pair, whole_of(pair.job), tmp_path)
    assert not played.wrong, f"moments {name}: {played.did} {played.outcome}"
    seen("; ".join([*played.did, played.outcome]))


def test_a_seed_draws_the_same_pairs() -> None:
    assert len(KINDS) >= 16 and len({fault.name for fault in KINDS}) == len(KINDS)
    pairs = draw.draw(7, 40)
    assert draw.draw(7, 40) == pairs and draw.draw(7, 5) == pairs[:5]
    assert draw.draw(8, 40) != pairs
    assert all({"environment", "text"} != {fault.job for fault in pair.faults} for pair in pairs)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A workspace as it looks to faults: its files, and processes that sleep in the place of engine and worker."""
    with small_disk(tmp_path / "disk") as disk:
        made = Scene(tmp_path / "run", "text", random.Random(1), disk)
        attempt = made.run.workspace / "batches" / "000001" / "attempt-1"
        events = made.run.workspace / "tensorboard" / "0001" / "events.out.tfevents.1"
        names = ("exit.json", "records.jsonl", "step-1.safetensors", "trial-1.safetensors")
        files = [attempt / name for name in names]
        files += [events, made.run.workspace / "workspace.sqlite"]
        files += [made.run.workspace / "batches" / "000001" / name for name in ("spec.json", "current")]
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("twenty bytes of text")
        yield made
        made.run.stop()


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Processes that only sleep: what is tested is that they are hurt."""
    started: list[subprocess.Popen[bytes]] = []

    def start(run: Run, **_: Any) -> "subprocess.Popen[bytes]":
        worker = [sys.executable, "-SEc", "import time; time.sleep(3600)", "lth_core.worker.worker", str(run.workspace)]
        started.append(subprocess.Popen(worker))
        with run.output.open("ab") as output:
            run.process = subprocess.Popen([sys.executable, "-SEc", ENGINE], stdout=output)
        run.until(lambda: run.said("ready") and bool(run.workers()))
        return run.process

    monkeypatch.setattr(Run, "start", start)
    yield
    for worker in started:
        worker.kill()
        worker.wait()


LEAVING = ("Ctrl-C once to three times", "SIGTERM or SIGHUP")


@pytest.mark.processes
@pytest.mark.usefixtures("asleep")
@pytest.mark.parametrize(
    "fault", [fault for fault in KINDS if fault.name not in OF_A_RUN], ids=lambda fault: fault.name
)
def test_each_injection_changes_something(fault: Fault, scene: Scene) -> None:
    if fault.name == "disk full" and scene.disk is None:
        pytest.skip("mounting a small filesystem is not permitted here")
    if fault.when == "running":
        scene.start()
    if fault.name in LEAVING:  # as from an engine, whose workers leave first
        for worker in scene.run.workers():
            worker.kill()
    assert fault.hurt(scene)
    fault.mend(scene)


@pytest.mark.processes
@pytest.mark.usefixtures("asleep")
@pytest.mark.parametrize("when", ["running", "killed"])
def test_a_pair_that_hurts_nothing_is_wrong(when: Any, tmp_path: Path) -> None:
    idle = Fault("nothing", lambda scene: "done", lambda scene: scene.clock.read_text(), when=when)
    played = draw.play(Pair("1/1", (idle, idle)), Whole({}, 0), tmp_path)
    assert played.wrong and "nothing has changed" in played.outcome


def test_what_is_not_there_cannot_be_hurt(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "cartpole", random.Random(1))
    for fault in KINDS:
        if fault.needs:
            with pytest.raises(NothingHurt):
                fault.hurt(scene)
