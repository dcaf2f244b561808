"""Planted edits of a bundle, each by somebody who made manifest and checksums fit again: caught, and named."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

from lth_core.bundle.again import drawn
from lth_core.bundle.archive import Archive
from lth_core.bundle.verify import manifest_findings, opened
from lth_core.experiment.arms import DENSE
from lth_core.store.tensors import serialised
from tests.bundle.conftest import said
from tests.bundle.forger import Forger, Json

Edit = Callable[[Forger], None]


def _done(records: list[Json]) -> list[Json]:
    return [record for record in records if record["kind"] == "done"]


def score(forger: Forger) -> None:
    """One score half a point higher."""
    forger.records(lambda records: _done(records)[0].update(score=_done(records)[0]["score"] + 0.5), "1/records.jsonl")
    forger.results_again()


def a_seed(forger: Forger) -> None:
    """Seed 1 was 7 all the time."""
    forger.experiment(1, lambda fields: fields.update(seeds=[0, 7]))
    _named_anew(forger, lambda trial: trial.update(seed=7) if trial["seed"] == 1 else None)
    forger.renamed("seed-1", "seed-7")
    forger.results_again()


def an_arm(forger: Forger) -> None:
    """What was random is winning, and the other way round; the trials are numbered as if it had been so."""
    other = {"winning": "random", "random": "winning"}
    _named_anew(forger, lambda trial: trial.update(arm=other.get(trial["arm"], trial["arm"])))
    forger.json("jobs/0001/job.json", lambda facts: facts["trials"].sort(key=lambda one: one["id"]))
    for old, new in (("masks/winning", "masks/x"), ("masks/random", "masks/winning"), ("masks/x", "masks/random")):
        forger.renamed(old, new)
    forger.results_again()


def a_lost_seed(forger: Forger) -> None:
    """The seed with the failed trial never was."""
    forger.experiment(1, lambda fields: fields.update(seeds=[0]))
    gone: set[int] = set()

    def drop(fields: Json) -> None:
        gone.update(trial["id"] for trial in fields["trials"] if trial["seed"] == 1)
        fields["trials"] = [trial for trial in fields["trials"] if trial["seed"] != 1]

    forger.json("jobs/0001/job.json", drop)
    forger.json("jobs/0001/job.json", lambda facts: facts.update(state="done", error=None))
    for name in [name for name in forger.files if name.endswith("spec.json")]:
        forger.json(name, drop)
    forger.records(lambda records: [record for record in records if record.get("trial") not in gone])
    forger.files = {name: content for name, content in forger.files.items() if "seed-1" not in name}
    forger.results_again()


def _named_anew(forger: Forger, change: Callable[[Json], object]) -> None:
    """Change every trial wherever it is named."""
    for name in [name for name in forger.files if name.endswith(("spec.json", "job.json"))]:
        forger.json(name, lambda fields: [change(one) for one in (*fields["trials"], *fields.get("parents", ()))])


def mask_bit(forger: Forger) -> None:
    """One entry of a drawn mask is kept instead of pruned."""
    _flipped(forger, "jobs/0001/masks/random/round-01/seed-0.safetensors", alive=(False,))


def mask_bits(forger: Forger) -> None:
    """Two neighbours of a drawn mask in each other's place: the number kept stays."""
    _flipped(forger, "jobs/0001/masks/random/round-01/seed-0.safetensors", alive=(False, True))


def _flipped(forger: Forger, name: str, alive: tuple[bool, ...]) -> None:
    content = forger.files[name]
    values = json.loads(json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]["values"])
    bits = np.unpackbits(load(content)["mask"])
    for state in alive:
        bits[np.flatnonzero(bits[: int(np.prod(values["mask"][0][1]))] == state)[0]] ^= 1
    forger.files[name] = serialised({"mask": np.packbits(bits)}, values)


def version(forger: Forger) -> None:
    """One attempt ran with another torch."""

    def change(records: list[Json]) -> None:
        for record in records:
            if record["kind"] == "ran":
                record["facts"]["packages"]["torch"] = "9.9.9"

    forger.records(change, "000002/attempt-1/records.jsonl")


def record(forger: Forger) -> None:
    """One recorded loss."""
    forger.records(_other_loss, "000002/attempt-1/records.jsonl")


def _other_loss(records: list[Json]) -> None:
    first = next(one for one in records if one["kind"] == "metrics")
    first["values"]["loss/policy"] += 1


def audit(forger: Forger) -> None:
    """A check that nobody made."""

    def drop(records: list[Json]) -> None:
        first = next(one for one in records if one["kind"] == "audit" and one["moment"] == "before")
        first["checks"] = [check for check in first["checks"] if check[0] != "nested"]

    forger.records(drop, "000003/attempt-1/records.jsonl")
    forger.results_again()


def digit(forger: Forger) -> None:
    """The last digit of a number in a table."""
    name = "jobs/0001/tables/lottery.csv"
    head, first, rest = forger.files[name].decode().split("\n", 2)
    cells = first.split(",")
    place = head.split(",").index("mean")
    cells[place] = cells[place][:-1] + str((int(cells[place][-1]) + 1) % 10)
    forger.files[name] = "\n".join((head, ",".join(cells), rest)).encode()


def word(forger: Forger) -> None:
    """An answer that says more."""

    def change(fields: Json) -> None:
        fields["answers"][0]["lines"][0]["word"] = "better beyond doubt"

    forger.json("jobs/0001/answers.json", change)


def curve(forger: Forger) -> None:
    """The curves of two trials of a batch in each other's place."""

    def swap(records: list[Json]) -> None:
        one, other = [record["trial"] for record in _done(records)][:2]
        for record in records:
            if record["kind"] == "metrics":
                record["trial"] = {one: other, other: one}.get(record["trial"], record["trial"])

    forger.records(swap, "000001/attempt-1/records.jsonl")
    forger.results_again()


def a_job(forger: Forger) -> None:
    """The suite never had its second job."""
    own = {
        name.rpartition("/")[0] for name, one in forger.files.items() if name.endswith("spec.json") and _job(one) == 2
    }
    forger.files = {
        name: content
        for name, content in forger.files.items()
        if not name.startswith(("jobs/0002/", *(f"{place}/" for place in own)))
    }
    forger.manifest = forger.manifest.model_copy(update={"jobs": (1,)})


def _job(spec: bytes) -> Any:
    return json.loads(spec)["job"]


CASES: dict[str, tuple[str, Edit, str, str]] = {
    "a score": ("job", score, "results", "has score "),
    "a mask bit": ("job", mask_bit, "masks", "random round 1 seed 0: its mask keeps "),
    "two mask bits": ("job", mask_bits, "tickets", "random round 1 seed 0: derived: 2 entries differ from the mask"),
    "a seed": ("job", a_seed, "tickets", "random round 1 seed 7: derived: "),
    "an arm's name": ("job", an_arm, "tickets", "random round 1 seed 0: derived: "),
    "a dropped failed seed": ("job", a_lost_seed, "jobs", "a seed, arm or round between was left out"),
    "a version": ("job", version, "card", "jobs/0001/card.md: "),
    "a record": ("job", record, "tables", "metric loss/policy, step 512: value: is "),
    "an audit": ("job", audit, "results", "lacks the audit nested (before)"),
    "a table's digit": ("job", digit, "tables", "jobs/0001/tables/lottery.csv: name two-v1, arm dense, round 0"),
    "an answer's word": ("job", word, "answers", 'word: is "better beyond doubt", "'),
    "a swapped curve": ("job", curve, "results", "and its return/eval-sampled ends with "),
    "a removed job": ("suite", a_job, "jobs", "tells of job 2 (two-v0), which is not in the bundle"),
}


@pytest.mark.parametrize("edited", CASES)
def test_an_edit_is_caught_and_named(edited: str, bundles: Path, tmp_path: Path) -> None:
    bundle, edit, part, sentence = CASES[edited]
    forger = Forger(bundles / f"{bundle}.zip")
    edit(forger)
    found = said(forger.save(tmp_path / "edited.zip"))
    assert [one for one in found if one[0] == part and sentence in one[1]], found


def test_a_score_with_a_curve_that_fits_is_caught_by_training_it_again(bundles: Path, tmp_path: Path) -> None:
    forger = Forger(bundles / "job.zip")

    def change(records: list[Json]) -> None:
        done = _done(records)[0]
        last = [one for one in records if one["kind"] == "metrics" and one["trial"] == done["trial"]][-1]
        done["score"] += 0.5
        last["values"]["return/eval-sampled"] += 0.5

    forger.records(change, "000001/attempt-1/records.jsonl")
    forger.results_again()
    path = forger.save(tmp_path / "edited.zip")
    with closing(Archive(path)) as archive, opened(archive, manifest_findings(archive)[0]) as (bundle, _):
        assert bundle is not None
        draw = next(n for n in range(999) if str(drawn(bundle.jobs, 1, n)[1][0]) == f"{DENSE} round 0 seed 0")
    assert said(path) == []
    ((part, sentence),) = said(path, "--trials", 1, "--seed", draw)
    assert part == "trained again" and "dense round 0 seed 0: score is " in sentence
