"""Figures as wide as the columns of a paper: vectors, with their fonts, in colours that all can tell apart."""

import re
from pathlib import Path

import pytest

from lth_core.report import figures
from lth_core.report.drawing import COLUMNS
from lth_core.report.record import job_record
from lth_core.report.write import write_for_paper
from lth_core.store.database import Database
from tests.report.conftest import job


@pytest.fixture
def drawn(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    own = {name: draw for name, draw in figures._FIGURES.items() if name == "differences"}
    monkeypatch.setattr(figures, "_FIGURES", own)
    written = write_for_paper(job_record(database, job(database, 1)), tmp_path)
    assert len(written) == 2 * 2
    return tmp_path / "paper"


def test_figures_have_the_widths_of_columns_and_their_fonts(drawn: Path) -> None:
    for column in COLUMNS:
        pdf = (drawn / column.name / "differences.pdf").read_bytes()
        (box,) = re.findall(rb"/MediaBox \[ 0 0 ([0-9.]+) [0-9.]+ \]", pdf)
        assert float(box) == pytest.approx(72 * column.width)
        assert b"/FontFile2" in pdf and b"/CIDFontType2" in pdf
        assert b"/Type3" not in pdf and b"/Subtype /Image" not in pdf
        svg = (drawn / column.name / "differences.svg").read_text()
        assert f'width="{72 * column.width:g}pt"' in svg
        assert "<image" not in svg and "<text" not in svg
