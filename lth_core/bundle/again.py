"""Trials of a bundle trained again: which ones, what they build on, and whether they came out the same."""

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lth_core.batches.batch import BatchSpec, ParentSpec, TrialSpec
from lth_core.batches.processes import run_apart
from lth_core.bundle.agreement import Told
from lth_core.bundle.rebuilt import rebuilt
from lth_core.bundle.verify import Opened
from lth_core.errors import InputError
from lth_core.experiment.plan import TrialKey, parents, shares_network
from lth_core.store import attempts, views
from lth_core.store.trials import stored_files
from lth_core.store.workspace import Workspace
from lth_core.text import one_line
from lth_core.upkeep.facts import Facts, facts_of

TOLERANCE = 0.25
"""With other versions or on another processor or device the last bits differ, and a training soon takes another course.
A score is then accepted if it lies between those of the same arm and round, or outside them by at most this share of
the range of the job's scores."""
_STORED = "stored"
"""Folder of the bundle's weights, apart from those that are trained here."""
State = Literal["equal", "within", "outside", "not equal", "not trained"]


@dataclass(frozen=True)
class Again:
    """A trial trained again. drawn: whether it was drawn, or is one that a drawn one builds on; stored, here: its score
    in the bundle and now; low, high: what is accepted where bits may differ; text: the result in a sentence."""

    job: int
    key: TrialKey
    drawn: bool
    state: State
    stored: float | None
    here: float | None
    low: float
    high: float
    text: str


def drawn(jobs: Sequence[Told], count: int, seed: int) -> dict[int, list[TrialKey]]:
    """`count` finished trials by job, drawn without replacement; the same seed draws the same ones."""
    every = [(job.facts.job, key) for job in jobs for key, trial in sorted(job.trials.items()) if trial.state == "done"]
    chosen = random.Random(seed).sample(every, min(count, len(every)))  # noqa: S311 anyone can draw them again
    found: dict[int, list[TrialKey]] = {}
    for number, key in sorted(chosen):
        found.setdefault(number, []).append(key)
    return found


def builds_on(job: Told, keys: Sequence[TrialKey], *, weights: bool) -> list[TrialKey]:
    """The trials that must be trained to train these, themselves included, parents first.

    weights: the parents' weights are there, so that they need not be trained.
    """
    needed, ahead = set(keys), list(keys)
    while ahead and not weights:
        key = ahead.pop()
        more = set(_parents(job, key)) - needed
        needed |= more
        ahead += more
    return sorted(needed)


def _parents(job: Told, key: TrialKey) -> tuple[TrialKey, ...]:
    return parents(job.stated, key.arm, key.round, key.seed) if key.round else ()


def trained_again(bundle: Opened, job: Told, keys: Sequence[TrialKey], device: str) -> Iterator[Again]:
    """Train these trials of a job and those that they build on again, and compare each with the bundle.

    Raises InputError if they cannot be trained here: a file or package of the task is missing, say.
    """
    whole = builds_on(job, keys, weights=bundle.manifest.weights)
    with tempfile.TemporaryDirectory(prefix="lth-again-") as name:
        workspace = Workspace(Path(name))
        workspace.create()
        specs = list(_specs(bundle, job, whole))
        _place_weights(bundle, workspace, specs)
        answer = run_apart(
            "lth_core.worker.train_again", name, specs=[spec.to_json() for spec in specs], device=device,
            threads=job.facts.threads,
        )  # fmt: skip
        same = attempts.same_bits(bundle.rebuilt.database, job.facts.job, answer["facts"])
        with rebuilt(workspace.folder, []) as found:
            results = {trial.key: trial for trial in views.trials(found.database, job.facts.job)}
            for key in whole:
                one = facts_of(bundle.rebuilt.database.connection, job.trials[key].id)
                other = facts_of(found.database.connection, results[key].id) if key in results else {}
                yield compared(job, key, key in keys, one, other, same)


def _specs(bundle: Opened, job: Told, keys: Sequence[TrialKey]) -> Iterator[BatchSpec]:
    """One batch per round and network, as an engine makes them."""
    files = {row["id"]: row for row in stored_files(bundle.rebuilt.database, job.facts.job)}
    groups: dict[tuple[int, str], list[TrialKey]] = {}
    for key in keys:
        groups.setdefault((key.round, "" if shares_network(job.stated, key.arm) else key.arm), []).append(key)
    trained_on = attempts.trained_on(bundle.rebuilt.database, job.facts.job)
    for number, own in enumerate(groups.values(), start=1):
        needed = sorted({parent for key in own for parent in _parents(job, key)})
        built_on = []
        for parent in needed:
            trial = job.trials[parent].id
            path, sha256 = (files[trial]["tensors"], files[trial]["sha256"]) if bundle.manifest.weights else ("", "")
            built_on.append(ParentSpec(trial, parent, f"{_STORED}/{path}" if path else "", sha256 or ""))
        trials = tuple(TrialSpec(job.trials[key].id, key) for key in own)
        yield BatchSpec(
            number, job.facts.job, job.stated, trials, tuple(built_on), f"tensorboard/{job.facts.name}", trained_on
        )  # fmt: skip


def _place_weights(bundle: Opened, workspace: Workspace, specs: Sequence[BatchSpec]) -> None:
    """The parents' weights under names that the batches trained here do not have."""
    if bundle.manifest.weights:
        for path in sorted({parent.path for spec in specs for parent in spec.parents}):
            if (name := path.removeprefix(f"{_STORED}/")) in bundle.archive.sizes:
                bundle.archive.unpack(name, workspace.inside(path))


def compared(job: Told, key: TrialKey, was_drawn: bool, one: Facts, other: Facts, same: bool) -> Again:
    """A trial's facts in the bundle and those of its training here; same: whether the bits must be."""
    stored, here = one.get(("result", "score")), other.get(("result", "score"))
    low, high = _accepted(job, key)

    def told(state: State, text: str) -> Again:
        return Again(job.facts.job, key, was_drawn, state, stored, here, low, high, one_line(text, 400))

    if here is None:
        return told("not trained", f"has no score when it is trained again; the bundle says {stored}")
    if not (wrong := _differing(one, other)):
        return told("equal", "equal to the last bit: weights, mask, curve and score")
    if same:
        name, was, now = wrong[0]
        return told(
            "not equal", f"{name} is {was} in the bundle, {now} when it is trained again with the same versions"
        )
    if low <= here <= high:
        return told("within", f"score {here:.6g}, {stored:.6g} in the bundle, {low:.6g} to {high:.6g} accepted")
    return told("outside", f"score {here:.6g}, {stored:.6g} in the bundle: outside {low:.6g} to {high:.6g}")


def _differing(one: Facts, other: Facts) -> list[tuple[str, Any, Any]]:
    """Score, curve, layers, audits and weights in which two trainings of a trial differ: name and both values."""
    kept = {("result", name) for name in ("score", "step", "density", "model_density", "sha256")}
    names = [key for key in dict.fromkeys((*one, *other)) if key in kept or key[0] in ("point", "layer")]
    found = [(_name(key), one.get(key), other.get(key)) for key in names if one.get(key) != other.get(key)]
    checks = [{key[1:3]: value[0] for key, value in facts.items() if key[0] == "audit"} for facts in (one, other)]
    for check in sorted(checks[0].keys() | checks[1].keys()):
        was, now = (bool(own[check]) if check in own else None for own in checks)
        if was != now:
            found.append((f"audit {check[1]} ({check[0]})", _passed(was), _passed(now)))
    return sorted(found, key=lambda differing: differing[0].startswith("SHA-256"))


def _passed(value: bool | None) -> str:
    return {None: "missing", True: "passed", False: "failed"}[value]


def _name(key: tuple[Any, ...]) -> str:
    if key[0] == "point":
        return f"{key[1]} at step {key[2]}"
    return {"sha256": "SHA-256 of weights and mask"}.get(str(key[1]), f"{'layer ' * (key[0] == 'layer')}{key[1]}")


def _accepted(job: Told, key: TrialKey) -> tuple[float, float]:
    """The scores that are accepted of a trial where bits may differ; see TOLERANCE."""
    every = [trial.score for trial in job.trials.values() if trial.state == "done" and trial.score is not None]
    own = [t.score for k, t in job.trials.items() if (k.arm, k.round) == (key.arm, key.round) and t.score is not None]
    if not own:
        raise InputError(f"{key}: no score is stored")
    room = TOLERANCE * (max(every) - min(every))
    return min(own) - room, max(own) + room
