"""Simulated jobs for critical densities: curves of score over log density whose half-way points are known."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.simulated import SEEDS, Row, share
from lth_core.analysis.comparison import Verdict, comparisons, verdicts
from lth_core.analysis.critical import HALF, Critical, critical
from lth_core.analysis.scores import JobScores
from lth_core.analysis.trials import Trial, finished_scores
from lth_core.experiment.experiment import Experiment


@dataclass(frozen=True)
class World:
    """How jobs are made. centre: median critical density of winning; ratio: random's over winning's; spread: of its
    logarithm over chains, shared by the arms of a seed and not; noise: of a score; collapses: share of trials that
    learn nothing; skewed: whether the logarithm is spread to one side only."""

    name: str
    centre: float = 0.06
    ratio: float = 3.0
    spread: float = 0.3
    noise: float = 40.0
    collapses: float = 0.0
    skewed: bool = False
    rounds: int = 16


WORLDS = (
    World("plain"),
    World("noisy, 16 rounds", noise=90.0),
    World("1 in 20 trials collapses", collapses=0.05),
    World("skewed", skewed=True),
    World("half of winning never crosses", centre=0.03),
)
_ZERO, _TOP, _WIDTH = 22.3, 480.0, 0.35


def halves(world: World, rng: np.random.Generator, n: int) -> np.ndarray:
    """Log critical densities (2, n) of winning and random, without noise."""
    own = rng.exponential(1.0, (2, n)) - 1 if world.skewed else rng.normal(0, 1, (2, n))
    shared = rng.normal(0, world.spread, n)
    centres = np.log([[world.centre], [world.centre * world.ratio]])
    found: np.ndarray = centres + shared + world.spread * own
    return found


def job(world: World, rng: np.random.Generator, n: int, **fields: object) -> tuple[Experiment, list[Trial]]:
    """A job of two arms with n seeds, all ended."""
    experiment = Experiment.model_validate(
        {"name": "simulated", "seeds": tuple(range(n)), "arms": ("winning", "random"),
         "pruning": {"rounds": world.rounds}, **fields}
    )  # fmt: skip
    places = halves(world, rng, n)
    trials = [Trial("dense", 0, seed, "done", float(rng.normal(_TOP, world.noise / 2)), 1.0) for seed in range(n)]
    for arm, own in zip(experiment.arms, places, strict=True):
        for round in range(1, world.rounds + 1):
            density = experiment.pruning.density(round)
            true = _ZERO + (_TOP - _ZERO) / (1 + np.exp(-(math.log(density) - own) / _WIDTH))
            found = true + rng.normal(0, world.noise, n) * np.minimum(1, (true - _ZERO) / 200)
            found = np.where(rng.random(n) < world.collapses, _ZERO, found)
            trials += [Trial(arm, round, seed, "done", float(found[seed]), density) for seed in range(n)]
    return experiment, trials


def answers(world: World, rng: np.random.Generator, n: int) -> tuple[Verdict, Critical | None]:
    """The verdict on the two arms, and winning's critical density."""
    experiment, trials = job(world, rng, n)
    scores = JobScores(experiment, trials, {"CartPole-v1": _ZERO, "CartPole-v0": _ZERO})
    (verdict,) = verdicts(experiment, trials, finished_scores(experiment.task, trials), comparisons(experiment), scores)
    return verdict, critical(scores, "winning", HALF)


def truths(world: World) -> tuple[float, float]:
    """Of the noiseless chains: median critical density of winning, and centre of the log ratios; densities below the
    last round count as that one."""
    floor = 0.8**world.rounds
    one, other = np.maximum(halves(world, np.random.default_rng(1), 200_000), math.log(floor))
    logs = other - one
    means = (logs + np.roll(logs, 1)) / 2  # of pairs of chains: their median is what Hodges and Lehmann estimate
    return math.exp(float(np.median(one))), float(np.median(means))


def critical_rows(runs: int) -> Iterator[Row]:
    """Coverage of densities and ratios in several worlds, and how often one arm is falsely said to survive more."""
    for world in WORLDS:
        median, ratio = truths(world)
        found: dict[str, list[float]] = {"density": [], "ratio": []}
        for n in SEEDS[1:]:
            hits = np.zeros(2)
            for run in range(runs):
                verdict, own = answers(world, np.random.default_rng([0, run]), n)
                assert verdict.survival is not None and own is not None
                low, high = math.log(verdict.survival.ratio.low), math.log(verdict.survival.ratio.high)
                hits += (own.density.low <= median <= own.density.high, low - 1e-9 <= ratio <= high + 1e-9)
            found["density"].append(hits[0] / runs)
            found["ratio"].append(hits[1] / runs)
        for what, shares in found.items():
            yield Row(f"critical {what}, {world.name}", "95 %", (None, *shares), runs)
    for world in (World("plain", ratio=1.0), World("collapses", ratio=1.0, collapses=0.05)):

        def wrong(rng: np.random.Generator, n: int, world: World = world) -> bool:
            verdict, _ = answers(world, rng, n)
            assert verdict.survival is not None
            return verdict.survival.word != "inconclusive"

        shares = tuple(share(runs, lambda r, n=n: wrong(r, n)) for n in SEEDS)  # type: ignore[misc]
        yield Row(f"falsely survives more or less, {world.name}", "<= 5 %", shares, runs)
