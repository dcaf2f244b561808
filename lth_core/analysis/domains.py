"""Is it about images? The gap between winning and random tickets in each job of a suite, on a scale of its own, and
whether that of images differs from the others'."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lth_core.analysis.critical import FEWEST_ROUNDS, HALF, Chain, Critical, critical
from lth_core.analysis.effect import LEVELS, Level, level_round
from lth_core.analysis.kinds import is_random
from lth_core.analysis.normalised import Stratum, has_scale, stratified_iqm
from lth_core.analysis.power import LEVEL
from lth_core.analysis.questions import Finding, Line
from lth_core.analysis.ranks import shift
from lth_core.analysis.scores import JobScores
from lth_core.analysis.statistics import Floats, Interval, holm
from lth_core.analysis.survival import ratios
from lth_core.analysis.trials import have_ended
from lth_core.analysis.two_samples import Apart, Bound, apart
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.text import significant

IMAGES = "images"
"""The kind of task that is asked about."""
OTHERS = "the others"
QUESTION = "Is it about images?"


@dataclass(frozen=True)
class OwnScale:
    """The two arms at one level: 0 is the reference score of the job, 1 its dense network. None where not known."""

    level: Level
    density: float
    reference: Interval | None
    control: Interval | None
    difference: Interval | None


@dataclass(frozen=True)
class Member:
    """One job. ratio: the control's critical density over the reference's, as `survival.Survival` has it; bound: what
    its censored chains leave of it. halves: of the reference arm and the control. why: why there is no ratio."""

    job: int
    name: str
    kind: str
    control: str
    scales: tuple[OwnScale, ...]
    halves: tuple[Critical | None, Critical | None]
    ratio: Interval
    bound: Bound
    lost: int
    why: str


@dataclass(frozen=True)
class Contrast:
    """The gap of images over that of another job, or of all others together.

    factor: how many times as large the ratio of critical densities is, with its interval; bound: what censored chains
    leave of the factor. word: `larger` or `smaller` if the jobs have ended, p is at most 5 % and the interval does not
    hold 1, else `open`. p: of a test of two independent samples (`two_samples.split_p`), corrected by Holm.
    """

    other: str
    word: str
    factor: Interval
    bound: Bound
    p: float
    short: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Domains:
    """The answer of a suite. reference: the arm whose gap over random tickets is asked about; members: all jobs that
    have both arms; contrasts: all others together first, if there are several."""

    reference: str
    members: tuple[Member, ...]
    contrasts: tuple[Contrast, ...]

    @property
    def short_names(self) -> list[str]:
        """The members' names without what all begin with."""
        return _short([member.name for member in self.members])

    @property
    def finding(self) -> Finding:
        """The question with its answers."""
        return Finding(QUESTION, self.contrasts[0].word, tuple(Line(c.word, c.short, c.facts) for c in self.contrasts))


@dataclass(frozen=True)
class Job:
    """A job of a suite, as the question needs it."""

    job: int
    name: str
    scores: JobScores


def drawn_arm(experiment: Experiment) -> str | None:
    """The random arm that the reference arm is compared with; None if there is none, or too few rounds."""
    arms = [a for a in experiment.ticket_arms if a != experiment.reference and is_random(experiment.arm_named(a))]
    return arms[0] if arms and experiment.pruning.rounds >= FEWEST_ROUNDS else None


def domains(jobs: Sequence[Job]) -> Domains | None:
    """The answer; None if the suite does not ask: some job on images and some other have the two arms."""
    asked = [job for job in jobs if drawn_arm(job.scores.experiment) is not None]
    of_images = [_is_images(job) for job in asked]
    references = {job.scores.experiment.reference for job in asked}
    if not any(of_images) or all(of_images) or len(references) > 1:
        return None
    found = [_Found(job) for job in asked]
    images, others = ([f for f in found if _is_images(f.job) == side] for side in (True, False))
    pairs = [(f.name, [f]) for f in others]
    pairs = [(OTHERS, others), *pairs] if len(others) > 1 else pairs
    names = dict(zip((f.job.name for f in found), _short([f.job.name for f in found]), strict=True))
    return Domains(references.pop(), tuple(f.member for f in found), tuple(_contrasts(images, pairs, names)))


def _is_images(job: Job) -> bool:
    return job.scores.experiment.task.kind == IMAGES


def _short(names: Sequence[str]) -> list[str]:
    """Names without what all begin with, up to a hyphen."""
    same = 0
    for place, letters in enumerate(zip(*names, strict=False), start=1):
        if len(set(letters)) > 1:
            break
        same = place if letters[0] == "-" else same
    return [name[same:] or name for name in names]


class _Found:
    """A job's member, and its log ratios as bounds, one row per seed."""

    def __init__(self, job: Job) -> None:
        self.job, self.name, scores = job, job.name, job.scores
        reference, control = scores.experiment.reference, drawn_arm(scores.experiment) or ""
        own = ratios(scores, reference, control)
        lost = len(scores.lost_seeds(reference, control) & set(scores.experiment.seeds)) if own.logs else 0
        rows = [_bounds(mine, theirs) for mine, theirs in zip(own.one, own.other, strict=True)]
        self.bounds: Floats = np.array([*rows, *[(-math.inf, math.inf)] * lost]).reshape(-1, 2)
        self.ended = have_ended(scores.trials)
        self.censored = [
            f"{sum(c.how == 'stays above' for c in chains)} of {len(chains)} chains of {arm}"
            for arm, chains in ((reference, own.one), (control, own.other))
            if any(c.how == "stays above" for c in chains)
        ]
        logs = shift(own.logs)
        self.member = Member(
            job=job.job,
            name=job.name,
            kind=scores.experiment.task.kind,
            control=control,
            scales=tuple(_own_scale(scores, level, reference, control) for level in LEVELS),
            halves=(critical(scores, reference, HALF), critical(scores, control, HALF)),
            ratio=Interval(math.exp(logs.value), math.exp(logs.low), math.exp(logs.high), logs.n),
            bound=_side(own.one, own.other),
            lost=lost,
            why=own.why or ("" if own.logs else "too few rounds are finished by all seeds"),
        )


def _bounds(mine: Chain, theirs: Chain) -> tuple[float, float]:
    """Bounds of the log of theirs over mine."""
    value = math.log(theirs.density / mine.density)
    low = -math.inf if theirs.how == "stays above" or mine.how == "starts below" else value
    high = math.inf if mine.how == "stays above" or theirs.how == "starts below" else value
    return low, high


def _side(one: Sequence[Chain], other: Sequence[Chain]) -> Bound:
    rows = [_bounds(mine, theirs) for mine, theirs in zip(one, other, strict=True)]
    up, down = any(math.isinf(high) for _, high in rows), any(math.isinf(low) for low, _ in rows)
    if up and down:
        return "between"
    return "at least" if up else "at most" if down else ""


def _own_scale(scores: JobScores, level: Level, reference: str, control: str) -> OwnScale:
    round = level_round(scores.experiment, level, scores.trials)

    def normalised(*arms: str) -> Interval | None:
        *own, dense = scores.paired(round, *arms, DENSE)
        if scores.scale is None or not dense.size or not has_scale(dense.tolist()):
            return None
        return stratified_iqm([Stratum(own[0] - own[1] if len(own) > 1 else own[0], dense)])

    return OwnScale(
        level,
        scores.density(reference, round),
        normalised(reference),
        normalised(control),
        normalised(reference, control),
    )


def _contrasts(
    images: Sequence[_Found], pairs: Sequence[tuple[str, Sequence[_Found]]], names: dict[str, str]
) -> Iterator[Contrast]:
    mine = np.concatenate([f.bounds for f in images])
    found: list[Apart | None] = []
    for _, others in pairs:
        theirs = np.concatenate([f.bounds for f in others])
        found.append(apart(mine, theirs) if len(mine) and len(theirs) else None)
    corrected = holm([one.p if one is not None else 1.0 for one in found])
    for (other, others), one, p in zip(pairs, found, corrected, strict=True):
        yield _contrast(images, other, others, one, p, names)


def _contrast(
    images: Sequence[_Found],
    other: str,
    others: Sequence[_Found],
    found: Apart | None,
    p: float,
    names: dict[str, str],
) -> Contrast:
    called = names.get(other, other)
    silent = tuple(f"{names[f.name]} is left out: {f.member.why}" for f in (*images, *others) if f.member.why)
    if found is None:
        nothing = Interval(math.nan, math.nan, math.nan, 0)
        return Contrast(other, "open", nothing, "unknown", p, f"open: nothing can be said of {called}", silent)
    ended = all(f.ended for f in (*images, *others))
    word = "open"
    if ended and p <= LEVEL and (found.low > 0 or found.high < 0):
        word = "larger" if found.low > 0 else "smaller"
    facts = (
        "ratios of critical densities: " + ", ".join(_ratio(f, names) for f in (*images, *others) if f.bounds.size),
        f"seeds not paired, n={sum(len(f.bounds) for f in images)} and {sum(len(f.bounds) for f in others)}"
        + (f", p={p:.2g}" if ended else ""),
        *_unknown((*images, *others), names),
        *silent,
    )
    factor = Interval(
        math.exp(found.value), math.exp(found.low), math.exp(found.high), sum(len(f.bounds) for f in (*images, *others))
    )
    arms = (images[0].job.scores.experiment.reference, images[0].member.control)
    short = _short_answer(arms, called, factor, found.bound, word, ended)
    return Contrast(other, word, factor, found.bound, p, short, facts)


def _short_answer(arms: tuple[str, str], other: str, factor: Interval, bound: Bound, word: str, ended: bool) -> str:
    opened = "" if word != "open" else "open: " if ended else "so far: "
    if bound == "unknown":
        return f"{opened}chains that never fall below half leave nothing to say of images against {other}"
    size = significant(factor.value, 2)
    sized = "as large" if size == "1" and not bound else f"{size} times as large"
    limits = f" [{significant(factor.low, 2)}, {_upper(factor.high)}]" if not math.isnan(factor.low) else ""
    least = {"between": "about "}.get(bound, f"{bound} " if bound else "")
    return f"{opened}the gap between {arms[0]} and {arms[1]} is {least}{sized} for images as for {other}{limits}"


def _ratio(found: _Found, names: dict[str, str]) -> str:
    return f"{names[found.name]} {ratio_text(found.member)}"


def ratio_text(member: Member) -> str:
    """`at least 2.7 [1.9, 3.9]`; a dash where there is no ratio."""
    ratio = member.ratio
    if ratio.n == 0:
        return "-"
    bound = f"{member.bound} " if member.bound in ("at least", "at most") else ""
    limits = f" [{significant(ratio.low, 2)}, {significant(ratio.high, 2)}]" if math.isfinite(ratio.low) else ""
    return f"{bound}{significant(ratio.value, 2)}{limits}"


def _upper(value: float) -> str:
    return significant(value, 2) if math.isfinite(value) else "no bound"


def _unknown(found: Sequence[_Found], names: dict[str, str]) -> Iterator[str]:
    """What is known by bounds alone."""
    censored = [f"{names[f.name]} {' and '.join(f.censored)}" for f in found if f.censored]
    if censored:
        yield f"never below half, and so known by a bound only: {'; '.join(censored)}"
    lost = sum(f.member.lost for f in found)
    if lost:
        yield f"{lost} seeds lost a trial and are not known at all"
