"""The summary of a suite as rich renderables: the same in `lth headless` and `lth show --suite`."""

import math
from collections.abc import Iterator

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from lth_core.analysis.domains import Domains, ratio_text
from lth_core.analysis.effect import CRASHED, EQUIVALENT
from lth_core.analysis.statistics import Interval
from lth_core.analysis.suite_questions import LEVEL_NAMES, sentences
from lth_core.analysis.suite_summary import SuiteSummary
from lth_core.experiment.arms import DENSE
from lth_core.report.answers import SuiteAnswers
from lth_core.report.table import COLOURS, answer_lines, interval, said
from lth_core.text import one_line, plural

_SHORTEST = 9
"""Letters of a cut name."""


def parts(result: SuiteAnswers) -> list[RenderableType]:
    """The tables of the jobs and of all jobs together, notes on their numbers, and the answers in sentences."""
    summary = result.summary
    found: list[RenderableType] = [
        Text(f"suite {one_line(result.name)}: {plural(len(summary.jobs), 'job')}", style="bold"),
        _Jobs(result.name, summary),
        Text(
            f"95 % intervals over seeds. leaves alone: the interval lies within {EQUIVALENT:.0%} of what the dense "
            f"network gains over the reference (a random policy's score, or a text's unigram "
            f"log-perplexity); crashes: it lies below {-CRASHED:.0%} of it.",
            style="dim",
        ),
        *_turned(result),
        *_answers(summary),
        *_verdicts(summary),
        Text("p: paired sign-flip; of verdicts corrected by Holm over the comparisons of each job", style="dim"),
    ]
    if summary.across:
        found += [_across(summary), *_explained(summary)]
    found += answer_lines(result.kept)
    found += [Text(line) for line in sentences(summary)]
    if summary.domains is not None:
        found += [_own_scales(summary.domains), *_own_scales_explained(summary.domains)]
        found += answer_lines([summary.domains.finding])
    return [*found, *(Text(note, style="yellow") for note in result.related)]


def _turned(result: SuiteAnswers) -> Iterator[Text]:
    """Where less of a job's score is better, its column of gains has the other sign than its scores."""
    less = [one_line(job.name) for job in result.jobs if not job.experiment.task.higher_is_better]
    if less:
        yield Text(f"over dense: a gain, so more is better; of the scores of {', '.join(less)} less is", style="dim")


class _Jobs:
    """The table of the jobs. Where it does not fit, names lose the suite's name before theirs, then their middle;
    the state stands below."""

    def __init__(self, suite: str, summary: SuiteSummary) -> None:
        self._suite, self._summary = suite, summary

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """With the names as long as fits; numbers are never cut."""
        names = [one_line(job.name) for job in self._summary.jobs]
        between = " "
        if self._excess(console, options, names, between) > 0:
            names, between = [name.removeprefix(f"{one_line(self._suite)}-") for name in names], "\n"
        excess = self._excess(console, options, names, between)
        if excess > 0:
            room = max(map(len, names), default=0) - excess
            names = [_cut(name, room) for name in names]
        yield self._table(names, between)

    def _excess(self, console: Console, options: ConsoleOptions, names: list[str], between: str) -> int:
        needed = Measurement.get(console, options.update(max_width=1000), self._table(names, between)).maximum
        return needed - options.max_width

    def _table(self, names: list[str], between: str) -> Table:
        """between: what is put between a name and the state of a job that is not done."""
        table = _table(("job", "name", "dense", "kept", f"{self._summary.arm} over dense", "pruning"))
        if between == "\n":
            table.padding = (0, 1, 0, 0)
        name_column = table.columns[1]  # if even the shortest names do not fit, they wrap, numbers do not
        name_column.no_wrap, name_column.overflow = False, "fold"
        for job, name in zip(self._summary.jobs, names, strict=True):
            rounds: set[int] = set()
            for answer in job.answers:
                if answer.round in rounds:  # few rounds: both levels are the same
                    continue
                first = not rounds
                rounds.add(answer.round)
                table.add_row(
                    str(job.job) if first else "",
                    (name + ("" if job.state == "done" else f"{between}({job.state})")) if first else "",
                    interval(job.dense) if first else "",
                    f"{answer.density:.1%}" if math.isfinite(answer.density) else "-",
                    interval(answer.gain, signed=True),
                    Text(answer.word, style=COLOURS[answer.word]),
                )
        return table


def _cut(name: str, room: int) -> str:
    """A name without its middle; what tells names apart is often at their ends."""
    room = max(room, _SHORTEST)
    return name if len(name) <= room else f"{name[: room // 2]}…{name[len(name) - (room - room // 2 - 1) :]}"


def _answers(summary: SuiteSummary) -> Iterator[Text]:
    yield Text("Does pruning help, leave alone or crash?", style="bold")
    for job in summary.jobs:
        for answer in {answer.round: answer for answer in job.answers}.values():
            yield from said(f"{job.name}: {answer.short}", answer.facts, answer.word)


def _verdicts(summary: SuiteSummary) -> Iterator[Text]:
    yield Text("Verdicts", style="bold")
    for job in summary.jobs:
        for verdict in job.verdicts:
            if verdict.survival is not None and verdict.survival.ratio.n:
                survives = verdict.survival
                yield from said(f"{job.name}: {survives.short}", survives.facts, survives.word)
            yield from said(f"{job.name}: {verdict.short}", verdict.facts, verdict.word)


def _across(summary: SuiteSummary) -> Table:
    human = any(cell.human for cell in summary.across)
    headings = (
        "over all jobs", "arm", "normalised score", f"{summary.arm} minus arm", f"{summary.arm} above arm",
        "P(improvement)",
    )  # fmt: skip
    table = _table((*headings, "of a human's") if human else headings)
    for column in table.columns:  # where it is too narrow, numbers continue below; none is cut
        column.no_wrap, column.overflow = False, "fold"
    before = ""
    for cell in summary.across:
        level = LEVEL_NAMES[cell.level]
        table.add_row(
            level if level != before else "",
            cell.arm,
            "1" if cell.arm == DENSE else interval(cell.score),
            interval(cell.difference, signed=True) if cell.difference else "",
            _percent(cell.share) if cell.share else "",
            _percent(cell.improvement) if cell.improvement else "",
            *([interval(cell.human) if cell.human else ""] if human else []),
        )
        before = level
    return table


def _explained(summary: SuiteSummary) -> Iterator[Text]:
    yield Text(
        "normalised: (score - reference) / (dense network's interquartile mean - reference); interquartile mean over "
        "all jobs' seeds, seeds resampled within each job; above: share of seeds, mean over jobs; P(improvement): "
        f"chance that a run of {summary.arm} beats any run of the arm (Mann-Whitney, mean over jobs), failed worst.",
        style="dim",
    )
    if any(cell.human for cell in summary.across):
        yield Text(
            "of a human's: (score - random) / (human - random) with the published scores of each Atari game that has "
            "any; interquartile mean over all such jobs' seeds.",
            style="dim",
        )
    if summary.without_scale:
        names = ", ".join(one_line(name) for name in summary.without_scale)
        yield Text(f"without a scale, and not in the normalised scores: {names}", style="yellow")


def _own_scales(found: Domains) -> Table:
    """Per job a row for each level, normalised, and one for the critical densities."""
    table = _table(("on its own scale", "at", found.reference, "random", "gap"))
    name = table.columns[0]
    name.no_wrap, name.overflow = False, "fold"
    for member, short in zip(found.members, found.short_names, strict=True):
        shown = one_line(short)
        for scale in member.scales:
            at = f"{scale.density:.1%} kept" if math.isfinite(scale.density) else "-"
            cells = (_two(scale.reference), _two(scale.control), _two(scale.difference, signed=True))
            table.add_row(shown, at, *cells)
            shown = ""
        halves = ("-" if half is None else half.text for half in member.halves)
        gap = ratio_text(member)
        table.add_row(shown, "half lost", *halves, gap if gap == "-" else f"{gap} times")
    return table


def _own_scales_explained(found: Domains) -> Iterator[Text]:
    control = found.members[0].control
    yield Text(
        f"scores: 0 is the reference, 1 the dense network of the job; gap: {found.reference} minus {control}. half "
        f"lost: where half of the dense network's gain is lost; gap: how many times as much pruning "
        f"{found.reference} survives, paired by seed. Gaps of two jobs: the median ratio of a seed of one to a seed "
        "of the other, with the interval of the Mann-Whitney test; p: Brunner-Munzel by permutation, where chains that "
        f"never cross leave the order open, Holm over {plural(len(found.contrasts), 'comparison')}.",
        style="dim",
    )


def _two(estimate: Interval | None, *, signed: bool = False) -> str:
    if estimate is None or estimate.n == 0:
        return "-"
    value = f"{estimate.value:{'+' if signed else ''}.2f}"
    return value if estimate.n == 1 else f"{value} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _percent(share: Interval) -> str:
    value = f"{share.value:.0%}"
    return value if share.low != share.low else f"{value} [{share.low:.0%}, {share.high:.0%}]"


def _table(headings: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table
