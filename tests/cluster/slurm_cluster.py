"""A real Slurm of one's own on this machine: a controller and several nodes on loopback, in a temporary folder.

    python -m tests.cluster.slurm_cluster [--nodes N]     # prints the settings for a shell, until Ctrl-C

Needs the Debian packages slurmctld, slurmd, slurm-client and munge, and neither systemd nor a database.
"""

import argparse
import contextlib
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
PACKAGES = "slurmctld slurmd slurm-client munge"

_CONFIG = """
ClusterName=lth
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=6
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,sched_min_interval=100000,batch_sched_delay=0
SlurmdParameters=config_overrides
SlurmctldParameters=preempt_send_user_signal
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
MpiDefault=none
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=8
InactiveLimit=0
KillWait=15
MinJobAge=300
MessageTimeout=5
MaxArraySize=1001
MaxJobCount={most_jobs}
SwitchType=switch/none
{nodes}
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=20
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def missing() -> list[str]:
    """Programs that the test cluster needs and this machine lacks."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


def lacking() -> str:
    """Nothing, or what is missing and where to get it, as a sentence."""
    if not missing():
        return ""
    return (
        f"Slurm is missing on this machine: there is no {', no '.join(missing())}. "
        f"On Debian: apt install {PACKAGES}"
    )  # fmt: skip


class SlurmCluster:
    """Started by construction; `environment` is what makes Slurm's commands talk to it; `close` ends every daemon."""

    def __init__(self, folder: Path, nodes: int = 3, most_jobs: int = 200, cpus: int = 1) -> None:
        self.folder = folder
        self.names = [f"n{i + 1}" for i in range(nodes)]
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self.environment["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin"
        self._configure(most_jobs, cpus)
        try:
            self._start_munge()
            self.start_controller()
            for name in self.names:
                self.start_node(name)
            self.until(lambda: self.idle() == len(self.names), "the nodes are idle")
        except BaseException:
            self.close()
            raise

    def _configure(self, most_jobs: int, cpus: int) -> None:
        ports = _free_ports(1 + len(self.names))
        lines = [
            f"NodeName={name} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={port} CPUs={cpus}"
            for name, port in zip(self.names, ports[1:], strict=True)
        ]
        (self.folder / "state").mkdir()
        for name in self.names:
            (self.folder / f"spool-{name}").mkdir()
        text = _CONFIG.format(
            host=socket.gethostname(), controller=ports[0], user=getpass.getuser(), folder=self.folder,
            most_jobs=most_jobs, nodes="\n".join(lines),
        )  # fmt: skip
        (self.folder / "slurm.conf").write_text(text)

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        parts = {"socket": "munge.socket", "key-file": "munge.key", "log-file": "munged.log",
                 "pid-file": "munged.pid", "seed-file": "munged.seed"}  # fmt: skip
        options = [f"--{option}={self.folder / name}" for option, name in parts.items()]
        self._spawn("munged", ["munged", "--foreground", "--force", *options])
        self.until(lambda: (self.folder / "munge.socket").exists(), "munge listens")

    def start_controller(self) -> None:
        """Start the controller; it goes on from its saved state."""
        self._spawn("slurmctld", ["slurmctld", "-D"])
        self.until(lambda: self.run("scontrol", "ping", check=False).returncode == 0, "the controller answers")

    def stop_controller(self) -> None:
        """Kill the controller; nodes and their jobs go on."""
        self._kill("slurmctld")

    def restart_with(self, **settings: int) -> None:
        """Start the controller anew with other values of its configuration."""
        self.stop_controller()
        path = self.folder / "slurm.conf"
        kept = [line for line in path.read_text().splitlines() if line.partition("=")[0] not in settings]
        path.write_text("\n".join([*(f"{name}={value}" for name, value in settings.items()), *kept, ""]))
        self.start_controller()
        self.until(lambda: self.idle() == len(self.names), "the nodes are idle")

    def start_node(self, name: str) -> None:
        """Start a node's daemon."""
        self._spawn(name, ["slurmd", "-D", "-N", name])

    def kill_node(self, name: str) -> None:
        """Kill a node as a power cut would: its daemon, and everything that runs below it, before it can report."""
        steps, jobs = self._processes(name)
        self._kill(name)
        for process in [*steps, *jobs]:
            process.kill()
        psutil.wait_procs([*steps, *jobs], timeout=5)

    def _processes(self, node: str = "") -> tuple[list[psutil.Process], list[psutil.Process]]:
        """Slurm's own processes that keep jobs, and the jobs', of one node or of all."""
        steps, jobs = [], []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                # Raw: slurmstepd overwrites the beginning of its environment with its title.
                environment = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
                if f"SLURM_CONF={self.folder}/slurm.conf".encode() not in environment or process.pid == os.getpid():
                    continue
                if process.name() == "slurmstepd":
                    logs = [Path(file.path).name for file in process.open_files()]
                    if not node or f"slurmd-{node}.log" in logs:
                        steps.append(process)
                elif any(entry.startswith(b"SLURM_JOB_ID=") for entry in environment) and (
                    not node or f"SLURMD_NODENAME={node}".encode() in environment
                ):
                    jobs.append(process)
        return steps, jobs

    def idle(self) -> int:
        """Nodes with nothing to do."""
        listing = self.run("sinfo", "-h", "-N", "-p", "low", "-o", "%T", check=False).stdout
        return listing.split().count("idle")

    def run(self, *command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run one of Slurm's commands against this cluster."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=check
        )  # fmt: skip

    def queue(self) -> list[list[str]]:
        """Id, name, state, reason and node of every job, ended ones too."""
        listing = self.run("squeue", "-h", "-r", "--states=all", "-o", "%i|%j|%T|%r|%N").stdout
        return [line.split("|") for line in listing.splitlines()]

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
        """Wait for something; RuntimeError with the controller's last words where it does not come."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                log = self.folder / "slurmctld.log"
                tail = log.read_text()[-1500:] if log.exists() else "no log"
                raise RuntimeError(f"waited {seconds:.0f} s for this: {what}\n{tail}")
            time.sleep(0.05)

    def close(self) -> None:
        """Cancel all jobs and end every daemon, and what is left of theirs."""
        if "slurmctld" in self._daemons and self._daemons["slurmctld"].poll() is None:
            self.run("scancel", "--signal=KILL", "--full", "--user", getpass.getuser(), check=False)
        for name in list(self._daemons):
            self._kill(name)
        steps, jobs = self._processes()
        for process in [*steps, *jobs]:
            process.kill()
        psutil.wait_procs([*steps, *jobs], timeout=5)

    def _spawn(self, name: str, command: list[str]) -> None:
        program = shutil.which(command[0], path=self.environment["PATH"]) or command[0]
        with (self.folder / f"{name}.out").open("ab") as output:
            self._daemons[name] = subprocess.Popen(
                [program, *command[1:]], env=self.environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def _kill(self, name: str) -> None:
        process = self._daemons.pop(name)
        process.send_signal(signal.SIGTERM if name == "munged" else signal.SIGKILL)
        process.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def main() -> int:
    """Run a cluster until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="only say what is missing here")
    options = parser.parse_args()
    if lacking():
        sys.stderr.write(f"{lacking()}\n")
        return 2
    if options.check:
        return 0
    with tempfile.TemporaryDirectory(prefix="lth-slurm-") as folder:
        started = time.monotonic()
        cluster = SlurmCluster(Path(folder), options.nodes)
        try:
            sys.stdout.write(f"# {options.nodes} nodes up after {time.monotonic() - started:.1f} s; Ctrl-C ends them\n")
            sys.stdout.write(f"export SLURM_CONF={folder}/slurm.conf\n")
            sys.stdout.flush()
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            signal.pause()
        except KeyboardInterrupt:
            pass
        finally:
            cluster.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
