"""What a job's and a suite's results say, as fields: those of `lth show --json` and of a bundle's `answers.json`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lth_core.analysis.questions import Finding, notes
from lth_core.analysis.suite_questions import sentences
from lth_core.analysis.suite_summary import SuiteSummary
from lth_core.report.answers import JobAnswers
from lth_core.report.failures import causes
from lth_core.report.record import JobRecord
from lth_core.store.attempts import changes


def answers_of(record: JobRecord) -> JobAnswers:
    """The answers of a job that is read already."""
    return JobAnswers(
        record.experiment, record.summary, record.findings, audits=record.audits, data=record.data,
        changed=changes(record.runs), failures=tuple(causes(record.trials)), related=record.related,
    )  # fmt: skip


def job_fields(found: JobAnswers) -> dict[str, Any]:
    """The fields of `cli.shape_parts.Result`."""
    summary = found.summary
    return {
        "cells": [asdict(cell) for cell in summary.cells],
        "verdicts": [{**asdict(v), "text": v.text} for v in (*summary.verdicts, *summary.further)],
        "answers": [answer.fields() for answer in found.findings],
        "failures": list(found.failures),
        "notes": [*notes(found.experiment, summary), *found.related, *filter(None, [found.changed])],
        "audits": {"passed": found.audits[0], "failed": found.audits[1]}, "data": list(found.data),
    }  # fmt: skip


def suite_fields(
    name: str, summary: SuiteSummary, findings: Sequence[Finding], related: Sequence[str]
) -> dict[str, Any]:  # fmt: skip
    """The fields of `cli.shapes.ShownSuite`."""
    return {
        "suite": name, **asdict(summary), "said": list(sentences(summary)),
        "answers": [finding.fields() for finding in findings], "notes": list(related),
    }  # fmt: skip
