"""What only the engine knew of a job: its number, times and end, and those trials that ended without a worker's word.

Everything else of a bundle follows from the workers' records.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from lth_core.bundle.scrub import Scrubber
from lth_core.experiment.plan import TrialKey, plan
from lth_core.settings.base import Section
from lth_core.store import glances, views
from lth_core.store.database import Database
from lth_core.store.jobs import threads_of
from lth_core.store.views import JobView

Number = Annotated[int, Field(ge=0, lt=2**62)]


class TrialFacts(Section):
    """A trial's number and end. error: why it has no result."""

    id: Number
    arm: str
    round: Number
    seed: Number
    state: Literal["done", "failed", "blocked"]
    started: float | None
    finished: float | None
    error: str | None

    @property
    def key(self) -> TrialKey:
        """The trial's key in the plan."""
        return TrialKey(self.round, self.arm, self.seed)


class JobFacts(Section):
    """`jobs/NUMBER/job.json`. provenance: what it was queued with; active: seconds in which a batch ran."""

    job: Annotated[int, Field(ge=1, lt=2**62)]
    name: str
    identity: str
    suite: str | None
    source: str
    state: Literal["done", "failed"]
    error: str | None
    created: float
    started: float | None
    finished: float | None
    active: float
    threads: Annotated[int, Field(ge=1, le=4096)]
    provenance: dict[str, JsonValue]
    trials: tuple[TrialFacts, ...]

    @property
    def numbered(self) -> bool:
        """Whether the trials have numbers without gaps, in the order of the plan, as they are queued."""
        first = min((trial.id for trial in self.trials), default=0)
        return [trial.id for trial in self.trials] == list(range(first, first + len(self.trials)))

    def content(self) -> bytes:
        """The file's content."""
        return (json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n").encode()


def job_facts(database: Database, job: JobView, scrubber: Scrubber) -> JobFacts:
    """The facts of a job that has ended, its trials in the order of the plan."""
    trials = {trial.key: trial for trial in views.trials(database, job.id)}
    fields: dict[str, Any] = {
        name: getattr(job, name) for name in ("name", "suite", "state", "created", "started", "finished")
    }  # fmt: skip
    return JobFacts(
        **fields, job=job.id, identity=job.experiment.identity, source=scrubber.text(job.source),
        error=scrubber.value(job.error), active=glances.seconds_active(database, job.id),
        threads=threads_of(database, job.id), provenance=scrubber.value(views.provenance(database, job.id)),
        trials=tuple(
            TrialFacts(
                id=trial.id, arm=trial.arm, round=trial.round, seed=trial.seed, state=trial.state,  # type: ignore[arg-type]
                started=trial.started, finished=trial.finished, error=scrubber.value(trial.error),
            )
            for trial in (trials[planned.key] for planned in plan(job.experiment))
        ),
    )  # fmt: skip
