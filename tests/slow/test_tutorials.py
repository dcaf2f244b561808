"""Each tutorial is followed to the letter, in an empty folder."""

from pathlib import Path

import pytest

from tests import tutorials


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in tutorials.names() if name != "cluster"])
def test_a_tutorial_does_what_it_says(name: str, tmp_path: Path) -> None:
    page = tutorials.read(name)
    said = tutorials.run(page, tmp_path)
    print(said)
    assert tutorials.missing(page, said) == []
