"""Faults of files: a bit flipped, an end cut off, taken away."""

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.faults.pairs.fault import Fault, NothingHurt
from tests.faults.pairs.scene import Scene, contents

DAMAGE = (
    r"damaged|changed|nothing in the records|checksum|cannot be read|does not match|is gone|is missing|No such file"
    r"|not there|left out|not what was written|^and \d+ more$"
)
DATABASE = r"malformed|not a database|damaged|database|lth doctor"


def flip(scene: Scene, path: Path) -> str:
    """Flip a bit of a file; half the time near its end, where what was written last is."""
    content = bytearray(path.read_bytes())
    if not content:
        raise NothingHurt(f"{path.name} is empty")
    near = max(0, len(content) - 600) if scene.moments.random() < 0.5 else 0
    place, bit = scene.moments.randrange(near, len(content)), scene.moments.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return f"bit {bit} of byte {place} of {path.relative_to(scene.run.workspace)}"


def cut(scene: Scene, path: Path) -> str:
    """Cut off a part of a file's end."""
    size = path.stat().st_size
    if not size:
        raise NothingHurt(f"{path.name} is empty")
    left = scene.moments.randrange(size)
    with path.open("rb+") as file:
        file.truncate(left)
    return f"{path.relative_to(scene.run.workspace)} cut from {size} to {left} bytes"


def _to_one_of(pattern: str, how: Callable[[Scene, Path], str]) -> Callable[[Scene], str]:
    def inject(scene: Scene) -> str:
        found = scene.files(pattern)
        if not found:
            raise NothingHurt(f"there is no {pattern}")
        return how(scene, scene.moments.choice(found))

    return inject


def _hurt(name: str, pattern: str, how: Callable[[Scene, Path], str] = flip, says: str = DAMAGE) -> Fault:
    return Fault(name, _to_one_of(pattern, how), contents, when="killed", says=says, needs=pattern)


def _delete_database(scene: Scene) -> str:
    found = scene.files("workspace.sqlite*")
    for path in found:
        path.unlink()
    return f"{len(found)} files of the database deleted"


def _take_away(scene: Scene, path: Path) -> str:
    aside = scene.folder / f"taken-{scene.moments.randrange(10**9)}"
    shutil.move(path, aside)
    return f"{path.relative_to(scene.run.workspace)} moved out of the workspace"


def _folders(scene: Scene) -> list[Path]:
    return scene.files("batches/*/attempt-*")


def _inodes(scene: Scene) -> list[tuple[Path, int]]:
    return [(path, path.stat().st_ino) for path in scene.files("batches/*")] + [
        (path, path.stat().st_ino) for path in _folders(scene)
    ]


CHECKPOINT = "batches/*/attempt-*/step-*.safetensors"
RECORDS = "batches/*/attempt-*/records.jsonl"
EVENTS = "tensorboard/**/events.out.tfevents.*"
FAULTS = [
    _hurt("bit of spec.json", "batches/*/spec.json"),
    _hurt("bit of exit.json", "batches/*/attempt-*/exit.json"),
    _hurt("bit of current", "batches/*/current"),
    _hurt("bit of a checkpoint", CHECKPOINT, says=""),
    _hurt("checkpoint cut", CHECKPOINT, cut, says=""),
    _hurt("bit of a result's tensors", "batches/*/attempt-*/trial-*.safetensors"),
    _hurt("bit of a record", RECORDS),
    _hurt("records cut", RECORDS, cut),
    _hurt("bit of a TensorBoard file", EVENTS),
    _hurt("bit of the database", "workspace.sqlite", says=f"{DATABASE}|{DAMAGE}"),
    _hurt("database cut", "workspace.sqlite", cut, says=f"{DATABASE}|{DAMAGE}"),
    Fault("database deleted", _delete_database, contents, when="killed", says=DATABASE, needs="workspace.sqlite"),
    Fault(
        "batch's folder taken away", _to_one_of("batches/[0-9]*", _take_away), _inodes, says=DAMAGE,
        needs="batches/[0-9]*",
    ),
    Fault(
        "attempt's folder taken away", _to_one_of("batches/[0-9]*/attempt-*", _take_away), _inodes, says=DAMAGE,
        needs="batches/[0-9]*/attempt-*",
    ),
]  # fmt: skip
