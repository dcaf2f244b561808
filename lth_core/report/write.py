"""Writes a record as a folder with page, figures and tables, for `lth report`."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from lth_core.analysis.questions import notes
from lth_core.report import page
from lth_core.report.card import card
from lth_core.report.drawing import COLUMNS, FORMATS, VECTORS, in_column, rendered
from lth_core.report.figures import job_figures
from lth_core.report.inspection_table import explained
from lth_core.report.record import JobRecord, SuiteRecord
from lth_core.report.rows import Row
from lth_core.report.suite_figures import suite_figures
from lth_core.report.table import table_said
from lth_core.report.table_files import make_folder, write_tables
from lth_core.report.tables import job_tables, suite_tables
from lth_core.store.attempts import changes
from lth_core.store.tensors import write_atomically
from lth_core.text import plural

_LOTTERY = {
    "round": "round", "density": "kept", "arm": "arm", "score": "score", "score_low": "low", "score_high": "high",
    "mean": "mean", "collapsed": "collapsed",
    "reference_minus_arm": "reference minus arm", "reference_minus_arm_low": "low", "reference_minus_arm_high": "high",
    "p_holm": "p (Holm)", "seeds": "seeds", "failed": "failed",
}  # fmt: skip
_MATCHING = {
    "arm": "arm", "round": "round", "density": "kept", "word": "against dense", "gain": "gain", "gain_low": "low",
    "gain_high": "high", "margin": "margin", "seeds": "seeds", "lost": "lost",
}  # fmt: skip
_ACROSS = {
    "level": "level", "arm": "arm", "score": "normalised score", "score_low": "low", "score_high": "high",
    "difference": "reference minus arm", "difference_low": "low", "difference_high": "high",
    "improvement": "P(improvement)", "improvement_low": "low", "improvement_high": "high", "jobs": "jobs",
}  # fmt: skip
_DOMAINS = {
    "name": "job", "density": "kept", "reference_arm": "ticket", "reference_arm_low": "low",
    "reference_arm_high": "high", "random_arm": "random", "random_arm_low": "low", "random_arm_high": "high",
    "reference_half": "half lost: ticket", "random_half": "random", "ratio": "ratio", "ratio_low": "low",
    "ratio_high": "high", "ratio_is": "is",
}  # fmt: skip
_ANATOMY = {
    "round": "round", "arm": "arm", "density": "kept", "effective_density": "effective", "dead_units": "dead units",
    "overlap_seeds": "overlap, seeds", "overlap_seeds_chance": "chance", "overlap_reference": "overlap, arm",
    "overlap_reference_chance": "chance", "signs_of_init": "signs kept", "distance_to_dense": "from dense",
    "distance_moved": "moved",
}  # fmt: skip
_BARRIERS = {
    "round": "round", "following": "and", "score": "score", "score_following": "and", "score_worst": "worst between",
    "barrier": "barrier", "barrier_low": "low", "barrier_high": "high", "seeds": "seeds",
}  # fmt: skip
_INSTABILITY = {
    "round": "round", "point": "from", "score": "score", "score_worst": "worst between", "instability": "instability",
    "instability_low": "low", "instability_high": "high", "share": "of the score", "share_low": "low",
    "share_high": "high", "stable": "stable", "seeds": "seeds",
}  # fmt: skip
_MATCHING_SAID = (
    "gain: over the dense network, turned so that more is better. equal: shown to lie within the margin on both sides; "
    "at least: not worse by the margin; below: worse by it; inconclusive: none of these is shown"
)
Drawings = Mapping[str, tuple[Figure, str]]


def write_job(record: JobRecord, folder: Path) -> list[Path]:
    """Write page, figures and tables of a job; returns the files. Raises InputError if the folder cannot be created."""
    drawings = job_figures(record)
    tables = job_tables(record)
    written = [*_write_figures(folder, drawings), *write_tables(folder / "tables", tables)]
    facts = f"job {record.job.id}, {record.job.state}; identity {record.experiment.identity[:12]}"
    parts = [*_job_parts(record, _pictures(folder, drawings), tables), *_files()]
    return [_write_page(folder, page.page(record.job.name, facts, parts)), *written]


def write_suite(record: SuiteRecord, folder: Path) -> list[Path]:
    """Like `write_job`, with the suite first, then each of its jobs."""
    own = {job.job.id: job_figures(job) for job in record.jobs}
    numbered = {f"{job}-{name}": found for job, drawn in own.items() for name, found in drawn.items()}
    drawings = {**suite_figures(record), **numbered}
    tables = suite_tables(record)
    written = [*_write_figures(folder, drawings), *write_tables(folder / "tables", tables)]
    pictures = _pictures(folder, drawings)
    parts = [page.heading("Answers"), page.answers(record.findings), page.heading("Figures")]
    parts += [pictures.get(name, "") for name in ("grid", "effects", "profiles")]
    if tables["across"]:
        parts += [page.heading("Arms over all jobs"), page.table(tables["across"], _ACROSS)]
    if record.summary.without_scale:
        left_out = ", ".join(record.summary.without_scale)
        parts.append(page.paragraph(f"Without a scale, and not in the normalised scores: {left_out}"))
    if tables["domains"]:
        parts += [page.heading("Each job on a scale of its own"), page.table(tables["domains"], _DOMAINS)]
    for job in record.jobs:
        parts += [page.heading(f"Job {job.job.id}: {job.job.name} ({job.job.state})")]
        shown = {name: pictures[f"{job.job.id}-{name}"] for name in own[job.job.id]}
        parts += _job_parts(job, shown, job_tables(job), level=3)
    facts = f"suite of {plural(len(record.jobs), 'job')}"
    return [_write_page(folder, page.page(f"Suite {record.name}", facts, [*parts, *_files()])), *written]


def _job_parts(
    record: JobRecord, pictures: Mapping[str, str], tables: Mapping[str, list[Row]], level: int = 2
) -> Iterator[str]:
    yield page.heading("Answers", level)
    ran = filter(None, [changes(record.runs)])
    yield page.answers(record.findings, [*notes(record.experiment, record.summary), *record.related, *ran])
    yield page.heading("Figures", level)
    yield from pictures.values()
    yield page.heading("Lottery curves", level)
    yield page.table(tables["lottery"], _LOTTERY)
    said = table_said(record.experiment, record.summary)
    yield page.paragraph(f"score: {record.experiment.judged_by}, {said}; kept: of the prunable parameters")
    if tables["matching"]:
        yield page.heading("Matching the dense network", level)
        yield page.table(tables["matching"], _MATCHING)
        yield page.paragraph(_MATCHING_SAID)
    if tables["anatomy"]:
        yield page.heading("What the tickets are made of", level)
        yield page.table(tables["anatomy"], _ANATOMY)
        yield from (page.paragraph(line) for line in explained())
    if tables["barriers"]:
        yield page.heading("Barriers between successive rounds", level)
        yield page.table(tables["barriers"], _BARRIERS)
    if tables["instability"]:
        yield page.heading("Instability to noise by rewind point", level)
        yield page.table(tables["instability"], _INSTABILITY)
    yield page.heading("Protocol", level)
    yield page.card_list(card(record))


def _pictures(folder: Path, drawings: Drawings) -> dict[str, str]:
    """For the page, from the files: drawing one takes a while."""
    svgs = {name: (folder / "figures" / f"{name}.svg").read_bytes() for name in drawings}
    return {name: page.figure(svgs[name], caption) for name, (_, caption) in drawings.items()}


def _files() -> Iterator[str]:
    yield page.heading("Files")
    yield page.paragraph(
        "Beside this page: every figure as PDF, PNG and SVG in figures/, and every number in tables/ as CSV and JSON "
        "lines (Parquet where pyarrow is installed), one row per trial, arm and round, layer, or recorded value."
    )


def _write_figures(folder: Path, drawings: Drawings) -> Iterator[Path]:
    make_folder(folder / "figures")
    for name, (figure, _) in drawings.items():
        for suffix in FORMATS:
            path = folder / "figures" / f"{name}.{suffix}"
            write_atomically(path, rendered(figure, suffix))  # type: ignore[arg-type]
            yield path


def write_for_paper(record: JobRecord | SuiteRecord, folder: Path) -> list[Path]:
    """Each figure of a job, or of a suite and its jobs, as wide as each of COLUMNS, in vectors; returns the files."""
    written = []
    for column in COLUMNS:
        place = folder / "paper" / column.name
        make_folder(place)
        with in_column(column):
            drawings = _drawings(record)
            for name, (figure, _) in drawings.items():
                for suffix in VECTORS:
                    path = place / f"{name}.{suffix}"
                    write_atomically(path, rendered(figure, suffix))
                    written.append(path)
    return written


def _drawings(record: JobRecord | SuiteRecord) -> Drawings:
    if isinstance(record, JobRecord):
        return job_figures(record)
    numbered = {f"{job.job.id}-{name}": one for job in record.jobs for name, one in job_figures(job).items()}
    return {**suite_figures(record), **numbered}


def _write_page(folder: Path, content: str) -> Path:
    path = folder / "index.html"
    write_atomically(path, content.encode())
    return path
