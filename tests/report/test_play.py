"""`lth play` on a job that was really trained, and its pictures."""

import io
import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lth_core.engine.stored import stored_spec
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.report.film import as_blocks, as_gif
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from lth_core.training.families import make_model
from lth_core.training.reinforcement.families import AtariTraining
from lth_core.worker.assemble import Assembler
from lth_core.worker.play import normalised
from lth_core.worker.solutions import solution
from tests.command import lth, lth_apart
from tests.engine.experiments import as_toml, tiny

pytest.importorskip("pygame", reason="gymnasium draws CartPole with pygame")


@pytest.mark.processes
def test_a_ticket_plays_into_a_gif_and_the_same_game_is_the_same_game(trained: Path, tmp_path: Path) -> None:
    said = []
    for name, run in (("one.gif", lth), ("two.gif", lth_apart)):
        done = run("play", 1, "--round", 2, "--seed", 1, "-o", tmp_path / name, cwd=trained)
        assert done.returncode == 0, done.stderr
        said.append(re.search(r"return (\d+) in (\d+) steps", done.stdout))
    first, second = said
    assert first and second and first.groups() == second.groups()
    assert first[1] == first[2]  # CartPole pays one a step
    assert (tmp_path / "one.gif").read_bytes() == (tmp_path / "two.gif").read_bytes()
    with Image.open(tmp_path / "one.gif") as film:
        assert film.size == (600, 400) and getattr(film, "n_frames", 1) > 1


@pytest.mark.processes
def test_a_ticket_that_was_given_normalised_observations_plays_with_them(tmp_path: Path) -> None:
    training = {"algorithm": "ppo", "length": 1_024, "environments": 4, "n_steps": 128, "minibatches": 4, "epochs": 4,
                "evaluation_episodes": 16, "gamma": 0.9}  # fmt: skip
    own = tiny(seeds=1, arms=["winning"], pruning={"rounds": 1}).model_dump(mode="json")
    fields = {**own, "task": {"environment": "Pendulum-v1"}, "training": training}
    (tmp_path / "tiny.toml").write_text(as_toml(Experiment.from_fields(fields)))
    assert lth("headless", "tiny.toml", "--device", "cpu", "--slots", 1, cwd=tmp_path).returncode == 0
    done = lth("play", 1, "-o", "p.gif", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # In the same game and the same way as the evaluation at the end of the training: greedily.
    workspace = Workspace(tmp_path / "workspace")
    database = Database(workspace.database, writer=False)
    key = TrialKey(1, "winning", 0)
    spec = stored_spec(database, 1, Experiment.from_fields(fields), [key])
    assembler = Assembler(workspace, spec, make_model(spec.experiment))
    found = solution(assembler, key)
    assert found.statistics["mean"].shape == (3,)
    raw = np.array([[[0.2, -0.4, 3.0]]], np.float32)
    expected = (raw - found.statistics["mean"].numpy()) / np.sqrt(found.statistics["variance"].numpy() + 1e-8)
    assert normalised(raw, found.statistics) == pytest.approx(expected, rel=1e-5)
    assert barriers_are_there(tmp_path)


def barriers_are_there(folder: Path) -> bool:
    done = lth("inspect", 1, "--barriers", cwd=folder)
    return done.returncode == 0 and "0 and 1" in done.stdout


@pytest.mark.processes
def test_an_atari_ticket_plays_in_colour_and_the_return_is_that_of_whole_games(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("lth_core.cli.inspect"), "POINTS", 3)
    monkeypatch.setattr(AtariTraining, "episodes", 1)
    fields = {
        "name": "game", "seeds": [0], "arms": ["winning"], "pruning": {"rounds": 1},
        "task": {"kind": "atari", "game": "breakout", "size": [42, 42], "max_frames": 400},
        "model": {"architecture": "small"},
        "training": {
            "algorithm": "a2c", "length": 320, "environments": 2, "record_every": 160, "score": "training",
            "evaluation_episodes": 0,
        },
    }  # fmt: skip
    (tmp_path / "game.toml").write_text(as_toml(Experiment.from_fields(fields)))
    done = lth("headless", "game.toml", "--device", "cpu", "--slots", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = lth("play", 1, "-o", "b.gif", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"return \d+ in \d+ steps, greedy actions", done.stdout)
    with Image.open(tmp_path / "b.gif") as film:
        assert film.size == (160, 210) and getattr(film, "n_frames", 1) > 5
        colours = {colour for _, colour in film.convert("RGB").getcolors(100_000) or []}
    assert len([c for c in colours if max(c) - min(c) > 60]) >= 4  # rows of bricks
    done = lth("inspect", 1, "--barriers", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_without_a_terminal_a_file_is_asked_for_and_only_gif_is_written(trained: Path) -> None:
    done = lth("play", 1, cwd=trained)
    assert done.returncode == 2 and "write a file with --out" in done.stderr
    done = lth("play", 1, "-o", "film.mp4", cwd=trained)
    assert done.returncode == 2 and "ends in .gif" in done.stderr


def test_a_film_lasts_as_long_as_the_game() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (51, 8, 8, 3), np.uint8)
    for rate in (10.0, 50.0, 100.0):
        with Image.open(io.BytesIO(as_gif(frames, rate))) as film:
            length = sum(_duration(film, i) for i in range(getattr(film, "n_frames", 1)))
        assert length == pytest.approx(1000 * 51 / rate, rel=0.1)


def _duration(film: Image.Image, place: int) -> int:
    film.seek(place)
    return int(film.info["duration"])


def test_blocks_fit_the_terminal_and_keep_the_colours() -> None:
    frame = np.zeros((40, 60, 3), np.uint8)
    frame[:20] = (255, 0, 0)
    lines = as_blocks(frame, 30, 12).splitlines()
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert len(lines) <= 12 and all(len(line) <= 30 for line in plain)
    assert "38;2;255;0;0" in lines[0] and "38;2;0;0;0" in lines[-1]
    assert len(as_blocks(frame, 200, 100).splitlines()) <= 100
