"""A report's tables of a job or a suite, as plain rows. `table_files` writes them."""

from collections.abc import Iterable, Sequence

from lth_core.analysis.critical import criticals
from lth_core.analysis.domains import Domains
from lth_core.analysis.questions import Finding
from lth_core.analysis.suite_summary import SuiteSummary
from lth_core.analysis.verdict import Summary
from lth_core.report.inspection_rows import barrier_rows, inspection_rows, instability_rows
from lth_core.report.record import JobRecord, SuiteRecord
from lth_core.report.rows import Row, interval_fields
from lth_core.text import one_line


def job_tables(record: JobRecord) -> dict[str, list[Row]]:
    """The tables of one job by name; every row names its job."""
    place: Row = {"job": record.job.id, "name": record.job.name}
    tables: dict[str, list[Row]] = {
        "trials": _trials(record),
        "lottery": lottery_rows(record.summary),
        "verdicts": _verdicts(record),
        "critical": _critical(record),
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
    """The jobs' tables concatenated, and those of the suite: `across`, `effects`, `domains` and its answers."""
    own = [job_tables(job) for job in record.jobs]
    names = list(own[0]) if own else []
    tables: dict[str, list[Row]] = {name: [row for one in own for row in one[name]] for name in names}
    tables["across"] = [
        {
            "level": cell.level, "arm": cell.arm, "jobs": cell.jobs, **interval_fields("score", cell.score),
            **interval_fields("difference", cell.difference), **interval_fields("share", cell.share),
            **interval_fields("improvement", cell.improvement),
        }
        for cell in record.summary.across
    ]  # fmt: skip
    tables["effects"] = effect_rows(record.summary)
    tables["domains"] = domain_rows(record.summary.domains) if record.summary.domains is not None else []
    tables["suite_answers"] = _answers(record.findings)
    return tables


def domain_rows(found: Domains) -> list[Row]:
    """Each job of a suite on a scale of its own: normalised scores at each level, and the critical densities."""
    return [
        {
            "job": member.job, "name": member.name, "task": member.kind, "level": scale.level, "density": scale.density,
            **interval_fields("reference_arm", scale.reference), **interval_fields("random_arm", scale.control),
            **interval_fields("difference", scale.difference),
            **interval_fields("reference_half", member.halves[0].density if member.halves[0] is not None else None),
            **interval_fields("random_half", member.halves[1].density if member.halves[1] is not None else None),
            **interval_fields("ratio", member.ratio), "ratio_is": member.bound or "known", "lost": member.lost,
        }
        for member in found.members
        for scale in member.scales
    ]  # fmt: skip


def effect_rows(summary: SuiteSummary) -> list[Row]:
    """What pruning did in each job of a suite, at each level."""
    return [
        {
            "job": job.job, "name": job.name, "level": a.level, "round": a.round, "density": a.density, "word": a.word,
            **interval_fields("gain", a.gain), "scale": a.scale, "p": a.p, "lost": a.lost, "unfinished": a.unfinished,
        }
        for job in summary.jobs
        for a in job.answers
    ]  # fmt: skip


def _answers(findings: Sequence[Finding]) -> list[Row]:
    return [
        {"question": f.question, "word": one.word, "answer": one.short, "facts": "; ".join(one.facts)}
        for f in findings
        for one in f.lines
    ]


def _trials(record: JobRecord) -> list[Row]:
    experiment, task = record.experiment, record.experiment.task
    return [
        {
            "arm": t.arm, "round": t.round, "seed": t.seed, "state": t.state, "density": t.density,
            "model_density": t.model_density, "score": t.score, "metric": experiment.score,
            "judged": None if t.score is None else task.judged(t.score), "judged_by": experiment.judged_by,
            "steps": t.step, "seconds": t.finished - t.started if t.finished and t.started else None,
            "error": one_line(t.error) if t.error else None,
        }
        for t in record.trials
    ]  # fmt: skip


def lottery_rows(summary: Summary) -> list[Row]:
    """Every arm at every round: score, difference from the reference arm, p, seeds."""
    return [
        {
            "arm": c.arm, "round": c.round, "density": c.density, "seeds": c.score.n, "failed": c.failed,
            "trained": c.trained, "mean": c.mean, "collapsed": c.collapsed, **interval_fields("score", c.score),
            **interval_fields("reference_minus_arm", c.difference), "p_holm": c.p,
        }
        for c in summary.cells
    ]  # fmt: skip


def _verdicts(record: JobRecord) -> list[Row]:
    return [
        {
            "arm": v.reference, "against": v.control, "word": v.word, **interval_fields("difference", v.effect),
            "p_holm": v.p, "comparisons": v.comparisons, "seeds": v.effect.n, "lost": v.lost, "rounds": v.rounds,
            **interval_fields("improvement", v.improvement),
            **interval_fields("pruning_ratio", v.survival.ratio if v.survival else None),
            "pruning_ratio_p_holm": v.survival.p if v.survival else None,
            "survives": v.survival.word if v.survival else None,
        }
        for v in (*record.summary.verdicts, *record.summary.further)
    ]  # fmt: skip


def _critical(record: JobRecord) -> list[Row]:
    return [
        {
            "arm": c.arm, "share": c.share, "level": c.level, **interval_fields("density", c.density),
            "seeds": c.density.n, "lowest_density": c.floor, "never_below": c.above, "never_reached": c.below,
            "lost": c.lost,
        }
        for c in criticals(record.scores)
    ]  # fmt: skip


def _matching(record: JobRecord) -> list[Row]:
    return [
        {
            "arm": m.arm, "round": m.round, "density": m.density, "word": m.word, "margin": m.margin,
            **interval_fields("gain", m.gain), "p_not_worse": m.p_below, "p_not_better": m.p_above, "seeds": m.gain.n,
            "lost": m.lost, "mean": m.mean, "fallen": m.fallen, "excludes_one_in_ten": m.rare,
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
