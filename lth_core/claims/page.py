"""The stored answers as a page in Markdown: docs/claims.md."""

from collections.abc import Iterator, Mapping

from lth_core.claims.claim import Claim, PaperFigure, claims, command, paper_figures
from lth_core.claims.stored import UNKNOWN, Stored, StoredClaim, StoredJob

_INTRODUCTION = """\
# The paper's claims, tested

Claims of Yu, Edunov, Tian & Morcos (2020), one of later work and a positive control, each with the tests that were
fixed before the run that answers it; where an earlier run was known by then, the claim says so. A test is a weighted
sum of arms, seed by seed. A difference is shown by a 95 % interval without zero and p of at most 5 % (sign-flip, Holm
over the tests of a claim): in the claimed direction it is *held*, in the other *contradicted*. The margin is 5 % of
what the dense network gains. No difference is shown by an interval within the margin and one-sided p of at most 5 %
on both sides, no loss by the same on the lower side (p times the tests of the claim). Where no difference or no loss
is claimed, that is *held*, and any other difference that is shown, however small, contradicts it; where a difference
is claimed, showing that there is none contradicts it. Everything else is *open*. A claim about some cases is held as
soon as one test is, contradicted where every test is, else open; any other whose tests disagree is *mixed*. Where a
mean over rounds hides that single rounds are shown on both sides of zero, the lowest and the highest stand beside it.

What this cannot do: with 8 seeds no p is below 2/256, so that of five tests the first is shown only where all seeds
agree, and *open* often means too few seeds. What happens to one seed in four goes unseen with 8 in one case of ten.
Each claim errs in at most 5 % where arms do not differ, not all of them together, and some share jobs. Percentile
intervals cover in 93 to 94 % with 8 to 10 seeds; that is why p is asked for besides. Most tickets that are rewound have
2 to 10 % more training behind them than random ones (each job's card says how much).

Tables, protocol cards and figures of the jobs are in [claims/](claims/); `lth claims store docs/claims` makes the page.
"""


def page(stored: Stored, folder: str) -> str:
    """All claims with their answers, then the jobs they rest on. folder: of the stored files, as the page links to."""
    known, jobs = {one.number: one for one in stored.claims}, {one.name: one for one in stored.jobs}
    listed = claims()
    parts = [_INTRODUCTION, "\n".join(_summary(listed, known))]
    parts += ["\n".join(_claim(claim, known.get(claim.number), jobs)) for claim in listed]
    parts += ["## The paper's figures", *(_figure(one, jobs, folder) for one in paper_figures())]
    parts.append("## The jobs")
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


def _cost(job: StoredJob) -> str:
    return (
        f"[{job.name}](#{job.name}) ({job.trainings:,} trainings, {job.seeds} seeds, {job.hours:g} hours of a worker)"
    )


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
        f"{job.trainings:,} trainings, {job.seeds} seeds, {job.rounds} rounds, {job.hours:g} hours of "
        f"worker time; {job.passed:,} audit checks passed, {job.failed:,} failed. {job.versions}. {changed}"
        f"Identity {job.identity[:12]}; [protocol card]({folder}/{job.name}/card.md).\n"
    )
    if job.halves:
        halves = ", ".join(f"{arm} {text}" for arm, text in job.halves.items())
        yield f"- half of the dense network's gain is lost at: {halves}"
    yield from (f"- {answer}" for answer in job.answers)
