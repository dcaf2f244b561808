"""One value changed where it is stored, in a workspace that a real run has left: named, and put back."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lth_core.cli import app
from tests.faults.runs import Run, short

DONE = "id = (SELECT MAX(id) FROM trials)"
PLACES = {
    "score": f"UPDATE trials SET score = score + 1 WHERE {DONE}",
    "audit row": "UPDATE audits SET passed = 0 WHERE trial = 1 AND moment = 'after'",
    "layer row": "UPDATE layers SET kept = kept - 1 WHERE trial = 1 AND position = 0",
    "point of a curve": "UPDATE metrics SET value = value * 2 + 1 WHERE trial = 1 AND name = 1",
    "experiment of a job": "UPDATE jobs SET experiment = replace(experiment, '0.003', '0.001')",
    "line of records": "",
    "TensorBoard's file": "",
}


@pytest.mark.slow  # tests/engine/test_witnesses.py shows each place in every run
@pytest.mark.fault("one value changed on the disk")
def test_each_place_in_turn_is_named_and_put_back(make_run: Callable[..., Run], seen: Any) -> None:
    run = make_run(short(seeds=1, training={"length": 19_000}))
    run.finish()
    whole, tool, folder = run.digest(), CliRunner(), str(run.workspace)
    for place, statement in PLACES.items():
        if statement:
            with sqlite3.connect(run.workspace / "workspace.sqlite") as connection:
                assert connection.execute(statement).rowcount
        else:
            pattern = "batches/*/attempt-1/records.jsonl" if place == "line of records" else "tensorboard/*/*/*/*/ev*"
            _flip(next(run.workspace.glob(pattern)))
        assert tool.invoke(app, ["doctor", "-w", folder]).exit_code == 1, place
        said = tool.invoke(app, ["doctor", "--repair", "-w", folder])
        assert said.exit_code == 0 and run.digest() == whole, (place, said.output)
    seen(f"{', '.join(PLACES)}: each named by `lth doctor`, put back by --repair; same bits")


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
