"""The facts that venues ask for about reproducibility, from the record alone, in Markdown or LaTeX.

What the record does not hold is said to be not recorded: nothing is made up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lth_core.analysis import statistics
from lth_core.analysis.comparison import comparisons
from lth_core.analysis.trials import is_lost
from lth_core.report.card import card
from lth_core.report.record import JobRecord
from lth_core.text import one_line, plural, significant

UNKNOWN = "not recorded"
LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Facts:
    """A job, and what its workspace knows beside its record. devices: seconds of its batches by device; others: active
    seconds of the workspace's other jobs."""

    record: JobRecord
    devices: tuple[tuple[str | None, float], ...]
    others: tuple[float, ...]


@dataclass(frozen=True)
class Section:
    """A heading and its facts, each with a label."""

    title: str
    facts: tuple[tuple[str, str], ...]


def sections(facts: Facts) -> Iterator[Section]:
    """All facts of a job in reading order."""
    said: dict[str, str] = {}
    for heading, text in card(facts.record):
        said[heading] = f"{said[heading]}. {text}" if heading in said else text
    yield Section("What was run", tuple((name, said[name]) for name in ("Task", "Model", "Arms", "Pruned", "Reset")))
    yield Section("Data and splits", tuple(_data(facts.record, said)))
    yield Section("Hyperparameters", tuple(_hyperparameters(facts, said)))
    yield Section("Seeds and runs", tuple(_runs(facts.record, said)))
    yield Section("Error bars and tests", tuple(_errors(facts.record, said)))
    yield Section("Compute", tuple(_compute(facts)))
    yield Section("Code and licences", tuple(_code(facts.record, said)))


def _data(record: JobRecord, said: dict[str, str]) -> Iterator[tuple[str, str]]:
    task = record.experiment.task
    for sentence in record.data:
        yield "Data, as the audit saw it", one_line(sentence, 1000)
    for section in (task, record.experiment.model):
        for name, sha256 in getattr(section, "contents", ()):
            yield f"File {name}", f"SHA-256 {sha256}"
    if not record.data:
        yield "Data", f"no data set: episodes of {one_line(task.subject)}, each from the seed of its chain"
    yield "What the score is of", said["Score"]
    yield "Licence of the data or environment", UNKNOWN
    yield "How the data was collected, consent, personal data", UNKNOWN


def _hyperparameters(facts: Facts, said: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield "Training", said["Training"]
    yield "How they were chosen", f"{UNKNOWN}: the experiment states values, not the search that found them"
    same = len(facts.others)
    where = "no other job" if not same else plural(same, "other job")
    yield "Other jobs in the same workspace", f"{where}; what was tried elsewhere is {UNKNOWN}"
    points = getattr(facts.record.experiment.training, "average", 1)
    mean = f"the mean of the weights at {points} points, the last at the end of training, is scored"
    yield "Choice of checkpoints", f"none: {mean if points > 1 else 'the weights at the end of training are scored'}"


def _runs(record: JobRecord, said: dict[str, str]) -> Iterator[tuple[str, str]]:
    lost = sum(is_lost(trial) for trial in record.trials)
    yield "Seeds", said["Seeds"]
    yield "Trainings", f"{len(record.trials):,}, of which {lost} failed or were blocked"
    yield "Lost trials", said["Lost"]
    yield "Audit of every ticket", said["Audit"]


def _errors(record: JobRecord, said: dict[str, str]) -> Iterator[tuple[str, str]]:
    seeds = len(record.experiment.seeds)
    yield (
        "What error bars are",
        (
            f"95 % percentile bootstrap intervals over {plural(seeds, 'seed')}, {statistics.RESAMPLES:,} resamples, of "
            "the interquartile mean: the variation between whole chains (initialisation, data order, environments, "
            "masks)"
        ),
    )
    yield "What they are not", "standard deviations or standard errors, and not the spread of episodes within a run"
    yield "Tests", f"{said['Statistics']} {plural(len(comparisons(record.experiment)), 'comparison')} in this job."


def _compute(facts: Facts) -> Iterator[tuple[str, str]]:
    record = facts.record
    found = record.provenance
    devices = ", ".join(map(str, found.get("devices") or ())) or UNKNOWN
    cores = found.get("cores")
    yield "Hardware when it was queued", f"{one_line(devices, 300)}; {UNKNOWN if cores is None else cores} cores"
    for device, seconds in facts.devices:
        yield "Trained on", f"{one_line(device or f'a device that is {UNKNOWN}', 200)}: {_time(seconds)} of batches"
    if not facts.devices:
        yield "Trained on", UNKNOWN
    yield "Time with at least one batch running", _time(record.active) if record.active else UNKNOWN
    times = [t.finished - t.started for t in record.trials if t.finished and t.started]
    each = f"{_time(sorted(times)[len(times) // 2])} (median; trials of a batch train together)" if times else UNKNOWN
    yield "Time of one training", each
    yield "CPU and GPU seconds", f"{UNKNOWN}: batches are timed by the clock"
    yield "Memory", UNKNOWN
    total = sum(facts.others)
    yield "Compute beyond these results", (
        f"other jobs of the workspace were active for {_time(total)}; anything elsewhere is {UNKNOWN}"
        if facts.others else f"no other job in the workspace; anything elsewhere is {UNKNOWN}"
    )  # fmt: skip
    yield "Energy and emissions", UNKNOWN


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.3g} seconds"
    return f"{seconds / 60:.3g} minutes" if seconds < 5400 else f"{significant(seconds / 3600, 3)} hours"


def _code(record: JobRecord, said: dict[str, str]) -> Iterator[tuple[str, str]]:
    git = record.provenance.get("git") or {}
    changed = ", with changes that were not committed" if git.get("changed") else ""
    yield "Program", f"lth-workbench {record.provenance.get('lth') or UNKNOWN}, licence {LICENCE}"
    yield "Revision of the experiment's file", f"git {git['commit']}{changed}" if git.get("commit") else UNKNOWN
    yield "Versions when it was queued", said["Queued with"]
    yield "Versions of the workers", said.get("Workers", UNKNOWN)
    yield "Licences of the other packages", UNKNOWN
    yield "Identity", said["Identity"]
    yield (
        "To check it",
        (
            f"lth bundle {record.job.id} -o results.zip writes experiment, records, masks, tables and answers into one "
            "file; lth verify results.zip checks it and trains trials again"
        ),
    )


_NOT_HERE = (
    "Not from the record, and yours to answer: claims and their scope, limitations, theory, broader impact, "
    "safeguards, people who took part, and how far language models wrote any of it."
)


def as_markdown(name: str, parts: Sequence[tuple[str, Sequence[Section]]]) -> str:
    """parts: a heading (empty for a single job) and its sections."""
    lines = [f"# Reproducibility: {one_line(name)}", ""]
    for heading, own in parts:
        lines += [f"## {one_line(heading)}", ""] if heading else []
        for section in own:
            lines += [f"{'###' if heading else '##'} {section.title}", ""]
            lines += [*(f"- **{one_line(label)}**: {one_line(text, 4000)}" for label, text in section.facts), ""]
    return "\n".join([*lines, _NOT_HERE, ""])


def as_latex(name: str, parts: Sequence[tuple[str, Sequence[Section]]]) -> str:
    """The same for an appendix: sections with description lists, no packages needed."""
    lines = [f"\\section*{{Reproducibility: {latex(name)}}}"]
    for heading, own in parts:
        lines += [f"\\subsection*{{{latex(heading)}}}"] if heading else []
        for section in own:
            lines += [f"\\{'subsubsection' if heading else 'subsection'}*{{{latex(section.title)}}}"]
            lines += ["\\begin{description}"]
            lines += [f"  \\item[{{{latex(label)}}}] {latex(text)}" for label, text in section.facts]
            lines += ["\\end{description}"]
    return "\n".join([*lines, latex(_NOT_HERE), ""])


_SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "\"": r"\textquotedbl{}", "±": r"$\pm$", "×": r"$\times$", "–": "--",
    "≤": r"$\le$", "≥": r"$\ge$", "μ": r"$\mu$", **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}  # fmt: skip


def latex(text: str) -> str:
    """A text with LaTeX's special characters escaped; others that pdfLaTeX may not have become question marks."""
    plain = one_line(text, 4000)
    return "".join(_SPECIAL.get(c, c if c.isascii() or c.isalpha() else "?") for c in plain)
