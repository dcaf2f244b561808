"""A report's tables: plain rows that can be read without this program, as CSV, JSON lines and Parquet."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lth_core.analysis.questions import Finding
from lth_core.analysis.statistics import Interval
from lth_core.errors import InputError
from lth_core.report.inspection_rows import Row, barrier_rows, inspection_rows, instability_rows
from lth_core.report.record import JobRecord, SuiteRecord
from lth_core.store.records import finite
from lth_core.store.tensors import write_atomically
from lth_core.text import one_line

Value = str | int | float | bool | None


def job_tables(record: JobRecord) -> dict[str, list[Row]]:
    """The tables of one job by name; every row names its job."""
    place: Row = {"job": record.job.id, "name": record.job.name}
    tables: dict[str, list[Row]] = {
        "trials": _trials(record),
        "lottery": _lottery(record),
        "verdicts": _verdicts(record),
        "matching": _matching(record),
        "answers": _answers(record.findings),
        "layers": _layers(record),
        "curves": list(_curves(record)),
        "anatomy": inspection_rows(record.inspected),
        "barriers": barrier_rows(record.barriers),
        "instability": instability_rows(record.instabilities),
    }
    return {name: [{**place, **row} for row in rows] for name, rows in tables.items()}


def suite_tables(record: SuiteRecord) -> dict[str, list[Row]]:
    """The jobs' tables one below the other, and those of the suite: `across` and `effects`."""
    own = [job_tables(job) for job in record.jobs]
    names = list(own[0]) if own else []
    tables: dict[str, list[Row]] = {name: [row for one in own for row in one[name]] for name in names}
    tables["across"] = [
        {
            "level": cell.level, "arm": cell.arm, "jobs": cell.jobs, **_interval("score", cell.score),
            **_interval("difference", cell.difference), **_interval("share", cell.share),
            **_interval("improvement", cell.improvement),
        }
        for cell in record.summary.across
    ]  # fmt: skip
    tables["effects"] = [
        {
            "job": job.job, "name": job.name, "level": a.level, "round": a.round, "density": a.density, "word": a.word,
            **_interval("gain", a.gain), "scale": a.scale, "p": a.p, "lost": a.lost, "unfinished": a.unfinished,
        }
        for job in record.summary.jobs
        for a in job.answers
    ]  # fmt: skip
    tables["suite_answers"] = _answers(record.findings)
    return tables


def _answers(findings: Sequence[Finding]) -> list[Row]:
    return [
        {"question": f.question, "word": one.word, "answer": one.short, "facts": "; ".join(one.facts)}
        for f in findings
        for one in f.lines
    ]


def _interval(name: str, estimate: Interval | None) -> Row:
    if estimate is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _trials(record: JobRecord) -> list[Row]:
    return [
        {
            "arm": t.arm, "round": t.round, "seed": t.seed, "state": t.state, "density": t.density,
            "model_density": t.model_density, "score": t.score, "metric": record.experiment.task.score,
            "steps": t.step, "seconds": t.finished - t.started if t.finished and t.started else None,
            "error": one_line(t.error) if t.error else None,
        }
        for t in record.trials
    ]  # fmt: skip


def _lottery(record: JobRecord) -> list[Row]:
    return [
        {
            "arm": c.arm, "round": c.round, "density": c.density, "seeds": c.score.n, "failed": c.failed,
            **_interval("score", c.score), **_interval("reference_minus_arm", c.difference), "p_holm": c.p,
        }
        for c in record.summary.cells
    ]  # fmt: skip


def _verdicts(record: JobRecord) -> list[Row]:
    return [
        {
            "arm": v.reference, "against": v.control, "word": v.word, **_interval("difference", v.effect),
            "p_holm": v.p, "comparisons": v.comparisons, "seeds": v.effect.n, "lost": v.lost, "rounds": v.rounds,
            **_interval("improvement", v.improvement),
        }
        for v in (*record.summary.verdicts, *record.summary.further)
    ]  # fmt: skip


def _matching(record: JobRecord) -> list[Row]:
    return [
        {
            "arm": m.arm, "round": m.round, "density": m.density, "word": m.word, "margin": m.margin,
            **_interval("gain", m.gain), "p_not_worse": m.p_below, "p_not_better": m.p_above, "seeds": m.gain.n,
            "lost": m.lost,
        }
        for m in record.matches
    ]  # fmt: skip


def _layers(record: JobRecord) -> list[Row]:
    return [
        {
            "arm": entry.arm, "round": entry.round, "seed": entry.seed, "layer": entry.layer,
            "shape": "x".join(map(str, entry.shape)), "size": entry.size, "kept": entry.kept,
            "prunable": entry.prunable,
        }
        for entry in record.layers
    ]  # fmt: skip


def _curves(record: JobRecord) -> Iterable[Row]:
    for name, curves in record.curves.items():
        for trial in record.trials:
            curve = curves.get(trial.id)
            for step, value in zip(curve.steps, curve.values, strict=True) if curve else ():
                yield {
                    "arm": trial.arm, "round": trial.round, "seed": trial.seed, "metric": name,
                    "step": int(step), "value": float(value),
                }  # fmt: skip


def as_csv(rows: Sequence[Row]) -> bytes:
    """CSV with a header line; None and not-a-number are empty fields."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue().encode()


def _cell(value: Value) -> Value:
    """A text that a spreadsheet would take for a formula gets an apostrophe in front."""
    if isinstance(value, str):
        value = one_line(value, 4000)
        return f"'{value}" if value.startswith(("=", "+", "-", "@")) else value
    return finite(value)  # type: ignore[no-any-return]


def as_json_lines(rows: Sequence[Row]) -> bytes:
    """One JSON object per line; not-a-number is null."""
    return "".join(json.dumps(finite(row)) + "\n" for row in rows).encode()


def as_parquet(rows: Sequence[Row]) -> bytes | None:
    """Parquet, or None where pyarrow is not installed (the extra `parquet`)."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return None
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([finite(row) for row in rows]), out)
    return out.getvalue()


def write_tables(folder: Path, tables: Mapping[str, Sequence[Row]]) -> list[Path]:
    """Each table with rows in each format that can be had; returns the files. Raises InputError as `make_folder`."""
    make_folder(folder)
    written = []
    for name, rows in tables.items():
        contents = {"csv": as_csv(rows), "jsonl": as_json_lines(rows), "parquet": as_parquet(rows)} if rows else {}
        for suffix, content in contents.items():
            if content is not None:
                path = folder / f"{name}.{suffix}"
                write_atomically(path, content)
                written.append(path)
    return written


def make_folder(folder: Path) -> None:
    """Make a folder and its parents; InputError where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{one_line(folder)}: cannot be made: {error.strerror}") from None
