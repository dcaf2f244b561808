"""A bundle that somebody edits: its files, with manifest, checksums and, if wanted, results made to fit again."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lth_core.batches.sealed import sealed
from lth_core.bundle.archive import Archive, write_archive
from lth_core.bundle.derived import derived
from lth_core.bundle.engine_facts import JobFacts
from lth_core.bundle.manifest import NAME, Listed, Manifest, read_manifest
from lth_core.bundle.rebuilt import rebuilt
from lth_core.bundle.write import place_batches
from lth_core.experiment.experiment import Experiment
from lth_core.store.record_lines import content_of, record_of
from lth_core.store.records import body

Json = dict[str, Any]


class Forger:
    """The files of a bundle, to be changed."""

    def __init__(self, path: Path) -> None:
        archive = Archive(path)
        self.manifest, _ = read_manifest(archive)
        self.files = {name: archive.read(name) for name in archive.sizes if name != NAME}
        archive.close()

    def json(self, name: str, change: Callable[[Json], object]) -> None:
        """Change a JSON file; one with a checksum gets its new one."""
        fields = json.loads(self.files[name])
        change(fields)
        fields = sealed(fields) if "checksum" in fields else fields
        self.files[name] = json.dumps(fields, indent=1).encode()

    def records(self, change: Callable[[list[Json]], list[Json] | None], ending: str = "records.jsonl") -> None:
        """Change the records of every attempt; each line gets its new checksums."""
        for name, content in self.files.items():
            if name.endswith(ending):
                records = [record_of(line) for line in content.splitlines()]
                changed = change(records)
                kept = records if changed is None else changed
                self.files[name] = content_of(body(record) for record in kept)

    def experiment(self, job: int, change: Callable[[Json], object]) -> None:
        """Change a job's experiment wherever it stands, its identity too."""
        name = f"jobs/{job:04d}/experiment.json"
        self.json(name, change)
        made = Experiment.from_json(self.files[name].decode())
        self.json(f"jobs/{job:04d}/job.json", lambda facts: facts.update(identity=made.identity, name=made.name))
        for spec in [one for one in self.files if one.endswith("spec.json")]:
            if json.loads(self.files[spec])["job"] == job:
                self.json(spec, lambda fields: fields.update(experiment=json.loads(made.canonical())))

    def renamed(self, old: str, new: str) -> None:
        """Move files whose names hold a word."""
        self.files = {name.replace(old, new): content for name, content in self.files.items()}

    def results_again(self) -> None:
        """Compute tables, answers and cards again from what the records say now."""
        jobs = [JobFacts.model_validate_json(self.files[f"jobs/{job:04d}/job.json"]) for job in self.manifest.jobs]
        with tempfile.TemporaryDirectory() as folder:
            place_batches(self.files, Path(folder))
            with rebuilt(Path(folder), jobs) as found:
                self.files |= derived(found.database, jobs, self.manifest.suite)

    def save(self, path: Path, **fields: Any) -> Path:
        """Write the bundle with a manifest that fits."""
        listed = {
            name: Listed(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
            for name, content in self.files.items()
        }
        held = self.manifest.model_dump() | {"files": listed} | fields
        contents = {NAME: Manifest(**held).content(), **dict(sorted(self.files.items()))}
        write_archive(path, ((name, len(one), lambda one=one: iter((one,))) for name, one in contents.items()))  # type: ignore[misc]
        return path
