"""Faults of processes: killed, told to end, frozen, two at once, and none to be had."""

import os
import resource
import signal
from pathlib import Path

import psutil

from tests.faults.pairs.fault import Fault, NothingHurt, Unnamed
from tests.faults.pairs.scene import Scene, processes
from tests.faults.runs import HANG


def _engine(scene: Scene) -> psutil.Process:
    if not scene.alive() or scene.run.process is None:
        raise NothingHurt("no process of the command runs")
    return psutil.Process(scene.run.process.pid)


def _worker(scene: Scene) -> psutil.Process:
    found = sorted(scene.run.workers(), key=lambda one: one.pid)
    if not found:
        raise NothingHurt("no worker runs")
    return scene.moments.choice(found)


def _kill_engine(scene: Scene) -> str:
    _engine(scene).kill()
    scene.over()
    return "SIGKILL to the engine; its workers leave by themselves"


def _kill_worker(scene: Scene) -> str:
    worker = _worker(scene)
    worker.kill()
    scene.run.until(lambda: worker.pid not in processes(scene))
    return "SIGKILL to a worker"


def _kill_everything(scene: Scene) -> str:
    _engine(scene)
    scene.run.kill()
    scene.run.process = None
    return "SIGKILL to everything"


def _interrupt(scene: Scene) -> str:
    engine, times = _engine(scene), scene.moments.randint(1, 3)
    for _ in range(times):
        engine.send_signal(signal.SIGINT)
    _left(scene)
    return f"{times} Ctrl-C in a burst: exit code 130"


def _tell_engine(scene: Scene) -> str:
    number = scene.moments.choice([signal.SIGTERM, signal.SIGHUP])
    _engine(scene).send_signal(number)
    _left(scene)
    return f"{number.name}: exit code 130"


def _left(scene: Scene) -> None:
    process = scene.run.process
    assert process is not None
    code = process.wait(timeout=HANG)
    said = scene.news()
    if code != 130 or "Traceback" in said or scene.run.workers():
        raise Unnamed(f"asked to leave, it ended with {code}: {said[-300:]}")
    scene.run.process = None


def _tell_worker(scene: Scene) -> str:
    worker, number = _worker(scene), scene.moments.choice([signal.SIGTERM, signal.SIGUSR2])
    worker.send_signal(number)
    scene.run.until(lambda: worker.pid not in processes(scene))
    return f"{number.name} to a worker"


def _freeze_engine(scene: Scene) -> str:
    engine = _engine(scene)
    engine.suspend()
    scene.run.until(lambda: processes(scene).get(engine.pid) == "stopped")
    return "the engine frozen"


def _freeze_worker(scene: Scene) -> str:
    worker = _worker(scene)
    worker.suspend()
    scene.run.until(lambda: processes(scene).get(worker.pid) == "stopped")
    return "a worker frozen"


def _thaw(scene: Scene) -> None:
    for pid, state in processes(scene).items():
        if state == "stopped":
            os.kill(pid, signal.SIGCONT)


def _second_engine(scene: Scene) -> str:
    """A second process of the same command; the first one is killed when that one follows it.

    Its workers are frozen meanwhile, or they might be done.
    """
    first, process = _engine(scene), scene.run.process
    assert process is not None
    for worker in scene.run.workers():
        worker.suspend()
    followers = scene.run.output.read_text().count("following it")
    scene.run.start()
    scene.run.until(
        lambda: scene.run.output.read_text().count("following it") > followers or process.poll() is not None
    )
    if process.poll() is not None:
        raise NothingHurt("the first engine had ended before the second one came")
    first.kill()
    process.wait()
    _thaw(scene)
    return "a second process follows the first one, which is killed"


def _no_descriptors(scene: Scene) -> str:
    """The engine may open nothing more, and has to start a worker."""
    engine, worker = _engine(scene), _worker(scene)
    taken = {int(name.name) for name in Path(f"/proc/{engine.pid}/fd").iterdir()}
    free = next(number for number in range(len(taken) + 1) if number not in taken)
    engine.rlimit(psutil.RLIMIT_NOFILE, (free, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    worker.kill()
    return f"no more than {free} open files, and a worker killed"


def _descriptors(scene: Scene) -> None:
    if scene.alive():
        _engine(scene).rlimit(psutil.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))


def _limit(scene: Scene) -> object:
    return _engine(scene).rlimit(psutil.RLIMIT_NOFILE) if scene.alive() else None


def _no_processes(scene: Scene) -> str:
    """No process can be started, and a worker has to be."""
    scene.processes.touch()
    _worker(scene).kill()
    return "no new processes, and a worker killed"


FAULTS = [
    Fault("SIGKILL of the engine", _kill_engine, processes),
    Fault("SIGKILL of a worker", _kill_worker, processes),
    Fault("SIGKILL of everything", _kill_everything, processes),
    Fault("Ctrl-C once to three times", _interrupt, processes),
    Fault("SIGTERM or SIGHUP", _tell_engine, processes),
    Fault("SIGTERM or SIGUSR2 to a worker", _tell_worker, processes),
    Fault("engine frozen", _freeze_engine, processes, lasts=3, mend=_thaw),
    Fault("worker frozen", _freeze_worker, processes, lasts=3, mend=_thaw),
    Fault("two engines, the first one killed", _second_engine, processes),
    Fault("no more open files", _no_descriptors, _limit, lasts=4, mend=_descriptors,
          says="open files|Too many open files"),
    Fault("no more processes", _no_processes, lambda scene: scene.processes.exists(), lasts=4,
          mend=lambda scene: scene.processes.unlink(missing_ok=True), says="temporarily unavailable"),
]  # fmt: skip
