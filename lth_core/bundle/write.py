"""Makes a bundle: collects a job or a suite from the workspace, rebuilds it, and packs both with a manifest."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lth_core.bundle.agreement import disagreements, told
from lth_core.bundle.archive import write_archive
from lth_core.bundle.collect import Collected, collected, folder_of, pieces_of
from lth_core.bundle.derived import derived, same_results
from lth_core.bundle.manifest import NAME, Listed, MadeWith, Manifest
from lth_core.bundle.rebuilt import rebuilt
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.store.database import Database
from lth_core.store.views import JobView
from lth_core.store.workspace import Workspace

README = "README.txt"
_README = """\
Results of a lottery-ticket experiment, as `lth bundle` of lth-workbench {lth} wrote them.

    lth verify THIS_FILE              checks that its parts agree, and derives its tickets again
    lth verify THIS_FILE --trials 3   also trains three of its trials again

manifest.json      size and SHA-256 of every file
jobs/*/            experiment, protocol card (card.md), tables, answers, masks, and what the engine knew (job.json)
suite/             tables and answers of all jobs together, if they are a suite
batches/*/         what each batch trained, and the records of its workers; trained weights, if they are included
"""


@dataclass(frozen=True)
class Planned:
    """A bundle that can be written."""

    manifest: Manifest
    texts: dict[str, bytes]
    weights: dict[str, tuple[Path, str]]

    @property
    def size(self) -> int:
        """Bytes of all its files, unpacked."""
        return sum(one.bytes for one in self.manifest.files.values())

    @property
    def sha256(self) -> str:
        """Of its manifest: what a paper can quote."""
        return hashlib.sha256(self.manifest.content()).hexdigest()

    def write(self, path: Path) -> None:
        """Write the file; raises InputError if that fails, or there is one."""
        write_archive(path, self._members())

    def _members(self) -> Iterator[tuple[str, int, Callable[[], Iterator[bytes]]]]:
        content = self.manifest.content()
        yield NAME, len(content), _once(content)
        for name, listed in sorted(self.manifest.files.items()):
            reads = _once(self.texts[name]) if name in self.texts else pieces_of(self.weights[name][0])
            yield name, listed.bytes, reads


def planned(
    workspace: Workspace, database: Database, jobs: Sequence[JobView], suite: str | None, *, weights: bool
) -> Planned:  # fmt: skip
    """Everything but the file. Raises InputError for jobs that have not ended, or whose records and database differ."""
    found = collected(workspace, database, jobs, weights=weights)
    texts = found.texts | _derived(database, found, suite)
    made_with = MadeWith.here()
    texts[README] = _README.format(lth=made_with.lth).encode()
    files = {name: Listed(bytes=len(one), sha256=hashlib.sha256(one).hexdigest()) for name, one in texts.items()}
    files |= {name: Listed(bytes=path.stat().st_size, sha256=sha) for name, (path, sha) in found.weights.items()}
    name = suite if suite is not None else jobs[0].name
    manifest = Manifest(
        name=name, suite=suite, jobs=tuple(job.id for job in jobs), weights=weights, made_with=made_with, files=files
    )  # fmt: skip
    return Planned(manifest, texts, found.weights)


def _derived(database: Database, found: Collected, suite: str | None) -> dict[str, bytes]:
    """What follows from the collected files, computed from them alone."""
    with tempfile.TemporaryDirectory(prefix="lth-bundle-") as folder:
        place_batches(found.texts, Path(folder))
        with rebuilt(Path(folder), found.jobs) as remade:
            if remade.unreadable:
                raise InputError(f"{remade.unreadable[0]}; `lth doctor` says more")
            for job in found.jobs:
                same_results(database, remade.database, job.job)
                stated = Experiment.from_json(found.texts[f"{folder_of(job.job)}/experiment.json"].decode())
                for finding in disagreements(remade.database, told(remade, job, stated)):
                    if finding.state == "bad":
                        raise InputError(f"{finding.sentence}; `lth doctor` says more")
            return derived(remade.database, found.jobs, suite)


def place_batches(texts: dict[str, bytes], folder: Path) -> None:
    """Write the batches of a bundle into a workspace's folder, as they were there."""
    Workspace(folder).create()
    for name, content in texts.items():
        if name.startswith("batches/"):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _once(content: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: iter((content,))
