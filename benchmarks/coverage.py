"""Do the statistics keep what they promise? Simulated jobs whose truth is known, one table.

python -m benchmarks.coverage [--runs 2000] [--resamples 1000]

Intervals should cover the truth in 95 % of runs, tests should be wrong in at most 5 %. Each share is printed with
its own standard error. With n seeds, where nothing else is said, scores are normal with a paired spread of 1.
"""

import argparse
import math
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.coverage_critical import critical_rows
from benchmarks.coverage_domains import domain_rows
from benchmarks.simulated import SEEDS, Draw, Row, share
from lth_core.analysis import statistics
from lth_core.analysis.collapse import fewest_to_exclude, rare
from lth_core.analysis.comparison import comparisons, verdicts
from lth_core.analysis.effect import EQUIVALENT, judge
from lth_core.analysis.matching import MATCHING, judge_match
from lth_core.analysis.normalised import Stratum, stratified_iqm
from lth_core.analysis.power import LEVEL, seeds_needed
from lth_core.analysis.profiles import probability_of_improvement
from lth_core.analysis.statistics import bootstrap, holm, interquartile_mean, sign_flip_p
from lth_core.experiment.experiment import Experiment

SHAPES: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "skewed (lognormal)": lambda rng, n: rng.lognormal(0, 1, n),
    "most at the ceiling": lambda rng, n: np.minimum(rng.normal(480, 30, n), 500),
    "one in four fails to learn": lambda rng, n: np.where(rng.random(n) < 0.25, 20, 480) + rng.normal(0, 5, n),
}


def coverage_of_the_mean(runs: int) -> Iterator[Row]:
    """Of the interquartile mean of one arm; the truth is that of the whole distribution."""
    for name, draw in SHAPES.items():
        truth = float(interquartile_mean(draw(np.random.default_rng(1), 2_000_000)))

        def covers(rng: np.random.Generator, n: int, draw: Draw = draw, truth: float = truth) -> bool:
            found = bootstrap(draw(rng, n).tolist())
            return found.low <= truth <= found.high

        yield Row(f"IQM covered, {name}", "95 %", tuple(share(runs, lambda r, n=n: covers(r, n)) for n in SEEDS), runs)  # type: ignore[misc]


def coverage_across_jobs(runs: int, jobs: int = 5) -> Row:
    """Of the normalised interquartile mean over jobs of very different scales; the dense network is noisy too."""

    def covers(rng: np.random.Generator, n: int) -> bool:
        strata = []
        for job in range(jobs):
            scale, level = 10.0**job, rng.normal(0, 0.1, n)
            strata.append(
                Stratum(scale * (0.7 + level + rng.normal(0, 0.1, n)), scale * (1 + level + rng.normal(0, 0.1, n)))
            )
        found = stratified_iqm(strata)
        return found.low <= 0.7 <= found.high

    shares = tuple(share(runs, lambda r, n=n: covers(r, n)) for n in SEEDS)  # type: ignore[misc]
    return Row(f"normalised IQM covered, {jobs} jobs", "95 %", shares, runs)


def coverage_of_improvement(runs: int) -> Row:
    """Of the probability of improvement between normal scores half a spread apart."""
    truth = 0.5 * (1 + math.erf(0.5 / math.sqrt(2) / math.sqrt(2)))

    def covers(rng: np.random.Generator, n: int) -> bool:
        found = probability_of_improvement([(rng.normal(0.5, 1, n), rng.normal(0, 1, n))])
        return found.low <= truth <= found.high

    shares = tuple(share(runs, lambda r, n=n: covers(r, n)) for n in SEEDS)  # type: ignore[misc]
    return Row("P(improvement) covered, truth 0.64", "95 %", shares, runs)


def false_verdicts(runs: int, controls: int, rounds: int = 3) -> Row:
    """Jobs in which no arm differs, and some verdict says one does."""
    names = ("random", "reinit", "shuffled_mask", "shuffled_weights", "random_global", "one_shot")[:controls]

    def wrong(rng: np.random.Generator, n: int) -> bool:
        experiment = Experiment.model_validate(
            {"name": "simulated", "seeds": tuple(range(n)), "arms": ("winning", *names), "pruning": {"rounds": rounds}}
        )
        level = rng.normal(0, 5, n)
        scores = {
            (arm, round): {seed: float(level[seed] + rng.normal(0, 1)) for seed in range(n)}
            for arm in experiment.arms
            for round in range(1, rounds + 1)
        }
        found = verdicts(experiment, [], scores, comparisons(experiment))
        return any(verdict.word != "inconclusive" for verdict in found)

    shares = tuple(share(runs, lambda r, n=n: wrong(r, n)) for n in SEEDS)  # type: ignore[misc]
    return Row(f"some false verdict, {controls} control{'s' * (controls > 1)}", "<= 5 %", shares, runs)


def false_rounds(runs: int, rounds: int = 20) -> Row:
    """Chains without a difference (noise shared between rounds), and some round is called different."""

    def wrong(rng: np.random.Generator, n: int) -> bool:
        differences = rng.normal(0, 1, (n, 1)) + rng.normal(0, 1, (n, rounds))
        return min(holm([sign_flip_p(column.tolist()) for column in differences.T])) <= LEVEL

    shares = tuple(share(runs, lambda r, n=n: wrong(r, n)) for n in SEEDS)  # type: ignore[misc]
    return Row(f"some false round of {rounds}, Holm", "<= 5 %", shares, runs)


def false_answers(runs: int) -> Iterator[Row]:
    """Words of one job that are wrong; the margin is one spread."""

    def rate(said: Callable[[list[float]], bool], mean: float) -> tuple[float, ...]:
        return tuple(share(runs, lambda r, n=n: said(r.normal(mean, 1, n).tolist())) for n in SEEDS)  # type: ignore[misc]

    def effect(words: tuple[str, ...]) -> Callable[[list[float]], bool]:
        return lambda gains: judge(gains, 20.0) in words

    yield Row("helps or hurts, nothing differs", "<= 5 %", rate(effect(("helps", "hurts", "crashes")), 0.0), runs)
    yield Row("leaves alone, a loss of the margin", "<= 5 %", rate(effect(("leaves alone",)), -1.0), runs)
    yield Row(
        "matching, a loss of the margin", "<= 5 %", rate(lambda g: judge_match(g, 1.0)[0] in MATCHING, -1.0), runs
    )
    yield Row("equal, a gain of the margin", "<= 5 %", rate(lambda g: judge_match(g, 1.0)[0] == "equal", 1.0), runs)
    yield Row("below, a loss of the margin", "<= 5 %", rate(lambda g: judge_match(g, 1.0)[0] == "below", -1.0), runs)


def overshoot(runs: int, rounds: int = 20, true_last: int = 8) -> Row:
    """Chains that match up to a round and lose the margin from then on: how far can one prune is answered too far."""

    def wrong(rng: np.random.Generator, n: int) -> bool:
        level = rng.normal(0, 0.3, n)
        for round in range(1, rounds + 1):
            gains = level + rng.normal(0 if round <= true_last else -1.0, 0.3, n)
            if judge_match(gains.tolist(), 1.0)[0] not in MATCHING:
                return round - 1 > true_last
        return True

    shares = tuple(share(runs, lambda r, n=n: wrong(r, n)) for n in SEEDS)  # type: ignore[misc]
    return Row("how far one can prune, said too far", "<= 5 %", shares, runs)


def falls(runs: int) -> Iterator[Row]:
    """A tenth of the seeds loses half of the dense network's gain, in the mean all of the margin: what is said of it.

    Few seeds cannot see it: they say that typical seeds match. That an arm matches is said where it would be seen.
    """

    def gains(rng: np.random.Generator, n: int, part: float) -> list[float]:
        return (np.where(rng.random(n) < part, -10.0, 0.0) + rng.normal(0, 0.3, n)).tolist()

    def typically(rng: np.random.Generator, n: int) -> bool:
        return judge_match(gains(rng, n, 0.1), 1.0)[0] in MATCHING

    def matches(rng: np.random.Generator, n: int, part: float) -> bool:
        found = gains(rng, n, part)
        return judge_match(found, 1.0)[0] in MATCHING and rare(found, 1 / EQUIVALENT)

    shares = tuple(share(runs, lambda r, n=n: typically(r, n)) for n in SEEDS)  # type: ignore[misc]
    yield Row("typical seeds match, 1 in 10 falls", "0.9^n", shares, runs)
    shares = tuple(share(runs, lambda r, n=n: matches(r, n, 0.1)) for n in SEEDS)  # type: ignore[misc]
    yield Row("matches, 1 in 10 falls", "<= 5 %", shares, runs)
    for n in (fewest_to_exclude(), 2 * fewest_to_exclude()):
        for part, promised in ((0.1, "<= 5 %"), (0.0, ">= 80 %")):
            found = share(runs, lambda r, n=n, part=part: matches(r, n, part))  # type: ignore[misc]
            one = "1 in 10" if part else "none"
            yield Row(f"matches, {one} falls, n={n}", promised, (None, None, None, None, found), runs)
    shares = tuple(share(runs, lambda r, n=n: judge(gains(r, n, 0.1), 20.0) == "leaves alone") for n in SEEDS)  # type: ignore[misc]
    yield Row("leaves typical seeds alone, 1 in 10 falls", "0.9^n", shares, runs)


def power(runs: int) -> Row:
    """Tests with as many seeds as `seeds_needed` says, where spread and mean are what it was told."""

    def decided(n: int) -> float | None:
        sizes = [d for d in np.arange(3.0, 0.3, -0.01) if seeds_needed([d - 1, d, d + 1]) == n]  # a spread of 1
        return share(runs, lambda r: sign_flip_p(r.normal(sizes[0], 1, n).tolist()) <= LEVEL) if sizes else None

    return Row("decided with the seeds said to be needed", "80 %", tuple(decided(n) for n in SEEDS), runs)


def rows(runs: int) -> Iterator[Row]:
    """The whole table."""
    yield from coverage_of_the_mean(runs)
    yield coverage_across_jobs(runs)
    yield coverage_of_improvement(runs)
    for controls in (1, 3, 6):
        yield false_verdicts(max(runs // 4, 1), controls)
    yield false_rounds(max(runs // 4, 1))
    yield from false_answers(runs)
    yield overshoot(runs)
    yield from falls(runs)
    yield from critical_rows(max(runs // 2, 1))
    yield from domain_rows(max(runs // 10, 1))
    yield power(runs)


def main() -> None:
    """Print the table, line by line as it is found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1000)
    arguments = parser.parse_args()
    statistics.RESAMPLES = arguments.resamples
    print(
        f"{'':42s} {'should be':>9s}  " + "".join(f"{f'n={n}':>8s}" for n in SEEDS) + "   runs, standard error at 5 %"
    )
    for row in rows(arguments.runs):
        found = "".join(f"{value:8.1%}" if value is not None else f"{'-':>8s}" for value in row.shares)
        error = math.sqrt(0.05 * 0.95 / row.runs)
        print(f"{row.what:42s} {row.promised:>9s}  {found}   {row.runs}, {error:.1%}", flush=True)


if __name__ == "__main__":
    main()
