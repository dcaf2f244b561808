"""One arm against another: paired by seed, on pre-declared numbers, corrected over a job's comparisons."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lth_core.analysis.gone import gone_said
from lth_core.analysis.kinds import is_one_shot, is_random
from lth_core.analysis.power import LEVEL, more_seeds
from lth_core.analysis.profiles import probability_of_improvement
from lth_core.analysis.ranks import joint_flip_p, signed_ranks
from lth_core.analysis.scores import JobScores
from lth_core.analysis.statistics import Interval, bootstrap, holm_grouped
from lth_core.analysis.survival import Ratios, Survival, ratios, survival
from lth_core.analysis.trials import Scored, Scores, have_ended, is_lost
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.store.views import GoneLayer
from lth_core.text import plural, significant


@dataclass(frozen=True)
class Verdict:
    """One arm against another, judged on one pre-declared number per seed.

    That number is the mean over rounds of the paired score difference: the area between the two lottery
    curves on a logarithmic density axis. `better` and `worse` need all trials to have ended, a 95 % interval that
    excludes zero and a sign-flip p of at most 5 %, corrected by Holm over the `comparisons` of the job;
    everything else is `inconclusive`. Seeds that lost a trial are not in the interval, and count against the
    decision in p. improvement: chance that a chain of the one has the larger area than a chain of the other, where a
    lost chain is the worst of all. survival: the same two arms by their critical densities, the other number that is
    fixed in advance; None where rounds are compared that have none. short: the answer with its size; facts: what it
    rests on, in clauses. otherwise: what another measure of the same says instead, if it gives another word.
    """

    reference: str
    control: str
    word: Literal["better", "worse", "inconclusive"]
    effect: Interval
    p: float
    rounds: int
    lost: int
    improvement: Interval
    comparisons: int = 1
    survival: Survival | None = None
    short: str = ""
    facts: tuple[str, ...] = ()
    otherwise: str = ""

    @property
    def text(self) -> str:
        """The answer and its clauses in one line."""
        return "; ".join((self.short, *self.facts))


def comparisons(experiment: Experiment) -> list[tuple[str, str]]:
    """The pairs of arms that a job compares, fixed by its arms: the reference with each control, one-shot with random.

    The last is the paper's question whether one-shot pruning is worse than random tickets.
    """
    reference = experiment.reference
    pairs = [(reference, arm) for arm in experiment.ticket_arms if arm != reference]
    one_shot = [arm for arm in experiment.arms if is_one_shot(experiment.arm_named(arm))]
    drawn = [arm for arm in experiment.arms if is_random(experiment.arm_named(arm))]
    if one_shot and drawn and reference not in (one_shot[0], drawn[0]):
        pairs.append((one_shot[0], drawn[0]))
    return pairs


def with_lost(effects: Sequence[float], lost: int) -> list[float]:
    """The effects and, for each lost seed, one in the opposite direction, as strong as the strongest of them.

    All of them together undo the effects at most: many lost seeds are no evidence for the opposite.
    """
    total = sum(effects)
    strongest = min(max(map(abs, effects), default=0.0), abs(total) / max(lost, 1))
    return [*effects, *[-math.copysign(strongest, total)] * lost]


@dataclass(frozen=True)
class _Areas:
    """Two arms' areas: mean score over the rounds that all seeds have finished, of both arms, seed by seed.

    effects: differences of `seeds`, those that lost no trial; lost: how many did. one, other: areas of all seeds,
    higher is better, -inf if a trial is missing.
    """

    seeds: list[int]
    effects: list[float]
    one: list[float]
    other: list[float]
    rounds: int
    lost: int


def verdicts(
    experiment: Experiment,
    trials: Sequence[Scored],
    scores: Scores,
    pairs: Sequence[tuple[str, str]],
    turned: JobScores | None = None,
    gone: Sequence[GoneLayer] = (),
) -> list[Verdict]:
    """A verdict per pair of arms, by area and, with `turned`, by critical density; all corrected together.

    gone: layers of which nothing is left, named with the answers.

    Both numbers of a pair are tested with the same sign flips, pairs by Holm.
    """
    areas = [_areas(experiment, trials, scores, *pair) for pair in pairs]
    logs = [ratios(turned, *pair) if turned is not None else None for pair in pairs]
    corrected = holm_grouped([_p_values(area, found) for area, found in zip(areas, logs, strict=True)])
    ended = have_ended(trials)
    made = []
    for pair, area, found, p in zip(pairs, areas, logs, corrected, strict=True):
        verdict = _verdict(experiment, pair, area, p[0], len(pairs), ended)
        if turned is not None and found is not None:
            verdict = replace(verdict, survival=survival(turned, *pair, found, p[-1], ended=ended))
        made.append(replace(verdict, facts=(*verdict.facts, *gone_said(experiment, gone, pair))))
    return made


def _p_values(areas: _Areas, found: Ratios | None) -> list[float]:
    """p of the areas and, if there are any, of the critical densities of the same seeds.

    A seed whose dense network was lost has an area, but no critical density: there it counts as lost.
    """
    numbers = [with_lost(areas.effects, areas.lost)]
    if found is None or not found.logs:
        return joint_flip_p(numbers)
    if not set(found.seeds) <= set(areas.seeds):  # while rounds are unfinished the two may have different seeds
        return [*joint_flip_p(numbers), 1.0]
    own = dict(zip(found.seeds, found.logs, strict=True))
    lost = with_lost(found.logs, areas.lost + len(areas.seeds) - len(own))[len(own) :]
    logs = [own[seed] if seed in own else lost.pop() for seed in areas.seeds]
    return joint_flip_p([*numbers, signed_ranks([*logs, *lost])])


def _verdict(
    experiment: Experiment, pair: tuple[str, str], areas: _Areas, p: float, family: int, ended: bool
) -> Verdict:
    interval = bootstrap(areas.effects)
    agree = sum(areas.effects) * interval.value > 0  # p is about the mean, the interval about the interquartile mean
    word: Literal["better", "worse", "inconclusive"] = "inconclusive"
    if ended and agree and p <= LEVEL and (interval.low > 0 or interval.high < 0):
        word = "better" if (interval.value > 0) == experiment.task.higher_is_better else "worse"
    runs = [(np.array(areas.one), np.array(areas.other))] if areas.rounds else []
    improvement = probability_of_improvement(runs)
    better = "" if experiment.task.higher_is_better else ", less is better"
    verdict = Verdict(*pair, word, interval, p, areas.rounds, areas.lost, improvement, family)
    return replace(
        verdict,
        short=_short(verdict, ended, better),
        facts=tuple(_facts(verdict, areas.effects, ended)),
    )


def _areas(experiment: Experiment, trials: Sequence[Scored], scores: Scores, one: str, other: str) -> _Areas:
    """The areas. Seeds that lost a trial are left out of `effects` entirely, so that the others keep later rounds."""
    lost = {t.seed for t in trials if t.arm in (one, other, DENSE) and is_lost(t)} & set(experiment.seeds)
    both: dict[int, set[int]] = {}
    for round in range(1, experiment.pruning.rounds + 1):
        both[round] = (scores.get((one, round), {}).keys() & scores.get((other, round), {}).keys()) - lost
    started = set().union(*both.values())
    complete = [round for round, seeds in both.items() if seeds and seeds == started]

    def area(arm: str, seed: int) -> float:
        own = [scores.get((arm, round), {}).get(seed, math.nan) for round in complete]
        return float(np.mean(own)) if own else math.nan

    sign = 1.0 if experiment.task.higher_is_better else -1.0
    mine, theirs = (
        [-math.inf if math.isnan(a) else sign * a for a in (area(arm, seed) for seed in sorted(started | lost))]
        for arm in (one, other)
    )
    seeds = sorted(started) if complete else []
    effects = [area(one, seed) - area(other, seed) for seed in seeds]
    return _Areas(seeds, effects, mine, theirs, len(complete), len(lost))


def _short(verdict: Verdict, ended: bool, better: str) -> str:
    reference, control, effect = verdict.reference, verdict.control, verdict.effect
    if effect.n == 0 or verdict.rounds == 0:
        return f"{reference} or {control}: no round is finished by all seeds" + ("" if ended else " yet")
    size = effect.signed()
    if not ended:
        return f"{reference} minus {control} so far: {size}{better}"
    if verdict.word == "inconclusive":
        return f"{reference} or {control}: open, {size}{better}"
    return f"{reference} is {verdict.word} than {control}: {size}"


def _facts(verdict: Verdict, effects: Sequence[float], ended: bool) -> Iterator[str]:
    """Rounds, seeds and p, then how often chains beat others, or how many more seeds would decide."""
    effect, rounds = verdict.effect, verdict.rounds
    if effect.n == 0 or rounds == 0:
        return
    mean = significant(float(np.mean(effects)), 4, signed=True)
    counted = f"{plural(rounds, 'round')}, n={effect.n}, mean {mean}"
    yield counted + (f", p={verdict.p:.2g}" if ended else "")
    if verdict.lost:
        yield f"{verdict.lost} more lost a trial and count against"
    if not ended:
        yield "no verdict before the end"
    elif verdict.word == "inconclusive":
        more = more_seeds(with_lost(effects, verdict.lost), verdict.comparisons)
        if more:
            yield more
    else:
        yield f"its chains beat those of {verdict.control} in {verdict.improvement.value:.0%} of pairs"
