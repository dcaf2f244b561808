"""Machines without a home, a folder for temporary files, or room to write."""

import os
import tempfile
from pathlib import Path

import pytest

from lth_core import places
from lth_core.errors import InputError
from lth_core.tasks.text import cache
from lth_tui.settings import load_settings


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A numeric user without a home; returns the folder of temporary files."""
    for name in ("HOME", "LTH_CACHE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"):
        monkeypatch.delenv(name, raising=False)

    def nobody(_user: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_without_a_home_caches_and_settings_are_in_a_private_folder(bare: Path) -> None:
    own = bare / f"lth-{os.getuid()}"
    assert cache.folder() == own / "lth"
    assert own.stat().st_mode & 0o777 == 0o700
    assert load_settings(places.settings_file()).theme is None
    places.settle()
    assert os.environ["HOME"] == str(own)


def test_a_private_folder_that_belongs_to_everybody_is_refused(bare: Path) -> None:
    (bare / f"lth-{os.getuid()}").mkdir()
    (bare / f"lth-{os.getuid()}").chmod(0o777)
    with pytest.raises(InputError, match="somebody else"):
        cache.folder()


def test_a_home_that_cannot_be_written_is_not_written(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / "home").mkdir()
    monkeypatch.setenv("HOME", str(bare / "home"))
    monkeypatch.setattr(os, "access", lambda path, _mode: not Path(path).is_relative_to(bare / "home"))
    places.settle()
    own = bare / f"lth-{os.getuid()}" / "lth"
    assert cache.folder() == own
    assert os.environ["MPLCONFIGDIR"] == str(own / "matplotlib")


def test_no_folder_for_temporary_files(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    assert places.temporary(bare) == bare
    places.settle()
    with pytest.raises(InputError, match="TMPDIR"):
        cache.folder()
