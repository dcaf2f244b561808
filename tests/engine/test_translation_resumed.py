"""Translation through the engine: interrupted in the middle of a training and run again, it is the same run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lth_core.tasks.translation.grammar import sentences
from tests.engine.compiler import loaded, watch
from tests.engine.experiments import digest

pytestmark = pytest.mark.processes

EXPERIMENT = """
seeds = 1
arms = ["winning"]
[task]
kind = "translation"
source = "files"
train = "../train.tsv"
valid = "../valid.tsv"
test = "../test.tsv"
vocabulary = 250
beam = 1
[model]
width = 16
feed_forward = 24
heads = 2
encoder_layers = 1
decoder_layers = 1
dropout = 0.2
[training]
length = 40
batch = 300
accumulate = 2
learning_rate = 5e-3
record_every = 5
checkpoint_every = 7
average = 3
average_every = 4
[pruning]
rounds = 1
fraction = 0.5
[rewinding]
weights = 6
schedule = "rewind"
"""


def _start(folder: Path, cache: Path, slots: int, watched: bool = False) -> "subprocess.Popen[bytes]":
    with (folder / "out.txt").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "lth_core.cli", "headless", "tiny.toml", "--device=cpu", f"--slots={slots}"],
            cwd=folder, stdout=output, stderr=subprocess.STDOUT, 
            env={**os.environ, "LTH_CACHE": str(cache), **({"PYTHONPATH": str(folder.parent)} if watched else {})},
        )  # fmt: skip


def _records(folder: Path) -> int:
    return sum(path.read_bytes().count(b'"metrics"') for path in folder.glob("workspace/batches/*/*/records.jsonl"))


# One slot is a worker with as many threads as there are cores.
@pytest.mark.parametrize(
    ("slots", "stops"), [(2, (signal.SIGTERM, signal.SIGKILL)), (1, (signal.SIGKILL, signal.SIGTERM))],
    ids=["asked to stop, then killed", "killed, then asked to stop, with several threads"],
)  # fmt: skip
def test_an_interrupted_translation_equals_the_uninterrupted_one(
    slots: int, stops: tuple[signal.Signals, signal.Signals], tmp_path: Path
) -> None:
    for part, (first, last) in {"train": (0, 200), "valid": (200, 210), "test": (210, 220)}.items():
        found = list(sentences.pairs(last))[first:]
        (tmp_path / f"{part}.tsv").write_text("".join("\t".join(pair) + "\n" for pair in found))
    folders, compiler = [tmp_path / "whole", tmp_path / "cut"], watch(tmp_path)
    for folder in folders:
        folder.mkdir()
        (folder / "tiny.toml").write_text(EXPERIMENT)
    assert _start(folders[0], tmp_path / "cache", slots, watched=True).wait(timeout=500) == 0, (
        folders[0] / "out.txt"
    ).read_text()
    for records, stop in zip((3, 11), stops, strict=True):  # in the dense run, and in the ticket's
        process = _start(folders[1], tmp_path / "cache", slots)
        deadline = time.monotonic() + 300
        while _records(folders[1]) < records and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert process.poll() is None, "the run was too short to be interrupted"
        process.send_signal(stop)
        assert process.wait(timeout=100) != 0
    assert _start(folders[1], tmp_path / "cache", slots).wait(timeout=500) == 0
    assert len(list(folders[1].glob("workspace/batches/*/attempt-2"))) >= 1
    assert digest(folders[1] / "workspace") == digest(folders[0] / "workspace")
    for folder in folders:
        (said,) = [line for line in (folder / "out.txt").read_text().splitlines() if line.startswith("data: ")]
        assert said.startswith("data: train 200 pairs (0 tokens unknown), valid 10 pairs")
        assert "left out of train 0 too long" in said
    assert not loaded(compiler)
