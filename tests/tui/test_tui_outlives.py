"""Jobs go on when the connection is lost: a closed terminal, a killed tmux server, a killed sshd session."""

import getpass
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tui_helpers import wait_for

from lth_core.engine.lease import Lease, LeaseHeld
from lth_core.engine.process import LINGER
from lth_core.experiment.file import resolve
from lth_core.store import commands, views
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace

ROOT = Path(__file__).parents[2]


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace in which a job of some twenty seconds has been asked for; whatever engine is left is ended."""
    workspace = Workspace(tmp_path / "ws")
    workspace.create()
    fields = {
        "name": "long", "seeds": 2, "arms": ["winning", "random"], "model": {"hidden": [16]},
        "training": {"length": 120_000, "environments": 4, "n_steps": 8, "record_every": 1000,
                     "checkpoint_every": 1000, "score": "training", "evaluation_episodes": 0},
        "pruning": {"rounds": 1, "fraction": 0.3},
    }  # fmt: skip
    with_database(
        workspace, lambda d: commands.ask(d, commands.Submit(experiment=resolve(fields, "t").canonical(), source="t"))
    )
    yield workspace
    pid = engine_of(workspace)
    if pid is not None:
        psutil.Process(pid).terminate()
        wait_for(lambda: engine_of(workspace) is None)


def with_database(workspace: Workspace, use: Callable[[Database], Any]) -> Any:
    database = Database(workspace.database, writer=True)
    try:
        return use(database)
    finally:
        database.close()


def beat(workspace: Workspace) -> float:
    """When the engine last showed that it is alive."""
    return float(with_database(workspace, lambda d: d.row("SELECT TOTAL(beat) FROM engine"))[0])


def engine_of(workspace: Workspace) -> int | None:
    """The process that holds the lease."""
    try:
        Lease(workspace.lease).release()
    except LeaseHeld as held:
        return held.pid
    return None


def steps(workspace: Workspace) -> int:
    def count(database: Database) -> int:
        return sum(trial.step for job in views.jobs(database) for trial in views.trials(database, job.id))

    return with_database(workspace, count)


def goes_on_without(workspace: Workspace, cut: Callable[[], object]) -> None:
    """Wait until the job trains, cut the connection, see that the same engine goes on training."""
    wait_for(lambda: steps(workspace) > 0)
    engine = engine_of(workspace)
    assert engine is not None
    workers = {child.pid for child in psutil.Process(engine).children()}
    assert workers
    cut()
    screen = f"lth_tui {workspace.folder}"
    wait_for(lambda: not any(screen in " ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])))
    before = steps(workspace)
    wait_for(lambda: steps(workspace) > before + 2000)
    assert engine_of(workspace) == engine
    assert workers & {child.pid for child in psutil.Process(engine).children()}


def command(workspace: Workspace) -> str:
    words = ["env", f"PYTHONPATH={ROOT}", "TERM=xterm-256color", sys.executable, "-m", "lth_tui", str(workspace.folder)]
    return shlex.join([*words, "--device", "cpu", "--slots", "1"])


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_a_killed_tmux_leaves_the_jobs_running_and_the_next_workbench_shows_them(waiting: Workspace) -> None:
    tmux = ["tmux", "-L", f"lth-test-{os.getpid()}", "-f", "/dev/null"]

    def shown() -> str:
        return subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=False).stdout

    start = [*tmux, "new-session", "-d", "-x", "120", "-y", "40", command(waiting)]
    try:
        subprocess.run(start, check=True)
        wait_for(lambda: "engine ● here" in shown())
        goes_on_without(waiting, lambda: subprocess.run([*tmux, "kill-server"], check=True))
        subprocess.run(start, check=True)
        wait_for(lambda: "engine ● detached" in shown() and "running" in shown())
        subprocess.run([*tmux, "send-keys", "q"], check=True)
        wait_for(lambda: "keep running" in shown())
        subprocess.run([*tmux, "send-keys", "s"], check=True)  # stop at a checkpoint
        wait_for(lambda: engine_of(waiting) is None)
        jobs = with_database(waiting, views.jobs)
        assert [job.state for job in jobs] == ["running"] and jobs[0].trials_failed == 0  # goes on at the next start
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("sshd") is None, reason="openssh-server is not installed")
def test_a_killed_ssh_connection_leaves_the_jobs_running(waiting: Workspace, tmp_path: Path) -> None:
    server, port = start_sshd(tmp_path)
    try:
        client = ["ssh", "-tt", "-F", "none", "-i", str(tmp_path / "key"), "-p", str(port), "-o", "BatchMode=yes",
                  "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                  f"{getpass.getuser()}@127.0.0.1", f"stty rows 40 cols 120; {command(waiting)}"]  # fmt: skip
        ssh = subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 60
            while engine_of(waiting) is None and time.monotonic() < deadline:
                if ssh.poll() is not None:
                    assert ssh.stdout is not None
                    pytest.skip(f"sshd lets nobody in here: {ssh.stdout.read()[-200:]!r}")
                time.sleep(0.2)

            def cut() -> None:
                for child in psutil.Process(server.pid).children(recursive=False):
                    child.kill()  # the connection's own sshd: the client is not told

            goes_on_without(waiting, cut)
        finally:
            ssh.kill()
            ssh.wait()
    finally:
        server.terminate()
        server.wait(120)


def start_sshd(folder: Path) -> tuple["subprocess.Popen[bytes]", int]:
    """A server of our own on a free port, with keys of its own; only for the user who runs the tests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "authorized").write_text((folder / "key.pub").read_text())
    settings = {
        "ListenAddress": "127.0.0.1", "Port": port, "HostKey": folder / "host", "PidFile": folder / "pid",
        "AuthorizedKeysFile": folder / "authorized", "StrictModes": "no", "UsePAM": "no",
        "PasswordAuthentication": "no", "PubkeyAuthentication": "yes", "PermitRootLogin": "prohibit-password",
    }  # fmt: skip
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    program = shutil.which("sshd") or "sshd"
    server = subprocess.Popen(
        [program, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=(folder / "sshd.log").open("wb")
    )
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server, port
        time.sleep(0.1)
    server.kill()
    pytest.skip(f"sshd does not start here: {(folder / 'sshd.log').read_text()[-200:]}")


@pytest.mark.processes
def test_an_engine_that_nobody_looks_at_ends_when_nothing_is_left(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "ws")
    workspace.create()
    with_database(workspace, views.jobs)
    process = subprocess.Popen(
        [sys.executable, "-m", "lth_core.engine.process", str(workspace.folder), "--device", "cpu", "--slots", "1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    assert json.loads(process.stdout.readline())["pid"] == process.pid
    wait_for(lambda: beat(workspace) > 0)
    begun = beat(workspace)
    wait_for(lambda: beat(workspace) > begun + LINGER + 1)
    assert process.poll() is None  # while somebody looks, it waits for commands
    process.stdin.close()
    assert process.wait(120) == 0
