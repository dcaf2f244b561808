"""The specifications from which a lost database is rebuilt: those that are valid and do not contradict each other."""

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from lth_core.batches.batch import BatchFolder, BatchSpec
from lth_core.experiment.plan import TrialKey, plan
from lth_core.store.nonsense import NONSENSE
from lth_core.store.workspace import Workspace
from lth_core.text import one_line

_FOLDER = re.compile(r"[0-9]{6,12}")
LARGEST = 10**12
"""Largest accepted number of a batch, job or trial; SQLite can count far beyond it."""


def read_specs(workspace: Workspace) -> tuple[list[BatchSpec], list[str]]:
    """Specifications in the order of the batches, and a sentence for each one left out."""
    left_out: list[str] = []
    sound = list(_sound(workspace, left_out))
    return _agreeing(workspace, sound, left_out), left_out


def take_back(workspace: Workspace) -> list[str]:
    """Rename folders that earlier versions set aside back to their number; a sentence for each that cannot be.

    All of a job or none: if one of its numbers is taken, all its folders stay, to be read together.
    """
    jobs: dict[object, list[Path]] = {}
    for folder in set_aside(workspace):
        jobs.setdefault(_job_of(folder), []).append(folder)
    left = []
    for own in jobs.values():
        first: dict[Path, Path] = {}
        for folder in own:
            first.setdefault(folder.with_name(folder.name.partition(".")[0]), folder)
        taken = [number.name for number in first if os.path.lexists(number)]
        for number, folder in first.items() if not taken else ():
            folder.rename(number)
        why = f"another batch has the number {taken[0]}" if taken else "so was one of its number before"
        rest = own if taken else [folder for folder in own if folder not in first.values()]
        left += [f"{folder.name}: was set aside, and {why}: left as it is" for folder in rest]
    return left


def _job_of(folder: Path) -> object:
    """A key that folders of one job share; the folder itself if its specification cannot be read."""
    try:
        spec = BatchFolder(folder).spec()
    except (OSError, *NONSENSE):
        return folder
    return spec.job, spec.experiment.identity


def set_aside(workspace: Workspace) -> list[Path]:
    """Folders of batches that earlier versions set aside."""
    return [
        folder
        for folder in sorted(workspace.batches.glob("*.aside-*"))
        if _FOLDER.fullmatch(folder.name.partition(".")[0])
        and not folder.is_symlink()
        and (folder / "spec.json").is_file()
    ]


def how_to_read(aside: list[Path], workspace: Workspace) -> str:
    """The shell command that reads these folders in a workspace of their own, where their numbers are free."""
    own = workspace.folder.with_name(f"{workspace.folder.name}-aside")
    moved = f"{shlex.quote(str(workspace.batches))}/*.aside-*"
    into = shlex.quote(str(own / "batches"))
    many = "a folder" if len(aside) == 1 else f"{len(aside)} folders"
    repair = f"lth doctor --repair --workspace {shlex.quote(str(own))}"
    return (
        f"{many} in batches that an earlier version set aside, untouched: `mkdir -p {into} && mv {moved} {into} && "
        f"{repair}` makes a workspace of what is in there"
    )


def without_checksum(workspace: Workspace, specs: list[BatchSpec]) -> str:
    """A sentence on specifications without a checksum; empty if there are none."""
    found = [spec.batch for spec in specs if not BatchFolder(workspace.batch(spec.batch)).spec_is_sealed]
    if not found:
        return ""
    named = ", ".join(f"{number:06d}" for number in found[:5]) + (" ..." if len(found) > 5 else "")
    what = "specification was" if len(found) == 1 else "specifications were"
    return f"{len(found)} {what} written by an earlier version, without a checksum, and accepted unchecked: {named}"


def _sound(workspace: Workspace, left_out: list[str]) -> Iterable[BatchSpec]:
    for folder in sorted(workspace.batches.iterdir(), key=lambda path: path.name):
        if not _FOLDER.fullmatch(folder.name) or folder.is_symlink():
            continue
        try:
            yield _read(workspace, folder)
        except (OSError, *NONSENSE) as error:
            left_out.append(f"{folder.name}/spec.json: {one_line(error, 120)}")


def _read(workspace: Workspace, folder: Path) -> BatchSpec:
    """Read a folder's specification; raises OSError or NONSENSE if it has no valid one of its own."""
    if (folder / "spec.json").exists() and not (folder / "spec.json").is_file():
        raise ValueError("is no file")
    spec = BatchFolder(folder).spec()
    numbers = [("batch", spec.batch), ("job", spec.job), *(("trial", trial.id) for trial in spec.trials)]
    for what, number in numbers:
        if type(number) is not int or not 0 < number <= LARGEST:
            raise ValueError(f"{what} {one_line(repr(number), 40)} is not a whole number from 1 to {LARGEST}")
    if folder.name != workspace.batch(spec.batch).name:
        raise ValueError(f"names batch {spec.batch}")
    if any(type(number) is not int for trial in spec.trials for number in (trial.key.round, trial.key.seed)):
        raise ValueError("a round or seed is not a whole number")
    if not spec.trials:
        raise ValueError("names no trial")
    planned = {trial.key for trial in plan(spec.experiment)}
    if not planned.issuperset(trial.key for trial in spec.trials):
        raise ValueError("names trials that its experiment lacks")
    workspace.inside(spec.tensorboard)
    return spec


def _agreeing(workspace: Workspace, specs: list[BatchSpec], left_out: list[str]) -> list[BatchSpec]:
    """A job has one experiment, a trial one number. Of two that contradict each other, drop the one without results."""
    experiments: dict[int, str] = {}
    trials: dict[int, tuple[int, TrialKey]] = {}
    numbers: dict[tuple[int, TrialKey], int] = {}
    kept = []
    for spec in sorted(specs, key=lambda spec: (not _has_results(workspace, spec), spec.batch)):
        pairs = [(trial.id, (spec.job, trial.key)) for trial in spec.trials]
        identity = spec.experiment.identity
        twice = len({number for number, _ in pairs}) < len(pairs) or len({trial for _, trial in pairs}) < len(pairs)
        if experiments.get(spec.job, identity) != identity:
            left_out.append(f"{spec.batch:06d}/spec.json: its experiment is not the one of job {spec.job}")
        elif twice or any(trials.get(n, t) != t or numbers.get(t, n) != n for n, t in pairs):
            left_out.append(f"{spec.batch:06d}/spec.json: its trials have other numbers than in other batches")
        else:
            experiments[spec.job] = identity
            trials.update(pairs)
            numbers.update((trial, number) for number, trial in pairs)
            kept.append(spec)
    return sorted(kept, key=lambda spec: spec.batch)


def _has_results(workspace: Workspace, spec: BatchSpec) -> bool:
    return any(workspace.batch(spec.batch).glob("attempt-*/trial-*.safetensors"))
