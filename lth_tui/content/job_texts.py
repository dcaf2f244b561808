"""Texts about a job: facts, summary, audit, events, log, the resolved experiment. Pure functions."""

import json
import re
from collections.abc import Callable, Mapping, Sequence

from lth_core.analysis.verdict import Summary
from lth_core.store.views import JobView
from lth_core.text import one_line, plural
from lth_tui.content.verdict_words import short_verdict, verdict_line, verdict_rows
from lth_tui.palette import BOLD, DIM, GREEN, PLAIN, VERMILLION, YELLOW, ink, state_ink
from lth_tui.reading.snapshot import JobDetail
from lth_tui.strips import Row, Span, wrap
from lth_tui.words import bar, calm, clock, compact, duration, glyph

_STAMPED = re.compile(r"\d{4}-\d\d-\d\d (\d\d:\d\d:\d\d),\d{3} ([A-Z]+) (.*)")
_LEVELS = {"WARNING": YELLOW, "ERROR": VERMILLION, "CRITICAL": VERMILLION}
_KINDS = {"error": VERMILLION, "failed": VERMILLION, "warning": YELLOW, "done": GREEN}


def facts_row(detail: JobDetail, width: int) -> Row:
    """Name, state, round, progress, rate and time left in one row of `width` cells; the rest is left out."""
    job = detail.job
    parts: list[Span] = [
        (f"  round {job.round}/{job.rounds}", PLAIN),
        (f" {job.progress:>4.0%}", PLAIN),
        (f"  {bar(job.progress, 8)}", PLAIN),
        (f"  {job.trials_done}/{job.trials} trials", PLAIN),
    ]
    if job.state == "running":
        if job.seconds_left is not None:
            parts.insert(1, (f"  {duration(calm(job.seconds_left))} left", PLAIN))
        parts.append((f"  {compact(job.rate, 2)} steps/s" if job.rate else "", PLAIN))
    if job.trials_failed:
        parts.insert(1, (f"  ✗ {job.trials_failed} failed", state_ink("failed")))
    spans = [
        (f" {job.id} ", DIM), (one_line(job.name, 40), BOLD),
        (f"  {glyph(job.state)} {job.state}", state_ink(job.state)),
    ]  # fmt: skip
    used = sum(len(text) for text, _ in spans)
    for text, style in parts:
        if used + len(text) <= width:
            spans.append((text, style))
            used += len(text)
    return spans


def error_rows(detail: JobDetail, width: int) -> list[Row]:
    """Why a job failed, with the cause of its first failed trial, in at most four rows."""
    if not detail.job.error:
        return []
    died = next((trial for trial in detail.trials if trial.state == "failed" and trial.error), None)
    words = one_line(detail.job.error)
    if died is not None and one_line(died.error) not in words:
        words += f" · the first: {one_line(f'{died.arm} round {died.round} seed {died.seed}')}: {one_line(died.error)}"
    return [[(f" {line}", ink(VERMILLION))] for line in wrap(words, width - 2)[:4]]


def summary_rows(detail: JobDetail, width: int, *, short: bool) -> list[Row]:
    """State, progress, verdicts and audit of a job, in a few rows."""
    job = detail.job
    numbers = f"  round {job.round} of {job.rounds}   {job.trials_done:,} of {plural(job.trials, 'trial')}"
    if job.state == "running":
        numbers += f"   {compact(job.rate, 2)} steps/s" if job.rate else ""
        numbers += f"   {duration(calm(job.seconds_left))} left" if job.seconds_left is not None else ""
    rows: list[Row] = [
        [
            (
                f" {glyph(job.state)} {one_line(job.name, 60)} {job.state}",
                state_ink(job.state) + BOLD,
            ),
            (numbers, PLAIN),
        ]
    ]
    rows += error_rows(detail, width)
    if short and detail.summary is not None:
        line = verdict_line(detail.reference, detail.summary.verdicts)
        rows += [line] if line else []
    else:
        rows += verdict_rows(detail.summary, width)
    return [*rows, audit_row(detail)]


def suite_rows(suite: str, jobs: Sequence[JobView], summaries: Mapping[int, Summary]) -> list[Row]:
    """The suite in one line, then a row for each job: its state, progress and short verdict."""
    trials, done = sum(job.trials for job in jobs), sum(job.trials_done for job in jobs)
    head = f"   {plural(len(jobs), 'job')}, {done:,} of {plural(trials, 'trial')}"
    rows: list[Row] = [[(f" suite {one_line(suite, 60)}", BOLD), (head, PLAIN)]]
    width = max((len(one_line(job.name, 40)) for job in jobs), default=0)
    for job in jobs:
        words = f" {job.state:<9} {job.progress:>4.0%}  "
        row = [(f"  {glyph(job.state)} {one_line(job.name, 40):<{width}}", state_ink(job.state)), (words, PLAIN)]
        known = summaries.get(job.id)
        rows.append([*row, *(short_verdict(known.verdicts) if known else ())])
    return rows


def audit_row(detail: JobDetail) -> Row:
    """`audit: 3,168 checks passed, 0 failed`, and in red the first failing check."""
    audit = detail.audit
    words = f" audit: {audit.passed:,} checks passed, {audit.failed:,} failed"
    if not audit.failed:
        return [(words, DIM if audit.passed else ink(YELLOW, dim=True))]
    if not audit.failures:
        return [(words, ink(VERMILLION, bold=True))]
    first = audit.failures[0]
    place = one_line(f"{first.arm} round {first.round} seed {first.seed}, {first.moment} training")
    return [
        (
            f"{words}: {place}: {one_line(first.name, 80)}: {one_line(first.detail)}",
            ink(VERMILLION, bold=True),
        )
    ]


def audit_rows(detail: JobDetail) -> list[Row]:
    """Failing checks first, each with its sentence; then every check with its counts."""
    if not detail.audit.checks:
        return [[("no audit yet: each ticket is checked before and after its training", DIM)]]
    rows: list[Row] = []
    for failure in detail.audit.failures[:500]:
        place = one_line(f"{failure.arm} round {failure.round} seed {failure.seed}, {failure.moment}")
        sentence = f"{one_line(failure.name, 80)}: {one_line(failure.detail)}"
        rows.append([("✗ ", ink(VERMILLION, bold=True)), (f"{place}: ", BOLD), (sentence, ink(VERMILLION))])
    if rows:
        rows.append("")
    longest = max(len(one_line(check.name, 40)) for check in detail.audit.checks)
    heads = f"  {'passed':>7} {'failed':>6}  {'check':<{longest}} {'when':<7} for example"
    rows.append([(heads, BOLD)])
    for check in detail.audit.checks:
        good = not check.failed
        rows.append([
            ("✓ " if good else "✗ ", ink(GREEN if good else VERMILLION)),
            (f"{check.passed:>7,} {check.failed:>6,}  ", PLAIN if good else ink(VERMILLION)),
            (f"{one_line(check.name, 40):<{longest}} ", PLAIN), (f"{one_line(check.moment, 20):<7} ", PLAIN),
            (one_line(check.example) if good else "", DIM),
        ])  # fmt: skip
    return rows


def events_rows(detail: JobDetail) -> list[Row]:
    """The events, oldest first."""
    rows: list[Row] = []
    for event in detail.events:
        colour = next((c for word, c in _KINDS.items() if word in event.kind), None)
        style = DIM if colour is None else ink(colour)
        kind = f"{one_line(event.kind, 20):<10} "
        rows.append([(f"{clock(event.at)} ", DIM), (kind, style), (one_line(event.text), PLAIN)])
    return rows or [[("nothing has happened yet", DIM)]]


def log_rows(detail: JobDetail) -> list[Row]:
    """The end of the workers' logs, with the time of day of each line that has one."""
    rows: list[Row] = []
    for line in detail.log:
        stamped = _STAMPED.match(line)
        if stamped is None:
            rows.append([(_indent(line) + one_line(line, 4000), PLAIN)])
            continue
        at, level, text = stamped.groups()
        words = _indent(text) + one_line(text, 4000)
        style = ink(_LEVELS[level]) if level in _LEVELS else PLAIN
        rows.append([(f"{at} ", DIM), (words if level == "INFO" else f"{level} {words}", style)])
    return rows or [[("no worker has written anything yet", DIM)]]


def _indent(line: str) -> str:
    """The spaces at the start of a line, which give a traceback its structure."""
    return " " * min(40, len(line) - len(line.lstrip(" ")))


def experiment_rows(detail: JobDetail) -> list[Row]:
    """The resolved experiment, every field with its value."""
    experiment = detail.job.experiment
    rows: list[Row] = [
        [("source    ", DIM), (one_line(detail.job.source), PLAIN)],
        [("identity  ", DIM), (experiment.identity, PLAIN)],
        [("trials    ", DIM), (plural(detail.job.trials, "trial"), PLAIN)],
    ]
    for arm in experiment.arms:
        words = one_line(experiment.described(arm))
        rows.append([("arm       ", DIM), (f"{one_line(arm, 40)}: ", BOLD), (words, PLAIN)])
    fields = experiment.model_dump(mode="json", exclude={"arm"})
    for table, value in fields.items():
        if isinstance(value, dict):
            rows += ["", [(f"[{table}]", BOLD)]]
            rows += [[(f"  {key:<24}", DIM), (one_line(json.dumps(v)), PLAIN)] for key, v in value.items()]
        else:
            rows.append([(f"{table:<10}", DIM), (one_line(json.dumps(value)), PLAIN)])
    return rows


BY_VIEW: Mapping[str, Callable[[JobDetail], list[Row]]] = {
    "audit": audit_rows, "log": log_rows, "events": events_rows, "experiment": experiment_rows,
}  # fmt: skip
"""The texts that fill a view of the job page."""
