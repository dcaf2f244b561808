"""The text views of a job: audit, events with the worker's log, the resolved experiment. Pure functions."""

import json

from lth_core.text import one_line
from lth_tui.palette import BOLD, DIM, GREEN, PLAIN, VERMILLION, YELLOW, ink
from lth_tui.snapshot import JobDetail, Snapshot
from lth_tui.widgets.strips import Row
from lth_tui.words import bar, clock, compact, plural

_KINDS = {"error": VERMILLION, "failed": VERMILLION, "warning": YELLOW, "done": GREEN}
_BAD = ink(VERMILLION)


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
        rows.append([("✗ ", _BAD + BOLD), (f"{place}: ", BOLD), (sentence, _BAD)])
    if rows:
        rows.append("")
    for check in detail.audit.checks:
        good = not check.failed
        rows.append([
            ("✓ " if good else "✗ ", ink(GREEN if good else VERMILLION)),
            (f"{check.passed:>7,} passed {check.failed:>5,} failed  ", PLAIN if good else ink(VERMILLION)),
            (f"{one_line(check.name, 40):<14}", PLAIN), (f" {one_line(check.moment, 20):<6} ", PLAIN),
            (one_line(check.example) if good else "", DIM),
        ])  # fmt: skip
    return rows


def events_rows(detail: JobDetail) -> list[Row]:
    """What happened, oldest first."""
    rows: list[Row] = []
    for event in detail.events:
        colour = next((c for word, c in _KINDS.items() if word in event.kind), None)
        style = DIM if colour is None else ink(colour)
        kind = f"{one_line(event.kind, 20):<10} "
        rows.append([(f"{clock(event.at)} ", DIM), (kind, style), (one_line(event.text), PLAIN)])
    return rows or [[("nothing has happened yet", DIM)]]


def log_rows(detail: JobDetail) -> list[Row]:
    """The end of the newest worker's log."""
    rows: list[Row] = [[(one_line(line), PLAIN)] for line in detail.log]
    return rows or [[("no worker of this job has written anything yet", DIM)]]


def devices_rows(snapshot: Snapshot) -> list[Row]:
    """Slots with what runs on each, then GPUs, processors and memory of this machine."""
    machine, names = snapshot.machine, {job.id: job.name for job in snapshot.jobs}
    rows: list[Row] = [[(f"{'slot':<10} {'trials':>6} {'done':>5} {'steps/s':>8} {'memory':>8}  job", DIM)]]
    for slot in snapshot.slots:
        rate = compact(slot.rate, 2) if slot.rate else "-"
        resident = None if machine is None or slot.pid is None else machine.resident.get(slot.pid)
        held = "-" if resident is None else f"{resident / 1e9:.2f} GB"
        if slot.batch is None:
            rows.append([(f"{one_line(slot.name, 10):<10} ", PLAIN), (f"{'idle':>6} {'':>14} {held:>8}", DIM)])
            continue
        job = "" if slot.job is None else f"{slot.job} {one_line(names.get(slot.job, ''), 40)}"
        words = f"{one_line(slot.name, 10):<10} {slot.trials:>6} {slot.fraction:>5.0%} {rate:>8} {held:>8}  {job}"
        rows.append([(words, PLAIN)])
    if not snapshot.slots:
        rows.append([("no engine runs: nothing is on any device", DIM)])
    if machine is None:
        return rows
    rows.append("")
    for number, gpu in enumerate(machine.gpus):
        memory = f"{gpu.used / 2**30:5.1f} of {gpu.total / 2**30:.1f} GiB"
        rows.append(
            [(f"GPU {number}  {bar(gpu.busy, 10)} {gpu.busy:>4.0%}  {memory}  {gpu.temperature} °C  {gpu.name}", PLAIN)]
        )
    memory = f"{machine.used / 2**30:.1f} of {machine.total / 2**30:.1f} GiB"
    rows.append([(f"CPU    {bar(machine.busy, 10)} {machine.busy:>4.0%}  of {plural(machine.cores, 'core')}", PLAIN)])
    rows.append(
        [(f"memory {bar(machine.used / machine.total, 10)} {machine.used / machine.total:>4.0%}  {memory}", PLAIN)]
    )
    return rows


def experiment_rows(detail: JobDetail) -> list[Row]:
    """The resolved experiment, every field with its value."""
    experiment = detail.job.experiment
    rows: list[Row] = [
        [("source    ", DIM), (one_line(detail.job.source), PLAIN)],
        [("identity  ", DIM), (experiment.identity, PLAIN)],
        [("trials    ", DIM), (plural(detail.job.trials, "trial"), PLAIN)],
    ]
    for arm in experiment.arms:
        definition = experiment.arm_named(arm)
        of = f" of {definition.of}" if definition.borrows_mask else ""
        schedule = experiment.schedule_of(arm)
        words = f"mask {definition.mask}{of}, weights {definition.weights}, schedule {schedule}"
        rows.append([("arm       ", DIM), (f"{one_line(arm, 40)}: ", BOLD), (one_line(words), PLAIN)])
    fields = experiment.model_dump(mode="json", exclude={"arm"})
    for table, value in fields.items():
        if isinstance(value, dict):
            rows += ["", [(f"[{table}]", BOLD)]]
            rows += [[(f"  {key:<24}", DIM), (one_line(json.dumps(v)), PLAIN)] for key, v in value.items()]
        else:
            rows.append([(f"{table:<10}", DIM), (one_line(json.dumps(value)), PLAIN)])
    return rows
