"""Checks a bundle, part by part: manifest, records, results, tables, answers, masks, tickets. Prints nothing."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from lth_core.bundle import manifest as manifests
from lth_core.bundle.agreement import Told, disagreements, limited, told
from lth_core.bundle.archive import Archive
from lth_core.bundle.collect import folder_of, mask_place
from lth_core.bundle.compare import differences
from lth_core.bundle.derived import CARD, derived
from lth_core.bundle.engine_facts import JobFacts
from lth_core.bundle.finding import Finding, Part, bad, good, note
from lth_core.bundle.manifest import MadeWith, Manifest, read_manifest
from lth_core.bundle.masks import counted
from lth_core.bundle.rebuilt import Rebuilt, rebuilt
from lth_core.bundle.write import README
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.invalid import reason
from lth_core.store.nonsense import NONSENSE
from lth_core.store.workspace import Workspace
from lth_core.text import one_line, plural


@dataclass(frozen=True)
class Opened:
    """A bundle whose manifest holds: its jobs, rebuilt in a workspace of its own."""

    archive: Archive
    manifest: Manifest
    folder: Path
    jobs: list[Told]
    rebuilt: Rebuilt


def manifest_findings(archive: Archive) -> tuple[Manifest, list[Finding]]:
    """The manifest, and whether each file is as it lists it; raises Refused if there is none."""
    manifest, sha256 = read_manifest(archive)
    digests = {name: archive.digest(name) for name in sorted(manifest.files.keys() & archive.sizes.keys())}
    wrong = manifests.differences(manifest, archive.sizes, digests)
    if wrong:
        return manifest, list(limited(bad("manifest", sentence) for sentence in wrong))
    said = f"{plural(len(manifest.files), 'file')} as listed; SHA-256 of the manifest: {sha256}"
    return manifest, [good("manifest", said)]


@contextmanager
def opened(archive: Archive, manifest: Manifest) -> Iterator[tuple[Opened | None, list[Finding]]]:
    """The jobs of a bundle whose manifest holds, rebuilt in a temporary folder; None if they cannot be read."""
    with tempfile.TemporaryDirectory(prefix="lth-verify-") as name:
        folder = Path(name)
        try:
            facts = [_facts(archive, manifest, job) for job in manifest.jobs]
            stated = [_stated(archive, job) for job in manifest.jobs]
        except (InputError, ValueError, RecursionError) as error:
            yield None, [bad("jobs", str(error))]
            return
        Workspace(folder).create()
        for member in archive.sizes:
            if member.startswith("batches/"):
                archive.unpack(member, folder / member)
        with rebuilt(folder, facts) as found:
            try:
                jobs = [told(found, one, other) for one, other in zip(facts, stated, strict=True)]
            except NONSENSE as error:
                yield None, [*_unreadable(found), bad("records", str(error))]
                return
            yield Opened(archive, manifest, folder, jobs, found), _unreadable(found)


def _unreadable(found: Rebuilt) -> list[Finding]:
    return list(limited(bad("records", sentence) for sentence in found.unreadable))


def _facts(archive: Archive, manifest: Manifest, job: int) -> JobFacts:
    name = f"{folder_of(job)}/job.json"
    try:
        facts = JobFacts.model_validate_json(archive.read(name))
    except ValidationError as error:
        raise InputError(f"{name}: {reason(error)}") from None
    if facts.job != job or facts.suite != (manifest.suite or facts.suite):
        raise InputError(f"{name}: is of job {facts.job}, suite {facts.suite}: expected job {job} of {manifest.name}")
    return facts


def _stated(archive: Archive, job: int) -> Experiment:
    name = f"{folder_of(job)}/experiment.json"
    try:
        return Experiment.from_json(archive.read(name).decode())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: no experiment of this version: {one_line(error, 120)}") from None


def result_findings(bundle: Opened) -> Iterator[Finding]:
    """Whether the jobs' parts agree with each other, and tables, answers and cards follow from the records."""
    for job in bundle.jobs:
        yield from disagreements(bundle.rebuilt.database, job)
    try:
        wanted = derived(bundle.rebuilt.database, [job.facts for job in bundle.jobs], bundle.manifest.suite)
    except NONSENSE as error:
        yield bad("tables", f"nothing follows from the records: {one_line(error, 200)}")
        return
    yield from _members(bundle)
    yield from _follow(bundle, wanted)
    yield from _unknown(bundle, set(wanted))
    yield from _masks(bundle)


def _members(bundle: Opened) -> Iterator[Finding]:
    """Jobs that the suite's own answers tell of, and that are not here."""
    if bundle.manifest.suite is None:
        return
    try:
        members = json.loads(bundle.archive.read("suite/answers.json"))["jobs"]
        told_of = {int(one["job"]): str(one["name"]) for one in members}
    except (InputError, *NONSENSE):
        return  # `_follow` says what is wrong with it
    for job in sorted(told_of.keys() - set(bundle.manifest.jobs)):
        yield bad("jobs", f"suite/answers.json tells of job {job} ({told_of[job]}), which is not in the bundle")


def _follow(bundle: Opened, wanted: dict[str, bytes]) -> Iterator[Finding]:
    counts: dict[Part, int] = {}
    wrong: set[Part] = set()
    elsewhere = bundle.manifest.made_with != MadeWith.here()
    close = 0
    for name, now in wanted.items():
        part = part_of(name)
        counts[part] = counts.get(part, 0) + 1
        if name not in bundle.archive.sizes:
            wrong.add(part)
            yield bad(part, f"{name} is missing: it follows from the records")
            continue
        found = differences(name, bundle.archive.read(name), now)
        if found and elsewhere and all(one.close for one in found):
            close += len(found)
        elif found:
            wrong.add(part)
            one = next(one for one in found if not (elsewhere and one.close))
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            yield bad(part, f"{name}: {one.place}: is {one.was}, {one.now} follows from the records{more}")
    if close:
        yield note("tables", (
            f"{plural(close, 'number')} differ by less than a billionth of themselves: they were computed with "
            f"lth {bundle.manifest.made_with.lth}, numpy {bundle.manifest.made_with.numpy}, or on another processor"
        ))  # fmt: skip
    for part, count in counts.items():
        if part not in wrong:
            yield good(part, f"{plural(count, 'file')} computed again from the records: the same")


def part_of(name: str) -> Part:
    """The check that a derived file belongs to."""
    if name.endswith(f"/{CARD}"):
        return "card"
    return "answers" if name.endswith(("answers.json", "answers.csv")) else "tables"


def _unknown(bundle: Opened, follow: set[str]) -> Iterator[Finding]:
    """Files that belong to no job of the manifest: those of a job that was taken out, say."""
    known = follow | {manifests.NAME, README}
    for job in bundle.jobs:
        known |= {f"{folder_of(job.facts.job)}/{name}" for name in ("job.json", "experiment.json")}
        known |= {mask_place(job.facts.job, key) for key, trial in job.trials.items() if trial.state == "done"}
    odd = [name for name in bundle.archive.sizes if name not in known and not name.startswith("batches/")]
    yield from limited(bad("jobs", f"{name} follows from no record of the jobs in the manifest") for name in odd)


def _masks(bundle: Opened) -> Iterator[Finding]:
    for job in bundle.jobs:
        done = {key: trial.id for key, trial in job.trials.items() if trial.state == "done"}
        wrong = list(counted(bundle.archive, bundle.rebuilt.database, job.facts.job, done))
        yield from limited(bad("masks", sentence) for sentence in wrong)
        if not wrong:
            yield good("masks", f"job {job.facts.job}: {plural(len(done), 'mask')} with the recorded entries per layer")
