"""The tickets of a bundle derived again, by a process that imports torch."""

from collections.abc import Iterator

from lth_core.batches.batch import BatchSpec, TrialSpec
from lth_core.batches.processes import run_apart
from lth_core.bundle.agreement import Told, limited
from lth_core.bundle.collect import mask_place
from lth_core.bundle.finding import Finding, bad, good, note
from lth_core.bundle.verify import Opened
from lth_core.engine.stored import stored_spec
from lth_core.errors import InputError
from lth_core.store.trials import stored_files
from lth_core.text import one_line, plural


def ticket_findings(bundle: Opened, *, run_code: bool) -> Iterator[Finding]:
    """Whether the masks of each job are tickets of its experiment. run_code: also of one that names code."""
    for job in bundle.jobs:
        if job.code and not run_code:
            yield note("tickets", f"job {job.facts.job}: not derived again: {without(job)}")
            continue
        done = [key for key, trial in job.trials.items() if trial.state == "done"]
        places = {job.trials[key].id: mask_place(job.facts.job, key) for key in done}
        if not done or any(place not in bundle.archive.sizes for place in places.values()):
            continue  # what is missing has been told
        for place in places.values():
            if not (bundle.folder / place).exists():
                bundle.archive.unpack(place, bundle.folder / place)
        try:
            found = run_apart(
                "lth_core.worker.tickets_again", str(bundle.folder), spec=_spec(bundle, job).to_json(),
                masks={trial: str(bundle.folder / place) for trial, place in places.items()},
                weights=bundle.manifest.weights,
            )  # fmt: skip
        except InputError as error:
            yield note("tickets", f"job {job.facts.job}: not derived again: {one_line(error, 300)}")
            continue
        yield from _told(bundle, job, found["wrong"], found["derived"], len(done))


def without(job: Told) -> str:
    """Why nothing of a job is run."""
    return f"its task names {job.code}, which is run only with --run-code"


def _spec(bundle: Opened, job: Told) -> BatchSpec:
    """All finished trials of a job, with the files of their weights if they are in the bundle."""
    done = [key for key, trial in job.trials.items() if trial.state == "done"]
    if bundle.manifest.weights:
        return stored_spec(bundle.rebuilt.database, job.facts.job, job.stated, done)
    ids = {row["id"] for row in stored_files(bundle.rebuilt.database, job.facts.job)}
    trials = tuple(TrialSpec(job.trials[key].id, key) for key in done if job.trials[key].id in ids)
    return BatchSpec(0, job.facts.job, job.stated, trials, (), "")


def _told(bundle: Opened, job: Told, wrong: dict[str, list[str]], derived: int, done: int) -> Iterator[Finding]:
    keys = {str(trial.id): key for key, trial in job.trials.items()}
    sentences = [f"job {job.facts.job}: {keys[trial]}: {said}" for trial, own in wrong.items() for said in own]
    yield from limited(bad("tickets", sentence) for sentence in sentences)
    if wrong:
        return
    how = "from weights and seeds" if bundle.manifest.weights else "from seeds and the masks of other arms"
    rest = f"; {done - derived} follow from weights that are not in the bundle" if derived < done else ""
    yield good("tickets", (
        f"job {job.facts.job}: {plural(done, 'mask')} with the planned densities, each within that of the round "
        f"before if its arm prunes on; {derived} derived again {how}{rest}"
    ))  # fmt: skip
