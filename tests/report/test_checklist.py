"""The facts about reproducibility: from the record alone, in Markdown and LaTeX."""

import re
from dataclasses import replace
from pathlib import Path

from lth_core.report.checklist import UNKNOWN, Facts, latex, sections
from lth_core.report.record import job_record
from lth_core.store.attempts import Run
from lth_core.store.database import Database
from tests.command import lth
from tests.report.conftest import job


def test_the_facts_that_venues_ask_for_are_there_and_nothing_is_made_up(database: Database) -> None:
    record = job_record(database, job(database, 1))
    found = {section.title: dict(section.facts) for section in sections(Facts(record, ((None, 30.0),), (60.0,)))}
    assert found["Seeds and runs"]["Trainings"] == "136, of which 1 failed or were blocked"
    assert "200 resamples" in found["Error bars and tests"]["What error bars are"]
    assert found["Compute"]["Trained on"] == f"a device that is {UNKNOWN}: 30 seconds of batches"
    assert "other jobs of the workspace were active for 60 seconds" in found["Compute"]["Compute beyond these results"]
    for title, label in (
        ("Data and splits", "Licence of the data or environment"), ("Hyperparameters", "How they were chosen"),
        ("Compute", "CPU and GPU seconds"), ("Compute", "Time of one training"),
        ("Code and licences", "Licences of the other packages"),
        ("Code and licences", "Revision of the experiment's file"),
    ):  # fmt: skip
        assert UNKNOWN in found[title][label], label
    assert found["Code and licences"]["Program"] == f"lth-workbench {UNKNOWN}, licence Apache-2.0"


def test_each_fact_of_the_card_and_a_mean_of_checkpoints_are_told(database: Database) -> None:
    record = job_record(database, job(database, 1))
    runs = tuple(Run(frozenset({n}), {"torch": f"torch {n}", "device": "here"}) for n in (1, 2))
    averaged = record.experiment.training.model_copy(update={"average": 5})
    averaging = record.experiment.model_copy(update={"training": averaged})
    own = replace(record, runs=runs, job=replace(record.job, experiment=averaging))
    found = {section.title: dict(section.facts) for section in sections(Facts(own, (), ()))}
    workers = found["Code and licences"]["Versions of the workers"]
    assert workers.startswith("here. Not all ran with the same: round 1 with torch 1")
    assert "the mean of the weights at 5 points" in found["Hyperparameters"]["Choice of checkpoints"]


def test_a_job_and_a_suite_have_a_checklist_in_both_forms(folder: Path, tmp_path: Path) -> None:
    plain = lth("checklist", 3, "-w", folder)
    assert plain.returncode == 0 and plain.stdout.startswith("# Reproducibility: pair-a\n")
    assert plain.stdout.count("\n## ") == 7
    done = lth("checklist", "pair", "--latex", "-o", tmp_path / "pair.tex", "-w", folder)
    assert done.returncode == 0
    text = (tmp_path / "pair.tex").read_text()
    assert [text.count(f"\\subsection*{{{name}}}") for name in ("pair-a", "pair-b")] == [1, 1]
    assert text.count(r"\begin{description}") == text.count(r"\end{description}") == 14
    assert not re.search(r"(?<!\\)[&%$#_~^<>|]", re.sub(r"\$\\[a-z]+\$", "", text))
    assert lth("checklist", "nothing", "-w", folder).returncode == 2
    away = lth("checklist", 3, "-o", "no/pair.md", "-w", folder, cwd=tmp_path)
    assert (away.returncode, away.stderr) == (2, "lth: no/pair.md: No such file or directory\n")


def test_latex_has_no_character_of_its_own_left() -> None:
    assert latex(r"50% of a_b & {c} \d ~ ± 漢 ☃ \x1b[31m") == (
        r"50\% of a\_b \& \{c\} \textbackslash{}d \textasciitilde{} $\pm$ 漢 ? \textbackslash{}x1b[31m"
    )
