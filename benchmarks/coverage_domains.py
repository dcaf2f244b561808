"""Simulated suites of images and other domains whose gaps are known: is it falsely said to be about images?"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.coverage_critical import World, job
from benchmarks.simulated import Row
from lth_core.analysis import two_samples
from lth_core.analysis.domains import Domains, Job, domains
from lth_core.analysis.scores import JobScores

PICTURES = {
    "task": {"kind": "images"}, "model": {"kind": "lenet"}, "training": {"algorithm": "supervised", "length": 100},
}  # fmt: skip
SUITES: dict[str, tuple[World, ...]] = {
    "alike": (World("images"), World("a"), World("b"), World("c")),
    "spread 1 to 4": (World("images", spread=0.15), World("a", spread=0.6), World("b"), World("c", spread=0.45)),
    "half of images' never cross": (World("images", centre=0.03), World("a"), World("b", spread=0.6), World("c")),
    "half of the others' never cross": (World("images"), *(World(name, centre=0.03) for name in "abc")),
}
"""By name, images first; the gap is the same in all."""
_ZERO = 22.3


def suite(worlds: Sequence[World], rng: np.random.Generator, n: int) -> Domains:
    """The answer of a suite with a job of each of these, all ended."""
    jobs = []
    for number, world in enumerate(worlds):
        experiment, trials = job(world, rng, n, name=world.name, **({} if number else PICTURES))
        scores = JobScores(experiment, trials, {experiment.task.subject: _ZERO})
        jobs.append(Job(number, world.name, scores))
    found = domains(jobs)
    assert found is not None
    return found


def domain_rows(runs: int, seeds: Sequence[int] = (6, 8)) -> Iterator[Row]:
    """How often some comparison is decided where none differs, and how often the factor of one is covered."""
    two_samples.SPLITS = min(two_samples.SPLITS, 2000)
    for name, worlds in SUITES.items():
        wrong, covered = [], []
        for n in seeds:
            found = [suite(worlds, np.random.default_rng([n, run]), n).contrasts for run in range(runs)]
            wrong.append(sum(any(c.word != "open" for c in one) for one in found) / runs)
            covered.append(sum(one[1].factor.low <= 1 <= one[1].factor.high for one in found) / runs)
        yield Row(f"some gap falsely differs, {name}", "<= 5 %", (None, *wrong, None, None), runs)
        yield Row(f"factor covered, {name}", "95 %", (None, *covered, None, None), runs)


def main() -> None:
    """Print these rows alone."""
    for row in domain_rows(300):
        shares = ", ".join(f"{share:.1%}" for share in row.shares if share is not None)
        print(f"{row.what}: {shares} (6, 8 seeds; {row.runs} suites, {math.sqrt(0.0475 / row.runs):.1%})", flush=True)


if __name__ == "__main__":
    main()
