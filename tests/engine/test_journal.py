"""What a healthy worker writes into its log, and that a later death is not blamed on it."""

import logging
from pathlib import Path

import pytest

from lth_core.engine.launchers.local import _cause
from lth_core.experiment.file import resolve
from lth_core.experiment.plan import TrialKey
from lth_core.worker.journal import Journal


def test_a_record_is_a_line_for_each_arm_with_the_means_of_its_tickets(caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(resolve({"name": "small", "seeds": 6, "training": {"length": 60_000}}, "here"))
    keys = [TrialKey(2, "winning", seed) for seed in (0, 1, 2, 5)] + [TrialKey(2, "random", 0)]
    with caplog.at_level(logging.INFO):
        journal.begins(7, 1, "cpu", keys, 4_000)
        journal.speed(88_123.4)
        for key, value in zip(keys, (1.0, 2.0, float("nan"), 3.0, 9.0), strict=True):
            journal.record(key, 6_000, {"return/train": value, "entropy": float("nan")})
        journal.checkpoint(6_000, 1.25, 0.5)
        journal.finished(keys[0], 60_000, 471.25)
        journal.flush()
    assert caplog.messages == [
        "batch 7, attempt 1 on cpu: 5 tickets from step 4,000",
        "winning round 2: seeds 0-2, 5",
        "random round 2: seed 0",
        "step 6,000 of 60,000 steps, 88,123 steps/s of all tickets together",
        "  winning round 2, 4 tickets: return/train 2",
        "  random round 2, 1 ticket: return/train 9",
        "checkpoint at step 6,000, 1.2 MB in 0.50 s",
        "winning round 2 seed 0 done at step 60,000: score 471.25, audit passed",
    ]


def test_a_ticket_that_ends_before_the_others_of_its_arm_has_metrics_of_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    journal = Journal(resolve({"name": "small", "seeds": 2, "training": {"length": 60_000}}, "here"))
    with caplog.at_level(logging.INFO):
        journal.record(TrialKey(2, "winning", 0), 6_000, {"return/train": 1.0, "return/eval-sampled": 7.0})
        journal.record(TrialKey(2, "winning", 1), 6_000, {"return/train": 2.0})
        journal.finished(TrialKey(2, "winning", 0), 6_000, 7.0)
    assert "  winning round 2, 2 tickets: return/train 1.5, return/eval-sampled 7" in caplog.messages


def test_what_went_well_is_no_cause_of_death(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("2026-11-29 15:38:04,173 INFO step 6,000 of 60,000 steps\nengine: stopped\n")
    assert _cause(-9, "", log) == "the worker was killed by SIGKILL"
    log.write_text("Fatal Python error\n2026-11-29 15:38:04,173 INFO step 6,000\n")
    assert _cause(-9, "", log).endswith("its log ends with: Fatal Python error")
