"""On a real Slurm: results equal the local run's bit for bit, and every fault ends in a stated outcome.

python -m pytest -m slurm tests/cluster
"""

import getpass
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lth_core.cli.headless import check_launchers
from lth_core.errors import InputError
from lth_core.store import views
from lth_core.store.database import Database
from tests.cluster.jobs import ON_SLURM, finished, long, on_cluster, short
from tests.cluster.slurm_cluster import SlurmCluster
from tests.engine.experiments import as_toml, digest, tiny

pytestmark = pytest.mark.slurm

BROKEN = """
from gymnasium.envs.classic_control import CartPoleEnv

class Broken(CartPoleEnv):
    def step(self, action):
        raise RuntimeError("it is broken")
"""


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The long experiment, run on this machine without interruption."""
    return finished(tmp_path_factory.mktemp("local"), long())


def test_the_short_experiment_equals_the_local_run_and_its_curves_are_live(
    cluster: SlurmCluster, tmp_path: Path
) -> None:
    reference = finished(tmp_path / "local", short())
    names = set()
    with on_cluster(tmp_path / "cluster", cluster) as c:
        c.r.submit(short(most_jobs=4))
        while c.r.state(1) not in ("done", "failed"):
            names |= {(line[0].partition("_")[0], line[1]) for line in cluster.queue()}
            assert len(c.jobs("RUNNING")) + len(c.jobs("PENDING")) <= 2 * 4, "those that are leaving included"
            time.sleep(1)
        c.until_state("done")
        assert c.attempts() == [1] * len(c.attempts())
        assert len(names) < len(c.attempts()), "batches go to the scheduler in arrays"
    assert digest(tmp_path / "cluster") == digest(reference)
    assert not list((tmp_path / "cluster" / "submissions").iterdir()), "nothing is left of what was submitted"


def test_a_node_that_dies_in_the_middle_costs_nothing(cluster: SlurmCluster, local: Path, tmp_path: Path) -> None:
    with on_cluster(tmp_path, cluster) as c:
        c.r.submit(long(poll_every=2))
        c.until_training()
        (job,) = c.jobs()
        cluster.kill_node(job[4])
        c.until_state("done", 400)
        assert c.said(f"its node {job[4]} failed"), [e.text for e in views.events(c.r.database)]
        assert max(c.attempts()) == 2
    assert digest(tmp_path) == digest(local)


def test_cancelling_from_outside_pauses_the_job_and_resume_goes_on(
    cluster: SlurmCluster, local: Path, tmp_path: Path
) -> None:
    with on_cluster(tmp_path, cluster) as c:
        c.r.submit(long(poll_every=2))
        c.until_training()
        (job,) = c.jobs()
        cluster.run("scancel", job[0])
        c.until_state("paused")
        assert c.said(f"Slurm job {job[0]} was cancelled from outside")
        assert not c.jobs() and not c.jobs("PENDING"), "it does not go on against somebody's will"
        c.r.ask("resume", job=1)
        c.until_state("done")
    assert digest(tmp_path) == digest(local)


def test_preempted_jobs_leave_with_a_checkpoint_and_go_on(cluster: SlurmCluster, local: Path, tmp_path: Path) -> None:
    with on_cluster(tmp_path, cluster) as c:
        c.r.submit(long(poll_every=2, partition="low"))
        c.until_training()
        cluster.run("sbatch", "--partition=high", "--nodes=3", "--exclusive", "--output=/dev/null", "--wrap=sleep 3")
        c.until_state("done")
        assert c.said("was preempted") or c.said("with a checkpoint"), [e.text for e in views.events(c.r.database)]
        assert max(c.attempts()) >= 2
        assert not c.r.database.rows("SELECT 1 FROM batches WHERE failures > 0"), "nobody's failure"
    assert digest(tmp_path) == digest(local)


def test_the_schedulers_warning_gives_a_new_job_and_the_same_bits(
    cluster: SlurmCluster, local: Path, tmp_path: Path
) -> None:
    with on_cluster(tmp_path, cluster) as c:
        c.r.submit(long(poll_every=2))
        c.until_training()
        (job,) = c.jobs()
        cluster.run("scancel", "--signal=USR2", job[0])  # what Slurm itself does near the limit
        c.until_state("done")
        assert c.said(f"Slurm job {job[0]} left near its time limit with a checkpoint")
        assert max(c.attempts()) == 2
    assert digest(tmp_path) == digest(local)


def test_a_time_limit_that_is_hit_is_passed_in_further_jobs(cluster: SlurmCluster, tmp_path: Path) -> None:
    with on_cluster(tmp_path, cluster) as c:
        # Slurm looks at time limits every half minute: the warning comes 30 to 60 s after the start.
        c.r.submit(long(50_000_000, poll_every=2, time_limit="2", warning=60))
        c.r.until(lambda: c.said("near its time limit with a checkpoint"), 150)
        before = c.steps()
        c.r.until(lambda: c.steps() > before, 150)
        assert c.attempts() == [2] and before > 0
        c.r.ask("cancel", job=1)
        c.r.until(lambda: not c.jobs() and not c.jobs("PENDING"), 60)


def test_a_controller_that_is_away_stops_nothing_that_runs(cluster: SlurmCluster, local: Path, tmp_path: Path) -> None:
    with on_cluster(tmp_path, cluster) as c:
        c.r.submit(long(poll_every=2))
        c.until_training()
        cluster.stop_controller()
        c.r.until(lambda: any(t.state == "done" for t in views.trials(c.r.database, 1)), 240)
        c.r.until(lambda: c.said("does not answer"), 60)
        assert c.r.state(1) == "running", "its next round waits"
        cluster.start_controller()
        c.until_state("done")
        assert c.said("answers again")
        assert not c.r.database.rows("SELECT 1 FROM batches WHERE failures > 0")
    assert digest(tmp_path) == digest(local)


def test_a_refused_job_is_paused_with_slurms_sentence(cluster: SlurmCluster, tmp_path: Path) -> None:
    cluster.run("scontrol", "update", "PartitionName=low", "State=INACTIVE")
    with on_cluster(tmp_path, cluster) as c:
        c.r.submit(short(most_jobs=4))
        c.until_state("paused", 120)
        assert c.said("Slurm refuses the job"), [e.text for e in views.events(c.r.database)]
        cluster.run("scontrol", "update", "PartitionName=low", "State=UP")
        c.r.ask("resume", job=1)
        c.r.until(lambda: bool(c.jobs()), 120)
        c.r.ask("cancel", job=1)
        c.r.until(lambda: not c.jobs() and not c.jobs("PENDING"), 60)


def test_a_full_queue_is_waited_for(cluster: SlurmCluster, tmp_path: Path) -> None:
    cluster.restart_with(MaxJobCount=2, MinJobAge=10)
    cluster.run("sbatch", "--hold", "--output=/dev/null", "--wrap=true")  # Slurm takes one fewer than it says
    with on_cluster(tmp_path, cluster) as c:
        c.r.submit(long(50_000_000, poll_every=2))
        time.sleep(10)
        assert c.r.state(1) == "running" and not c.jobs(), "it waits for a place in the queue"
        cluster.run("scancel", "--state=PENDING", "--user", getpass.getuser())
        c.r.until(lambda: bool(c.jobs()), 240)  # Slurm forgets ended jobs once a minute
        assert c.attempts() == [1]
        c.r.ask("cancel", job=1)
        c.r.until(lambda: not c.jobs() and not c.jobs("PENDING"), 60)


def test_jobs_outlive_the_engine_and_the_next_one_goes_on_with_them(
    cluster: SlurmCluster, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    longer = long(2_000_000)  # still at work some seconds after the engine was killed
    (tmp_path / "long.toml").write_text(as_toml(longer))
    command = [sys.executable, "-m", "lth_core.cli", "headless", "long.toml", "--device=cpu", "--slots=1", "--json",
               "--launcher=slurm", "--set=launcher.poll_every=2"]  # fmt: skip
    with (tmp_path / "out.txt").open("w") as output:
        first = subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=output)
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("workspace/batches/*/attempt-1/beat.json")):
            assert first.poll() is None and time.monotonic() < deadline, (tmp_path / "out.txt").read_text()
            time.sleep(0.1)
        (job,) = [line for line in cluster.queue() if line[2] == "RUNNING"]
        first.send_signal(signal.SIGKILL)
        first.wait()
        time.sleep(3)
        assert [line[0] for line in cluster.queue() if line[2] == "RUNNING"] == [job[0]], "it runs on by itself"
        assert subprocess.run(command, cwd=tmp_path, stdout=output, stderr=output, timeout=300).returncode == 0
    workspace = tmp_path / "workspace"
    database = Database(workspace / "workspace.sqlite", writer=False)
    assert [row["attempt"] for row in database.rows("SELECT attempt FROM batches")] == [1, 1], "nothing was redone"
    database.close()
    assert digest(workspace) == digest(finished(tmp_path_factory.mktemp("here"), longer))


def test_a_job_moves_to_the_cluster_in_the_middle(cluster: SlurmCluster, local: Path, tmp_path: Path) -> None:
    with on_cluster(tmp_path, cluster) as c:
        c.r.submit(long())
        c.until_training()
        c.r.ask("launch", job=1, launcher=long(poll_every=2).launcher.model_dump(mode="json"))
        c.r.until(lambda: bool(c.jobs()), 60)
        c.until_state("done")
        assert max(c.attempts()) == 2
    assert digest(tmp_path) == digest(local)


def test_a_killed_worker_is_told_from_its_folder(cluster: SlurmCluster, local: Path, tmp_path: Path) -> None:
    with on_cluster(tmp_path, cluster) as c:
        c.r.submit(long(poll_every=2))
        c.until_training()
        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or [])
            if "lth_core.worker.worker" in line and str(tmp_path) in line:
                process.kill()
        c.until_state("done")
        assert c.said("the worker was killed by signal 9")
    assert digest(tmp_path) == digest(local)


def test_pause_checkpoints_a_running_job_and_cancel_takes_it_away(cluster: SlurmCluster, tmp_path: Path) -> None:
    with on_cluster(tmp_path, cluster) as c:
        c.r.submit(long(50_000_000, poll_every=2))
        c.until_training()
        assert max(c.lag() for _ in range(5)) < 5, "curves are live"
        c.r.ask("pause", job=1)
        c.r.until(lambda: not c.r.database.rows("SELECT 1 FROM batches WHERE state = 'running'"), 60)
        assert list(tmp_path.rglob("step-*.safetensors")), "it left a checkpoint"
        c.r.until(lambda: not c.jobs(), 30)
        c.r.ask("resume", job=1)
        c.r.until(lambda: bool(c.jobs()), 60)
        c.r.ask("cancel", job=1)
        c.r.until(lambda: not c.jobs() and not c.jobs("PENDING"), 60)
        assert c.r.state(1) == "cancelled"


def test_the_users_command_is_told_within_seconds_that_jobs_on_the_cluster_are_done_or_have_failed(
    cluster: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    told.mkdir()
    tell = tmp_path / "tell"
    tell.write_text(f'#!/bin/sh\nfile=$(mktemp {told}/XXXXXX)\ncat > "$file.json"\n')
    tell.chmod(0o755)
    settings = tmp_path / "lth" / "workbench.toml"
    settings.parent.mkdir()
    settings.write_text(f'[notify]\ncommand = ["{tell}"]\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "broken.py").write_text(BROKEN)
    with on_cluster(tmp_path / "workspace", cluster) as c:
        c.r.submit(short(most_jobs=4))
        broken = tiny("broken", seeds=1, launcher=ON_SLURM, task={"environment": f"{tmp_path}/broken.py:Broken"})
        c.r.submit(broken)
        c.r.until(lambda: len(list(told.glob("*.json"))) >= 2, 300)  # while the engine is at work, not at its end
        batches = {row["id"]: row["job"] for row in c.r.database.rows("SELECT id, job FROM batches")}
    said = {path: json.loads(path.read_text()) for path in told.glob("*.json")}
    assert sorted((one["job"], one["event"]) for one in said.values()) == [(1, "done"), (2, "failed")]
    for path, one in said.items():
        ends = [exit for batch, job in batches.items() if job == one["job"]
                for exit in (tmp_path / "workspace").glob(f"batches/*{batch}/attempt-*/exit.json")]  # fmt: skip
        late = path.stat().st_mtime - max(exit.stat().st_mtime for exit in ends)
        print(f"{one['event']}: {late:.1f} s after the last worker's end")
        assert late < 30  # 5 s on a machine with nothing else to do


def test_resources_are_checked_before_anything_is_queued(cluster: SlurmCluster, tmp_path: Path) -> None:
    check_launchers([short(most_jobs=4)], tmp_path)
    for wrong in ({"partition": "nowhere"}, {"cpus": 512}, {"gpus": 1}):
        with pytest.raises(InputError, match="launcher: Slurm refuses such a job: "):
            check_launchers([short(**wrong)], tmp_path)
    cluster.stop_controller()
    check_launchers([short(most_jobs=4)], tmp_path)  # it may be back when the first job is submitted
