"""Other jobs of the same experiment: what they mean for the p-values of this one."""

from collections.abc import Iterator, Sequence
from typing import Any

from lth_core.analysis.comparison import comparisons
from lth_core.store.views import JobView
from lth_core.text import plural


def related_notes(job: JobView, jobs: Sequence[JobView]) -> Iterator[str]:
    """Whether seeds were added after a job with fewer of them had results, and whether arms are split over jobs."""
    own = _but_for_seeds_and_arms(job)
    same = [one for one in jobs if one.id != job.id and _but_for_seeds_and_arms(one) == own]
    seeds, arms = set(job.experiment.seeds), set(job.experiment.arms)
    looked = [
        one
        for one in same
        if arms & set(one.experiment.arms)
        if one.trials_done and one.created < job.created
        if set(one.experiment.seeds) & seeds and len(one.experiment.seeds) < len(seeds)
    ]
    if looked:
        first = min(looked, key=lambda one: len(one.experiment.seeds))
        yield (
            f"n was raised from {len(first.experiment.seeds)} (job {first.id}) to {len(seeds)} after looking: "
            "p-values are not those of a fixed n, and err in more than 5 %"
        )
    split = [one for one in same if not set(one.experiment.arms) <= arms and set(one.experiment.seeds) & seeds]
    if split:
        here = len(comparisons(job.experiment))
        pairs = {pair for one in (job, *split) for pair in comparisons(one.experiment)}
        numbers = ", ".join(str(one.id) for one in split)
        yield (
            f"the arms of this experiment are split over jobs ({job.id} and {numbers}): p is corrected over the "
            f"{plural(here, 'comparison')} of this job, all of them together are {len(pairs)}"
        )


def _but_for_seeds_and_arms(job: JobView) -> dict[str, Any]:
    fields = job.experiment.identifying()
    return {name: value for name, value in fields.items() if name not in ("name", "launcher", "seeds", "arms", "arm")}
