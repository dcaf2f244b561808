"""`lth verify`: check a bundle of another machine, and train some of its trials again."""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lth_core.bundle.again import Again, builds_on, drawn, trained_again
from lth_core.bundle.archive import Archive
from lth_core.bundle.finding import Finding, bad, good, note
from lth_core.bundle.manifest import Manifest
from lth_core.bundle.tickets import ticket_findings, without
from lth_core.bundle.verify import Opened, manifest_findings, opened, result_findings
from lth_core.cli.console import make_console, print_finding
from lth_core.cli.shape_parts import TrainedAgain, VerifiedPart
from lth_core.cli.shapes import Verified, print_json
from lth_core.engine.slots import find_slots
from lth_core.errors import InputError
from lth_core.text import plural

_STATES = {"equal": good, "within": good, "outside": bad, "not equal": bad, "not trained": bad}


@dataclass(frozen=True)
class Asked:
    """How many trials to train again, drawn by which seed, on which device; run_code: also of tasks that name code."""

    trials: int
    seed: int
    device: str
    run_code: bool


def run(file: Path, trials: int, seed: int | None, device: str, *, run_code: bool, as_json: bool) -> int:
    """Print the findings, each as it is known; returns 0 if nothing is wrong, else 1.

    Raises Refused for no bundle, InputError for a device that is not here.
    """
    console = make_console()
    told: list[Finding] = []
    again: list[Again] = []
    seed = secrets.randbelow(2**31) if seed is None else seed
    asked = Asked(trials, seed, find_slots(device, 1)[0].device, run_code)
    with contextlib.closing(Archive(file)) as archive:
        manifest, first = manifest_findings(archive)
        for finding in _findings(archive, manifest, first, asked, again):
            told.append(finding)
            if not as_json:
                print_finding(console, finding.state, f"{finding.part:<13} {finding.sentence}")
    holds = all(finding.state != "bad" for finding in told)
    if as_json:
        print_json(Verified(
            file=file.name, name=manifest.name, suite=manifest.suite, jobs=list(manifest.jobs), holds=holds,
            findings=[VerifiedPart(part=one.part, state=one.state, sentence=one.sentence) for one in told],
            draw=seed if trials else None, trained_again=[_shape(one) for one in again],
        ))  # fmt: skip
    else:
        console.print(_summary(holds, told, trials, again), markup=False, highlight=False, soft_wrap=True)
    return int(not holds)


def _findings(
    archive: Archive, manifest: Manifest, first: list[Finding], asked: Asked, again: list[Again]
) -> Iterator[Finding]:  # fmt: skip
    yield from first
    if any(finding.state == "bad" for finding in first):
        return
    with opened(archive, manifest) as (bundle, found):
        yield from found
        if bundle is None:
            return
        yield from result_findings(bundle)
        yield from ticket_findings(bundle, run_code=asked.run_code)
        yield from _again(bundle, asked, again)


def _again(bundle: Opened, asked: Asked, again: list[Again]) -> Iterator[Finding]:
    if not asked.trials:
        return
    chosen = drawn(bundle.jobs, asked.trials, asked.seed)
    yield note("trained again", f"{plural(sum(map(len, chosen.values())), 'trial')} drawn with --seed {asked.seed}")
    for job in bundle.jobs:
        keys = chosen.get(job.facts.job, [])
        if not keys:
            continue
        if job.code and not asked.run_code:
            yield note("trained again", f"job {job.facts.job}: not trained again: {without(job)}")
            continue
        whole = len(builds_on(job, keys, weights=bundle.manifest.weights))
        if whole > len(keys):
            yield note(
                "trained again", f"job {job.facts.job}: {whole} are trained: those drawn, and what they build on"
            )
        try:
            for one in trained_again(bundle, job, keys, asked.device):
                again.append(one)
                yield _STATES[one.state]("trained again", f"job {one.job}: {one.key}: {one.text}")
        except InputError as error:
            yield note("trained again", f"job {job.facts.job}: not trained again: {error}")


def _summary(holds: bool, told: list[Finding], trials: int, again: list[Again]) -> str:
    if not holds:
        wrong = dict.fromkeys(finding.part for finding in told if finding.state == "bad")
        return f"does not hold: {', '.join(wrong)}"
    if not trials:
        return "holds; --trials N also trains N of its trials again"
    return "holds" if again else "holds; no trial was trained again"


def _shape(one: Again) -> TrainedAgain:
    return TrainedAgain(
        job=one.job, arm=one.key.arm, round=one.key.round, seed=one.key.seed, drawn=one.drawn, state=one.state,
        stored=one.stored, here=one.here, low=one.low, high=one.high, sentence=one.text,
    )  # fmt: skip
