"""The stored answers as a page in Markdown: docs/claims.md."""

from collections.abc import Iterable, Iterator, Mapping

from lth_core.claims.claim import Claim, PaperFigure, claims, command, experiments, paper_figures
from lth_core.claims.stored import UNKNOWN, Stored, StoredClaim, StoredJob

WORKERS = 2
PLANNED, PLANNED_IN_ALL = 1.5, 8.0
"""Hours on two cores: of a preset, and of all of them."""
_COST = """\
## What it cost

The plan was at most 90 minutes for each preset and 8 hours for all, on two cores that do nothing else. These two cores
did other work as well, so the clock (half of the worker hours) overstates what training takes; two cores of their own
need half of the CPU hours. `quick/digits`, `paper/cartpole`, `claims/transformer`,
`claims/games`, `claims/games-ablation` and `claims/lstm-all` were run again to record them: times are of that second
run, on quieter cores and with a newer revision; all 2,796 scores came out equal to the last bit.
`claims/games-ablation` was stopped for 20 minutes in between, which the clock counts. So each preset is within the plan
on cores of its own, and all together, the LSTM's first run included; not in the table is the lost run of
`multi30k-all`, some 0.7 CPU hours. What the paper's own scale takes:
[speed](speed.md#the-papers-full-scale)."""
_INTRODUCTION = """\
# The paper's claims, tested

Claims of Yu, Edunov, Tian & Morcos (2020), one of later work and a positive control, each with tests that were fixed
before the run that answers it; where an earlier run was known by then, the claim says so. A test is a weighted sum of
arms, seed by seed, such as winning minus random: its interquartile mean over seeds with a 95 % bootstrap interval, and
a p-value by sign flips. Its sign is turned so that more is better, for log perplexity too; under [the
jobs](#the-jobs), differences of two arms are as measured.

| a test shows | if |
| --- | --- |
| a difference | the interval excludes zero, the mean has the same sign, and p, corrected over the claim's tests (Holm), is at most 5 % |
| no loss | the interval lies above minus the margin, the one-sided p of that, times the claim's tests, is at most 5 %, and no seed falls. The margin is 5 % of what the dense network gains over a network that learnt nothing; a seed falls if it loses over a quarter of that gain |
| no difference | the same holds on both sides of zero: no seed rises as far either |

- *held*: the test shows what is claimed. A difference within the margin counts as none where none is claimed.
- *contradicted*: it shows a difference in the other direction, or none where one is claimed, or one where none is.
- *open*: it shows nothing; often there are too few seeds.
- A claim about some cases is held if one test is, contradicted if all are, else open. Any other claim whose tests
  disagree is *mixed*. If single rounds are shown to lie on both sides of zero, the lowest and highest stand beside the
  mean.

What this cannot do:
- With 8 seeds no p is below 2/256: of five tests, the strongest is only shown if all 8 seeds agree.
- What happens to a quarter of all seeds is missed by 8 seeds in one case of ten.
- Where arms do not differ, each claim errs in at most 5 % of cases; all together err more often, and some share jobs.
- Intervals of 8 to 10 seeds cover in 93 to 94 % of cases, not 95 %; so p is asked for, too.
- Most rewound tickets have 2 to 10 % more training behind them than random ones; each job's card says how much.
- Atari itself was left out for want of time: MinAtar's games stand in for it. In claims 5 to 9 the pairs of a grammar
  stand in for WMT's; claims 17 to 19 repeat some of that with real translations, a small data set.

Tables, protocol cards and figures of the jobs are in [claims/](claims/), with each job's `experiment.json`, which
`lth headless` runs as it was run here; `lth claims store docs/claims` makes the page.
Worker hours are wall-clock time, from each batch's first start to its end: pauses of a job count, too.
"""  # noqa: E501


def page(stored: Stored, folder: str) -> str:
    """All claims with their answers, then the jobs they rest on. folder: of the stored files, as the page links to."""
    known, jobs = {one.number: one for one in stored.claims}, {one.name: one for one in stored.jobs}
    listed = claims()
    parts = [_INTRODUCTION, "\n".join(_summary(listed, known))]
    parts += ["\n".join(_claim(claim, known.get(claim.number), jobs)) for claim in listed]
    parts += ["## The paper's figures", *(_figure(one, jobs, folder) for one in paper_figures())]
    parts += [_COST, "\n".join(_costs(listed, jobs)), "## The jobs"]
    parts += ["\n".join(_job(job, folder)) for job in stored.jobs]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _summary(listed: tuple[Claim, ...], known: Mapping[int, StoredClaim]) -> Iterator[str]:
    yield "| number | claim | answer |"
    yield "| --- | --- | --- |"
    for claim in listed:
        answer = known.get(claim.number)
        but = f"; {claim.but}" if answer is not None and claim.but else ""
        yield f"| {claim.number} | {claim.says} | {'not run' if answer is None else _short(answer)}{but} |"


def _short(answer: StoredClaim) -> str:
    """Its state, and how many of its tests have been run, unless all have."""
    ended = sum(test.state not in UNKNOWN for test in answer.tests)
    return answer.state + (f" ({ended} of {len(answer.tests)} tests run)" if ended < len(answer.tests) else "")


def _claim(claim: Claim, answer: StoredClaim | None, jobs: Mapping[str, StoredJob]) -> Iterator[str]:
    yield f"## {claim.number}. {claim.says}\n"
    yield f"- In the paper: {claim.paper}"
    yield f"- Here: {claim.scale}"
    yield f"- How its settings were chosen: {claim.chosen}"
    yield f"- Command: {', '.join(f'`{command(file)}`' for file in claim.files)}"
    if answer is None:
        yield from (f"- {test.says}: **not run**" for test in claim.tests)
        return
    own = [jobs[name] for name in answer.jobs if name in jobs]
    if own:
        yield f"- Rests on: {', '.join(_cost(job) for job in own)}"
    for test in answer.tests:
        word = "not run" if test.state in UNKNOWN else test.state  # a page does not run on
        yield f"- {test.says}: **{word}**{test.text.removeprefix(f'{test.says}: {test.state}')}"
    if claim.afterwards:
        yield f"- Written afterwards: {claim.afterwards}"


def _costs(listed: Iterable[Claim], jobs: Mapping[str, StoredJob]) -> Iterator[str]:
    """Of each preset that ran, then of all."""
    yield "| preset | trainings | wall-clock hours, two workers | CPU hours |"
    yield "| --- | --- | --- | --- |"
    files = dict.fromkeys(file for claim in listed for file in claim.files)
    ran = {file: [jobs[one.name] for one in experiments(file) if one.name in jobs] for file in files}
    whole = [job for own in ran.values() for job in own]
    for what, own in (*ran.items(), ("together", whole)):
        if own:
            hours, trainings = sum(job.hours for job in own) / WORKERS, sum(job.trainings for job in own)
            known = [job.cpu_hours for job in own if job.cpu_hours is not None]
            spent = "not recorded" if not known else f"{sum(known):.2f}"
            partly = f" (of {len(known)} of {len(own)} jobs)" if known and len(known) < len(own) else ""
            most = PLANNED_IN_ALL if own is whole else PLANNED
            clock = f"{hours:.2f}" + ", over the plan" * (hours > most)
            yield f"| {what if own is whole else f'`{what}`'} | {trainings:,} | {clock} | {spent}{partly} |"


def _cost(job: StoredJob) -> str:
    return f"[{job.name}](#{job.name}) ({job.trainings:,} trainings, {job.seeds} seeds, {job.hours:g} worker hours)"


def _figure(figure: PaperFigure, jobs: Mapping[str, StoredJob], folder: str) -> str:
    own = [panel.job for panel in figure.panels if panel.job in jobs]
    if not own:
        return f"**Figure {figure.number}**: {figure.says}. Not run yet."
    missing = [panel.title for panel in figure.panels if panel.job not in jobs]
    later = f" Not run yet: {', '.join(missing)}." if missing else ""
    return (
        f"**Figure {figure.number}**: {figure.says}. Interquartile mean over seeds; bands are 95 % bootstrap "
        f"intervals.{later}\n\n![{figure.says}]({folder}/figure-{figure.number}.svg)"
    )


def _job(job: StoredJob, folder: str) -> Iterator[str]:
    yield f"### {job.name}\n"
    yield f"![Lottery curves of {job.name}]({folder}/{job.name}/lottery.svg)\n"
    changed = f"Not all of it ran with the same: {job.changes}. " if job.changes else ""
    yield (
        f"{job.trainings:,} trainings, {job.seeds} seeds, {job.rounds} rounds, {job.hours:g} worker "
        f"hours; {job.passed:,} audit checks passed, {job.failed:,} failed. {_ran_with(job)}. {changed}"
        f"Identity {job.identity[:12]}; [protocol card]({folder}/{job.name}/card.md).\n"
    )
    if job.reference is not None:
        yield f"- {_scale(job)}"
    if job.halves:
        halves = ", ".join(f"{arm} {text}" for arm, text in job.halves.items())
        yield f"- half of the dense network's gain is lost at: {halves}"
    yield from (f"- {answer}" for answer in job.answers)


def _ran_with(job: StoredJob) -> str:
    """What its trainings ran with, which may be a later revision than the one that queued it."""
    return f"Trained with {job.workers}" if job.workers else f"Queued with {job.versions}"


def _scale(job: StoredJob) -> str:
    """What margins are a part of."""
    said = f"nothing learned: {job.reference:.5g}" + (f" ({job.reference_is})" if job.reference_is else "")
    if job.gain is None or job.margin is None:
        return f"{said}; the dense network is not shown to be better, so there is no margin"
    gain = f"the dense network gains {job.gain:.5g} over it (interquartile mean)"
    return f"{said}; {gain}, the margin is 5 % of that, {job.margin:.3g}"
