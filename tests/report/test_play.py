"""`lth play` on a job that was really trained, and its pictures."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lth_core.report.film import as_blocks, as_gif
from tests.report.conftest import lth

pytest.importorskip("pygame", reason="gymnasium draws CartPole with pygame")


def test_a_ticket_plays_into_a_gif_and_the_same_game_is_the_same_game(trained: Path, tmp_path: Path) -> None:
    said = []
    for name in ("one.gif", "two.gif"):
        done = lth("play", 1, "--round", 2, "--seed", 1, "-o", tmp_path / name, cwd=trained)
        assert done.returncode == 0, done.stderr
        said.append(re.search(r"return (\d+) in (\d+) steps", done.stdout))
    first, second = said
    assert first and second and first.groups() == second.groups()
    assert first[1] == first[2]  # CartPole pays one a step
    assert (tmp_path / "one.gif").read_bytes() == (tmp_path / "two.gif").read_bytes()
    with Image.open(tmp_path / "one.gif") as film:
        assert film.size == (600, 400) and getattr(film, "n_frames", 1) > 1


def test_without_a_terminal_a_file_is_asked_for_and_only_gif_is_written(trained: Path) -> None:
    done = lth("play", 1, cwd=trained)
    assert done.returncode == 2 and "name a file with --out" in done.stderr
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
