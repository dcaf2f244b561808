"""The tutorials' experiments can be read, and the runner sees what a page promises and does not get."""

from itertools import product
from pathlib import Path

import pytest
from PIL import Image

from lth_core.experiment.suite import load
from tests import tutorials
from tests.tutorials import Tutorial


@pytest.mark.parametrize("name", tutorials.names())
def test_every_experiment_of_a_tutorial_is_accepted(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tutorials.read(name)
    assert page.commands and page.printed
    monkeypatch.chdir(tmp_path)
    for file, text in page.files.items():
        Path(file).write_text(text)
    if "draw.py" in page.files:
        for part, shape in product(("train", "test"), ("circle", "square")):
            folder = Path("pictures", part, shape)
            folder.mkdir(parents=True)
            Image.new("L", (16, 16)).save(folder / "0.png")
    for file in page.files:
        if file.endswith(".toml"):
            load(Path(file), ["name=any"])


def test_what_a_page_shows_must_be_printed_but_for_its_numbers() -> None:
    page = Tutorial({}, "", ["audit: 1,055 checks passed, 0 failed", "22.9% kept"])
    assert tutorials.missing(page, "audit: 981 checks passed, 0 failed\n12% kept") == []
    assert tutorials.missing(page, "audit: 981 checks passed\n") == page.printed
    for failed in ("3", "10"):
        assert tutorials.missing(page, f"audit: 981 checks passed, {failed} failed\n12% kept") == page.printed[:1]


def test_a_command_that_fails_fails_the_tutorial(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no such thing"):
        tutorials.run(Tutorial({}, "echo no such thing; false\necho reached", []), tmp_path)


def test_the_files_of_a_tutorial_are_there_when_its_commands_run(tmp_path: Path) -> None:
    assert tutorials.run(Tutorial({"a.txt": "one\n"}, "cat a.txt\n", []), tmp_path) == "one\n"
