"""The figures of a suite: a grid of lottery curves, the effect of pruning on each job, score profiles."""

import numpy as np
from matplotlib.figure import Figure

from lth_core.analysis.effect import CRASHED, EQUIVALENT, LEVELS, level_round
from lth_core.analysis.profiles import performance_profile
from lth_core.analysis.suite_questions import LEVEL_NAMES
from lth_core.experiment.arms import DENSE
from lth_core.report.drawing import GREY, legend, looks, panels, styled
from lth_core.report.figures import lottery
from lth_core.report.record import SuiteRecord
from lth_core.text import one_line


def suite_figures(record: SuiteRecord) -> dict[str, tuple[Figure, str]]:
    """(figure, caption) by file name; only figures with data."""
    made: dict[str, tuple[Figure, str] | None] = {}
    with styled():
        for name, draw in (("grid", _grid), ("effects", _effects), ("profiles", _profiles)):
            made[name] = draw(record)
    return {name: found for name, found in made.items() if found is not None}


def _short(record: SuiteRecord, name: str) -> str:
    """A job's name without the suite's name before it."""
    return one_line(name.removeprefix(f"{record.name}-"), 40)


def _grid(record: SuiteRecord) -> tuple[Figure, str] | None:
    """The paper's figure 5: one panel per game."""
    jobs = [job for job in record.jobs if any(c.round and c.score.n for c in job.summary.cells)]
    if not jobs:
        return None
    figure, axes = panels(len(jobs))
    for one, job in zip(axes, jobs, strict=True):
        lottery(one, job)
        one.set_title(_short(record, job.job.name))
    figure.supxlabel("prunable parameters kept (%, logarithmic)")
    scores = dict.fromkeys(job.experiment.judged_by for job in jobs)
    figure.supylabel(" or ".join(scores))
    legend(figure, axes)
    return figure, "Lottery curves of each job: interquartile mean over seeds, bands are 95 % bootstrap intervals."


def _effects(record: SuiteRecord) -> tuple[Figure, str] | None:
    """Gain over dense relative to the dense network's gain, per job and level, with margin and crash line."""
    rows = [
        (job, answer) for job in record.summary.jobs for answer in job.answers
        if answer.scale is not None and answer.gain.n > 1
    ]  # fmt: skip
    if not rows:
        return None
    figure, axes = panels(len(LEVELS), columns=2, width=3.6, height=0.9 + 0.3 * len(record.summary.jobs))
    for one, level in zip(axes, LEVELS, strict=True):
        own = [(job, a) for job, a in rows if a.level == level]
        one.axvspan(-EQUIVALENT, EQUIVALENT, color=GREY, alpha=0.25, linewidth=0)
        one.axvline(0, color=GREY, linewidth=0.9)
        one.axvline(-CRASHED, color="#D55E00", linewidth=0.9, dashes=(3, 2))
        for place, (_, answer) in enumerate(own):
            scale = answer.scale or 1.0
            low, high = answer.gain.low / scale, answer.gain.high / scale
            one.plot([low, high], [place, place], color="#0072B2", linewidth=2, solid_capstyle="butt")
            one.plot([answer.gain.value / scale], [place], "o", color="#0072B2")
            one.annotate(answer.word, (high, place), (5, 0), textcoords="offset points", va="center", fontsize=7.5)
        one.set_yticks(range(len(own)), [_short(record, job.name) for job, _ in own])
        one.set_ylim(len(own) - 0.4, -0.6)
        left, right = one.get_xlim()
        one.set_xlim(left, right + 0.45 * (right - left))  # space for the labels
        one.set_title(LEVEL_NAMES[level])
    figure.supxlabel(f"{record.summary.arm} minus dense, in units of what dense gains over the reference")
    return figure, (
        "What pruning does to each job: interquartile mean of the paired gain with its 95 % interval. Grey: the margin "
        f"of `leaves alone` ({EQUIVALENT:.0%}); dashed: the line below which it `crashes` ({-CRASHED:.0%})."
    )


def _profiles(record: SuiteRecord) -> tuple[Figure, str] | None:
    """Share of runs above each normalised score, at both levels, for the arms that all jobs have."""
    arms = [c.arm for c in record.summary.across if c.level == LEVELS[0]]
    jobs = [job for job in record.jobs if job.scores.scale is not None]
    if not jobs or not arms:
        return None
    taus = np.linspace(-0.1, 1.3, 141)
    figure, axes = panels(len(LEVELS), columns=2, width=3.6, height=2.7)
    look = looks(record.jobs[0].experiment)
    for one, level in zip(axes, LEVELS, strict=True):
        for arm in arms:
            runs = []
            for job in jobs:
                scores, scale = job.scores, job.scores.scale or 1.0
                own, _ = scores.with_failed(level_round(job.experiment, level, scores.trials), arm, DENSE)
                if own.size:
                    runs.append(own / scale)
            if not runs:
                continue
            found = performance_profile(runs, taus)
            one.plot(found.taus, found.share, color=look[arm].colour, linestyle=look[arm].line, label=arm)
            one.fill_between(found.taus, found.low, found.high, color=look[arm].colour, alpha=0.14, linewidth=0)
        one.set_title(LEVEL_NAMES[level])
        one.set_ylim(-0.02, 1.02)
    figure.supxlabel("normalised score (0 reference, 1 dense)")
    figure.supylabel("share of runs above")
    legend(figure, axes)
    return figure, (
        "Performance profiles: share of runs with a normalised score above each value, all jobs together, with 95 % "
        "stratified bootstrap bands (pointwise). A failed run is below every value."
    )
