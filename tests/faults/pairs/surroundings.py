"""Faults of what is around a job: disk, clock, place, text, environment, versions, slots, output."""

import os

from tests.faults.pairs.fault import Fault, NothingHurt, Unnamed
from tests.faults.pairs.scene import Scene
from tests.faults.runs import HANG


def _fill_disk(scene: Scene) -> str:
    if scene.disk is None:
        raise NothingHurt("mounting a small filesystem is not permitted here")
    with (scene.disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 65536)
        except OSError:
            pass
    return "the disk filled"


def _free(scene: Scene) -> int:
    """A trace: megabytes that are free."""
    return 0 if scene.disk is None else os.statvfs(scene.disk).f_bavail * os.statvfs(scene.disk).f_frsize // 2**20


def _empty_disk(scene: Scene) -> None:
    if scene.disk is not None:
        (scene.disk / "filler").unlink(missing_ok=True)


def _turn_clock(scene: Scene) -> str:
    hours = scene.moments.choice([-48, -2, 2, 48])
    new = scene.clock.with_name("clock.new")
    new.write_text(str(3600 * hours + int(float(scene.clock.read_text()))))
    new.replace(scene.clock)
    return f"the clock set by {hours:+d} h"


def _move(scene: Scene) -> str:
    """The engine must end with a sentence, its workers leave, and the old place stay empty."""
    run, old = scene.run, scene.run.workspace
    process = run.process
    if process is None or process.poll() is not None:
        raise NothingHurt("nothing runs in the workspace")
    new = old.with_name(f"moved-{scene.moments.randrange(10**9)}")
    old.rename(new)
    code, said = process.wait(timeout=HANG), scene.news()
    run.until(lambda: not run.workers())
    run.workspace = new
    if code != 2 or "Traceback" in said or "was moved or removed" not in said:
        raise Unnamed(f"moved, it ended with {code}: {said[-300:]}")
    if old.exists():
        raise Unnamed("the old place was made again")
    run.process = None
    return "the workspace moved: exit code 2, 'was moved or removed while it ran'"


def _change_text(scene: Scene) -> str:
    scene.text.with_name("train.kept").write_bytes(scene.text.read_bytes())
    lines = scene.text.read_text().splitlines()
    lines[scene.moments.randrange(len(lines))] = " ".join(["w7"] * 12)
    scene.text.write_text("\n".join(lines) + "\n")
    return "a line of train.txt changed"


def _restore_text(scene: Scene) -> None:
    kept = scene.text.with_name("train.kept")
    if kept.exists():
        kept.replace(scene.text)


def _misbehave(scene: Scene, what: str) -> str:
    """The next step of one environment of a worker does it, once."""
    new = scene.switch.with_name("switch.new")
    new.write_text(what)
    new.replace(scene.switch)
    scene.run.until(lambda: not scene.switch.exists() or scene.run.ended())
    if scene.switch.exists():
        raise NothingHurt("no environment was stepped any more")
    scene.misdeeds += 1
    return f"an environment {what}"


def _wrong(name: str, what: str, says: str) -> Fault:
    return Fault(
        name, lambda scene: _misbehave(scene, what), lambda scene: scene.misdeeds, job="environment", says=says
    )


def _other_version(scene: Scene) -> str:
    scene.set_fault(version=f"99.{scene.moments.randrange(10**6)}")
    return f"torch says that it is {scene.faults['version']}"


def _other_slots(scene: Scene) -> str:
    scene.run.slots = 3 - scene.run.slots
    return f"goes on with {scene.run.slots} slots"


def _unheard(scene: Scene, output: int) -> str:
    """A run whose output goes nowhere: it ends by itself, as if interrupted."""
    errors = scene.folder / "errors.txt"
    with errors.open("ab") as file:
        process = scene.run.start(output=output, errors=file.fileno())
    os.close(output)
    code = process.wait(timeout=HANG)
    said = errors.read_text()
    if code not in (130, 141) or "Traceback" in said:
        raise Unnamed(f"with output that goes nowhere it ended with {code}: {said[-300:]}")
    scene.run.process = None
    scene.unheard += 1
    return f"exit code {code} {said.strip().splitlines()[-1:]}"


def _full_device(scene: Scene) -> str:
    return "output to /dev/full: " + _unheard(scene, os.open("/dev/full", os.O_WRONLY))


def _closed_pipe(scene: Scene) -> str:
    reading, writing = os.pipe()
    os.close(reading)
    return "output to a closed pipe: " + _unheard(scene, writing)


FAULTS = [
    Fault("disk full", _fill_disk, _free, lasts=5, mend=_empty_disk, says="disk full"),
    Fault("clock set back or forward", _turn_clock, lambda scene: scene.clock.read_text()),
    Fault("workspace moved", _move, lambda scene: scene.run.workspace, says="was moved or removed"),
    Fault("text changed under the run", _change_text, lambda scene: scene.text.read_bytes(),
          says="other data|changed", job="text", mend=_restore_text),
    _wrong("environment that raises", "raises", "the simulator lost its physics"),
    _wrong("environment that calls sys.exit", "exits", "the simulator has left"),
    _wrong("environment that ends its process with 85", "ends", "ended with code 85"),
    Fault("goes on with another version", _other_version, lambda scene: scene.faults["version"], when="killed"),
    Fault("goes on with other slots", _other_slots, lambda scene: scene.run.slots, when="killed"),
    Fault("output to a full device", _full_device, lambda scene: scene.unheard, when="killed"),
    Fault("output to a closed pipe", _closed_pipe, lambda scene: scene.unheard, when="killed"),
]  # fmt: skip
