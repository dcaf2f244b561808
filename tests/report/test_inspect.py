"""`lth inspect` on a job that was really trained, and barriers on known lines."""

from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

from lth_core.analysis.connectivity import barrier, barriers
from lth_core.analysis.inspection import inspect
from lth_core.cli.inspect import POINTS, find_barriers
from lth_core.errors import InputError
from lth_core.report import write
from lth_core.report.figures import job_figures
from lth_core.report.record import job_record
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from lth_core.worker.solutions import line
from tests.command import lth
from tests.once import copied
from tests.report.conftest import job


def opened(trained: Path) -> tuple[Workspace, Database]:
    workspace = Workspace(trained / "workspace")
    return workspace, Database(workspace.database, writer=False)


def test_a_trained_job_is_looked_into(trained: Path) -> None:
    workspace, database = opened(trained)
    found = {(i.arm, i.round): i for i in inspect(workspace, database, 1, job(database, 1).experiment)}
    assert set(found) == {(arm, round) for arm in ("winning", "random") for round in (1, 2)}
    for (arm, round), one in found.items():
        assert one.seeds == 2 and one.density == pytest.approx(0.7**round, abs=0.01)
        assert one.effective_density is not None and one.effective_density <= one.density
        assert one.units == 8 and one.dead_units is not None
        assert one.across is not None and 0 < one.across.jaccard < 1
        assert one.inputs is not None and one.inputs.shape == (4,)
        assert (one.with_reference is None) == (arm == "winning")
    winning, drawn = found["winning", 1], found["random", 1]
    # A ticket from the dense run's own weights keeps their signs and stays near its solution; a fresh one does not.
    assert winning.signs > 0.7 and abs(drawn.signs - 0.5) < 0.25
    assert winning.to_dense < 0.6 < drawn.to_dense
    assert winning.signs == winning.signs_start  # rewound to initialisation
    assert found["winning", 2].groups.keys() >= {"trunk", "policy_head", "value_head", "weights", "biases"}


@pytest.mark.processes
def test_barriers_between_rounds_start_and_end_at_the_trials_own_scores(trained: Path) -> None:
    workspace, database = opened(trained)
    found = find_barriers(workspace, database, job(database, 1))
    assert [(b.arm, b.round, b.following, b.height.n) for b in found] == [("winning", 0, 1, 2), ("winning", 1, 2, 2)]
    assert found[0].ends[1] == found[1].ends[0]  # the same networks on the same episodes
    for one in found:
        assert one.height.value >= 0 and one.lowest <= min(one.ends) + 1e-9


def test_a_barrier_by_hand() -> None:
    assert barrier(np.array([10.0, 4.0, 8.0]), higher_is_better=True) == 5.0  # 9 on the line between the ends
    assert barrier(np.array([10.0, 9.0, 8.0]), higher_is_better=True) == 0.0
    assert barrier(np.array([10.0, 12.0, 8.0]), higher_is_better=True) == 0.0
    assert barrier(np.array([2.0, 5.0, 2.0]), higher_is_better=False) == 3.0
    both = barriers("winning", (1, 2), np.array([[10.0, 4.0, 8.0], [10.0, 9.0, 8.0]]), higher_is_better=True)
    assert (both.height.value, both.ends, both.lowest) == (2.5, (10.0, 8.0), 6.0)


def test_the_line_begins_and_ends_with_the_same_bits_and_lies_between() -> None:
    one, other = {"w": torch.randn(5)}, {"w": torch.randn(5)}
    assert torch.equal(line(one, other, 0.0)["w"], one["w"]) and torch.equal(line(one, other, 1.0)["w"], other["w"])
    assert torch.allclose(line(one, other, 0.25)["w"], 0.75 * one["w"] + 0.25 * other["w"])
    assert POINTS % 2 == 1  # the middle is looked at


def test_the_command_prints_tables_and_the_report_has_them_too(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "FORMATS", ("svg",))
    done = lth("inspect", 1, "--barriers", cwd=trained)
    assert done.returncode == 0, done.stderr
    for expected in ("effective", "dead units", "signs kept", "between rounds", "0 and 1"):
        assert expected in done.stdout
    done = lth("report", 1, "-o", tmp_path / "r", "--barriers", cwd=trained)
    assert done.returncode == 0, done.stderr
    content = (tmp_path / "r" / "index.html").read_text()
    assert "What the tickets are made of" in content and "Barriers between successive rounds" in content
    assert {"anatomy.svg", "inputs.svg", "barriers.svg"} <= {p.name for p in (tmp_path / "r" / "figures").iterdir()}
    table = pandas.read_csv(tmp_path / "r" / "tables" / "anatomy.csv")
    assert len(table) == 4 and (table["effective_density"] <= table["density"] + 1e-9).all()
    assert len(pandas.read_csv(tmp_path / "r" / "tables" / "barriers.csv")) == 2


def test_a_job_without_trained_tickets_has_nothing_to_look_into(database: Database, folder: Path) -> None:
    done = lth("inspect", 5, "-w", folder)
    assert done.returncode == 2 and "no ticket has been trained yet" in done.stderr
    assert "anatomy" not in job_figures(job_record(database, job(database, 1)))
    done = lth("inspect", 77, "-w", folder)
    assert done.returncode == 2 and "there is no job 77" in done.stderr


def test_a_damaged_file_is_named(trained: Path, tmp_path: Path) -> None:
    copied(trained / "workspace", tmp_path / "workspace")
    next((tmp_path / "workspace").rglob("trial-*.safetensors")).write_bytes(b"")
    workspace, database = opened(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        list(inspect(workspace, database, 1, job(database, 1).experiment))
